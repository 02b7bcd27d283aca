"""Walking inputs in order of processing: what is held, and when it is released."""

import pytest

from personlog.domain.events import (
    Cause,
    DistinctIdAdded,
    PersonCreated,
    PersonIdentified,
    PropertiesSet,
)
from personlog.domain.inputs import Input, ReleaseBuffer, SetRules, Status
from personlog.domain.json_values import JsonObject

from .conftest import (
    ARRIVED,
    DEVICE,
    Holders,
    captured,
    decided,
    given,
    header,
    log,
    new,
    ordered,
    person,
    released,
    uuid_of,
    walk_of,
)

SECOND = 1_000
MINUTE = 60_000
DUE = ARRIVED + MINUTE


def page(distinct_id: str = "user", properties: JsonObject | None = None) -> JsonObject:
    """A backend event, which is held until its own ID has a person."""
    return {"event": "pageview", "distinct_id": distinct_id, "properties": properties}


def set_(distinct_id: str, operations: JsonObject) -> JsonObject:
    return {"event": "$set", "distinct_id": distinct_id, "properties": operations}


def identify(own_id: str, other_id: str) -> JsonObject:
    properties = {"$anon_distinct_id": other_id}
    return {"event": "$identify", "distinct_id": own_id, "properties": properties}


def test_a_held_event_waits_without_person_or_stamp() -> None:
    held = captured(1, ARRIVED, page())
    walk = walk_of([held])
    assert (held.status, held.person, held.due_at) == (Status.HELD, None, DUE)
    assert (walk.recorded, walk.touched, walk.released, walk.log_head) == ([], {}, [], 0)


def test_a_released_event_is_recorded_when_due_and_keeps_its_times() -> None:
    held = captured(1, ARRIVED, {**page(), "timestamp": "2022-12-20T09:59:50Z"})
    walk = walk_of([held])
    walk.release_until(DUE - 1)
    assert walk.recorded == []
    walk.release_until(DUE)
    user = new("user", position=1, arrived_at=ARRIVED)
    here = header(1, DUE)
    assert walk.recorded == log(
        (user, 1, PersonCreated(**here, created_at=ARRIVED - 10 * SECOND)),
        (user, 2, DistinctIdAdded(**here, distinct_id="user")),
    )
    assert (held.status, held.person, held.due_at) == (Status.ATTRIBUTED, user, DUE)
    assert (held.arrived_at, walk.released, walk.log_head) == (ARRIVED, [held], 2)


@pytest.mark.parametrize(
    ("wait", "positions"), [(MINUTE - 1, []), (MINUTE, [1]), (2 * MINUTE, [1])]
)
def test_an_arrival_releases_what_is_due_by_then(wait: int, positions: list[int]) -> None:
    walk = walk_of([captured(1, ARRIVED, page("a")), captured(2, ARRIVED + wait, page("b"))])
    assert released(walk) == positions
    assert all(each.event.recorded_at == DUE for each in walk.recorded)


def test_at_one_instant_the_release_comes_before_the_arrival() -> None:
    walk = walk_of(
        [captured(1, ARRIVED, page()), captured(2, DUE, set_("user", {"$set": {"a": 1}}))]
    )
    user = new("user", position=1)
    assert released(walk) == [1]
    assert walk.recorded == log(
        (user, 1, PersonCreated(**header(1, DUE), created_at=ARRIVED)),
        (user, 2, DistinctIdAdded(**header(1, DUE), distinct_id="user")),
        (user, 3, PropertiesSet(**header(2, DUE), new={"a": 1}, old={}, unset=[])),
    )


def test_releases_come_in_order_of_due_time_then_of_position() -> None:
    shorter = SetRules({"buffer_seconds": 10})
    walk = walk_of(
        [
            captured(1, ARRIVED, page("a")),
            captured(2, ARRIVED, page("b")),
            ordered(3, ARRIVED + SECOND, shorter),
            captured(4, ARRIVED + 2 * SECOND, page("c")),
            captured(5, ARRIVED + 50 * SECOND, page("d")),
            captured(6, ARRIVED + 50 * SECOND, page("e")),
        ]
    )
    walk.release_until(DUE)
    assert decided(walk) == [3, 4, 1, 2, 5, 6]
    assert [each.event.recorded_at - ARRIVED for each in walk.recorded] == [
        *[SECOND],
        *[12 * SECOND] * 2,
        *[MINUTE] * 8,
    ]


def test_events_that_earlier_walks_held_are_released_in_the_same_order() -> None:
    held = [captured(position, ARRIVED, page(f"id {position}")) for position in (1, 2, 3, 4)]
    walk_of(held)
    walk = walk_of([], held=[held[2], held[3], held[0], held[1]])
    walk.arrive([captured(5, DUE, page("late"))])
    assert released(walk) == [1, 2, 3, 4]


def test_a_release_may_end_at_a_due_time_and_position() -> None:
    held = [captured(position, ARRIVED, page(f"id {position}")) for position in (1, 2, 3)]
    walk = walk_of(held)
    walk.release_until(DUE, last=(DUE, 2))
    assert released(walk) == [1, 2]
    walk.release_until(DUE)
    assert released(walk) == [1, 2, 3]


def test_there_is_no_second_decision_about_a_held_event() -> None:
    longer = SetRules({"buffer_seconds": 3600})
    held = captured(1, ARRIVED, page())
    walk = walk_of([held, ordered(2, ARRIVED + 1, longer)])
    walk.release_until(DUE)
    assert decided(walk) == [2, 1]
    assert held.status is Status.ATTRIBUTED


def test_each_event_has_its_own_due_time() -> None:
    walk = walk_of([captured(1, ARRIVED, page("a")), captured(2, ARRIVED + SECOND, page("b"))])
    walk.release_until(DUE)
    assert released(walk) == [1]
    walk.release_until(DUE + SECOND)
    assert released(walk) == [1, 2]


def test_a_command_releases_the_buffer_up_to_its_time() -> None:
    release = ordered(3, DUE, ReleaseBuffer(DUE))
    walk = walk_of([captured(1, ARRIVED, page("a")), captured(2, ARRIVED + 1, page("b")), release])
    assert released(walk) == [1]
    assert release.status is Status.COMMAND
    assert [each.event.cause for each in walk.recorded] == [Cause(1, uuid=uuid_of(1))] * 2


def test_held_events_are_decided_by_the_rules_in_force_when_due_at_their_old_due_time() -> None:
    lifting = SetRules({"buffer_seconds": 0, "auto_person_properties": True})
    held = captured(1, ARRIVED, page("user", {"utm_source": "ad"}))
    walk = walk_of([held, ordered(2, ARRIVED + SECOND, lifting), captured(3, DUE - 1, page("b"))])
    assert released(walk) == []
    walk.release_until(DUE)
    user = new("user", position=1)
    lifted = {"$initial_utm_source": "ad", "utm_source": "ad"}
    assert walk.recorded[-3:] == log(
        (user, 1, PersonCreated(**header(1, DUE, rules=2), created_at=ARRIVED)),
        (user, 2, DistinctIdAdded(**header(1, DUE, rules=2), distinct_id="user")),
        (user, 3, PropertiesSet(**header(1, DUE, rules=2), new=lifted, old={}, unset=[])),
        after=3,
    )


def test_a_late_identify_ties_held_events_to_one_person() -> None:
    held = captured(1, ARRIVED, page("user"))
    late = captured(2, ARRIVED + SECOND, identify("user", "device"))
    known = given(person(DEVICE, "device")).persons[DEVICE]
    walk = walk_of([held, late], holders={"device": known})
    walk.release_until(DUE)
    link = header(2, ARRIVED + SECOND)
    assert walk.recorded == log(
        (DEVICE, 3, DistinctIdAdded(**link, distinct_id="user")),
        (DEVICE, 4, PersonIdentified(**link)),
    )
    assert [held.person, late.person] == [DEVICE, DEVICE]
    assert released(walk) == [1]


def test_newer_events_overtake_held_ones_once_the_person_is_there() -> None:
    early = {"$set": {"plan": "held"}, "$set_once": {"first": "held"}}
    late = {"$set": {"plan": "direct"}, "$set_once": {"first": "direct"}}
    walk = walk_of(
        [
            captured(1, ARRIVED, set_("user", early)),
            captured(2, ARRIVED + SECOND, {"event": "$identify", "distinct_id": "user"}),
            captured(3, ARRIVED + 2 * SECOND, set_("user", late)),
        ]
    )
    walk.release_until(DUE)
    assert decided(walk) == [2, 3, 1]
    user = new("user", position=2, arrived_at=ARRIVED + SECOND)
    assert walk.touched[user].properties == {"plan": "held", "first": "direct"}
    assert walk.touched[user].created_at == ARRIVED + SECOND


def test_it_makes_no_difference_where_a_batch_ends() -> None:
    def inputs() -> list[Input]:
        return [
            captured(1, ARRIVED, page("user", {"$set": {"a": 1}})),
            captured(2, ARRIVED + 1, page("device")),
            captured(3, DUE, identify("user", "device")),
            captured(4, DUE + 1, page("device")),
            captured(5, DUE + 1, page("third")),
        ]

    expected = inputs()
    whole = walk_of(expected)
    assert released(whole) == [1, 2]
    for cut in range(1, 5):
        items = inputs()
        holders: Holders = {}
        first = walk_of(items[:cut], holders=holders)
        held = [each for each in items[:cut] if each.status is Status.HELD]
        second = walk_of(items[cut:], holders=holders, held=held, log_head=first.log_head)
        assert first.recorded + second.recorded == whole.recorded
        assert {**first.touched, **second.touched} == whole.touched
        assert items == expected
