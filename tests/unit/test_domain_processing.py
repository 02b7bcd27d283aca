"""Walking inputs in order of processing: the event buffer, commands, warnings and stamps."""

from collections.abc import Sequence

import pytest

from personlog.domain.events import (
    Cause,
    DistinctIdAdded,
    DomainEvent,
    IngestionWarningRaised,
    MergedInto,
    PersonAbsorbed,
    PersonCreated,
    PersonIdentified,
    PropertiesSet,
    RecordedEvent,
    RulesSet,
)
from personlog.domain.inputs import Input, ReleaseBuffer, SetRules, Status
from personlog.domain.json_values import JsonObject
from personlog.domain.person import Person
from personlog.domain.processing import Walk
from personlog.domain.rules import DEFAULT_RULES, Rules
from personlog.domain.uuids import PersonId, derive_stream_id, uuid_text

from .conftest import (
    ARRIVED,
    DEVICE,
    PROJECT,
    USER,
    USER_TEXT,
    captured,
    given,
    header,
    new,
    ordered,
    person,
    uuid_of,
)

NO_BUFFER = Rules(buffer_seconds=0)
SECOND = 1_000
MINUTE = 60_000
DUE = ARRIVED + MINUTE


def walk_of(
    inputs: Sequence[Input],
    rules: Rules = DEFAULT_RULES,
    holders: dict[str, Person | None] | None = None,
    held: Sequence[Input] = (),
    log_head: int = 0,
) -> Walk:
    walk = Walk(PROJECT, rules, {} if holders is None else holders, log_head, list(held))
    for each in inputs:
        walk.arrive(each)
    return walk


def log(*entries: tuple[PersonId, int, DomainEvent], after: int = 0) -> list[RecordedEvent]:
    """The log's entries as (stream, version, event), at the positions that follow."""
    return [
        RecordedEvent(position, stream, version, event)
        for position, (stream, version, event) in enumerate(entries, after + 1)
    ]


def page(distinct_id: str = "user", properties: JsonObject | None = None) -> JsonObject:
    """A backend event, which is held until its own ID has a person."""
    return {"event": "pageview", "distinct_id": distinct_id, "properties": properties}


def set_(distinct_id: str, operations: JsonObject) -> JsonObject:
    return {"event": "$set", "distinct_id": distinct_id, "properties": operations}


def identify(own_id: str, other_id: str) -> JsonObject:
    properties = {"$anon_distinct_id": other_id}
    return {"event": "$identify", "distinct_id": own_id, "properties": properties}


def released(walk: Walk) -> list[int]:
    return [each.position for each in walk.released]


def decided(walk: Walk) -> list[int]:
    """The inputs that domain events were decided for, in order of the log."""
    return list(dict.fromkeys(each.event.cause.position for each in walk.recorded))


# Holding and releasing


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
    walk = Walk(PROJECT, DEFAULT_RULES, {}, 0, [held[2], held[3], held[0], held[1]])
    walk.arrive(captured(5, DUE, page("late")))
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
        holders: dict[str, Person | None] = {}
        first = walk_of(items[:cut], holders=holders)
        held = [each for each in items[:cut] if each.status is Status.HELD]
        second = walk_of(items[cut:], holders=holders, held=held, log_head=first.log_head)
        assert first.recorded + second.recorded == whole.recorded
        assert {**first.touched, **second.touched} == whole.touched
        assert items == expected


# Stamps and the log


def test_versions_and_positions_continue_from_what_is_there() -> None:
    known = given(person(USER, "user")).persons[USER]
    walk = walk_of(
        [captured(7, ARRIVED, set_("user", {"$set": {"a": 1}}))],
        holders={"user": known},
        log_head=100,
    )
    properties_set = PropertiesSet(**header(7, ARRIVED), new={"a": 1}, old={}, unset=[])
    assert walk.recorded == log((USER, 3, properties_set), after=100)
    assert (walk.log_head, walk.touched) == (101, {USER: known})


def test_an_event_that_changes_nothing_is_stamped_all_the_same() -> None:
    known = given(person(USER, "user")).persons[USER]
    for sent in (page(), set_("user", {"$unset": ["never"]})):
        event = captured(1, ARRIVED, sent)
        walk = walk_of([event], holders={"user": known})
        assert (event.status, event.person) == (Status.ATTRIBUTED, USER)
        assert (walk.recorded, walk.touched, walk.log_head) == ([], {}, 0)


def test_a_merge_moves_all_ids_to_the_survivor_for_the_rest_of_the_walk() -> None:
    given_persons = given(person(USER, "user"), person(DEVICE, "device", "phone")).persons
    own, other = given_persons[USER], given_persons[DEVICE]
    holders: dict[str, Person | None] = {"user": own, "device": other, "phone": other}
    later = captured(2, ARRIVED, set_("phone", {"$set": {"a": 1}}))
    walk = walk_of([captured(1, ARRIVED, identify("user", "device")), later], holders=holders)
    link = header(1, ARRIVED)
    absorbed = PersonAbsorbed(
        **link,
        absorbed=uuid_text(DEVICE),
        link="identify",
        own_id="user",
        other_id="device",
        distinct_ids=["device", "phone"],
        taken={},
        lost={},
        created_at=own.created_at,
    )
    assert walk.recorded == log(
        (DEVICE, 4, MergedInto(**link, survivor=USER_TEXT)),
        (USER, 3, absorbed),
        (USER, 4, PersonIdentified(**link)),
        (USER, 5, PropertiesSet(**header(2, ARRIVED), new={"a": 1}, old={}, unset=[])),
    )
    assert later.person == USER
    assert walk.touched == {USER: own, DEVICE: other}


def test_two_events_of_one_new_id_make_one_person() -> None:
    first, second = captured(1, ARRIVED, page()), captured(2, ARRIVED, page())
    walk = walk_of([first, second], rules=NO_BUFFER)
    assert len(walk.touched) == 1
    assert [first.person, second.person] == [new("user", position=1)] * 2


# Personless and dropped events


@pytest.mark.parametrize("known", [True, False])
def test_a_personless_event_has_no_person_and_changes_none(known: bool) -> None:
    holders = {"user": given(person(USER, "user")).persons[USER] if known else None}
    operations = {"$set": {"a": 1}, "$set_once": {"b": 1}, "$unset": ["c"]}
    event = captured(1, ARRIVED, page("user", {"$process_person_profile": False, **operations}))
    walk = walk_of([event], holders=holders)
    assert (event.status, event.person) == (Status.PERSONLESS, None)
    assert (walk.recorded, walk.touched, walk.log_head) == ([], {}, 0)


def test_the_cookieless_id_never_gets_a_person() -> None:
    event = captured(1, ARRIVED, set_("$posthog_cookieless", {"$set": {"a": 1}}))
    walk = walk_of([event], rules=NO_BUFFER)
    assert (event.status, event.person, walk.recorded) == (Status.PERSONLESS, None, [])


def raised(position: int, at: int, kind: str, details: JsonObject) -> IngestionWarningRaised:
    return IngestionWarningRaised(**header(position, at), type=kind, details=details)


def stream(kind: str, position: int) -> PersonId:
    """The stream of domain events that concern one input and no person."""
    return PersonId(derive_stream_id(PROJECT, kind, position))


def test_a_personless_link_is_dropped_with_its_warning_and_links_nothing() -> None:
    link = identify("user", "device")
    link["properties"]["$process_person_profile"] = False
    event = captured(1, ARRIVED, link)
    walk = walk_of([event])
    assert (event.status, event.person) == (Status.DROPPED, None)
    details = {"event": "$identify", "distinctId": "user", "eventUuid": uuid_of(1)}
    kind = "invalid_event_when_process_person_profile_is_false"
    assert walk.recorded == log(
        (stream("input.warning_raised", 1), 1, raised(1, ARRIVED, kind, details))
    )


def test_warnings_are_recorded_on_arrival_on_a_stream_of_the_input_and_only_once() -> None:
    sent = {**page(), "timestamp": "nonsense", "sent_at": "x"}
    held = captured(1, ARRIVED, sent)
    walk = walk_of([held])
    own = stream("input.warning_raised", 1)
    details = {"reason": "not a readable time", "eventUuid": uuid_of(1)}
    kind = "ignored_invalid_timestamp"
    warnings = log(
        (own, 1, raised(1, ARRIVED, kind, {"field": "sent_at", "value": "x", **details})),
        (own, 2, raised(1, ARRIVED, kind, {"field": "timestamp", "value": "nonsense", **details})),
    )
    assert walk.recorded == warnings
    walk.release_until(DUE)
    user = new("user", position=1)
    assert walk.recorded == warnings + log(
        (user, 1, PersonCreated(**header(1, DUE), created_at=ARRIVED)),
        (user, 2, DistinctIdAdded(**header(1, DUE), distinct_id="user")),
        after=2,
    )
    assert walk.touched.keys() == {user}


def test_warnings_of_two_inputs_are_on_two_streams() -> None:
    sent = {**page(), "timestamp": "nonsense"}
    walk = walk_of([captured(1, ARRIVED, sent), captured(2, ARRIVED, sent)])
    places = [(each.position, each.stream, each.version) for each in walk.recorded]
    topic = "input.warning_raised"
    assert places == [(1, stream(topic, 1), 1), (2, stream(topic, 2), 1)]


# Rules


def test_setting_rules_records_the_whole_new_set_under_the_old_version() -> None:
    command = ordered(1, ARRIVED, SetRules({"buffer_seconds": 5}))
    walk = walk_of([command, captured(2, ARRIVED, page())])
    rule_set = {
        "name": "default",
        "version": 2,
        "decider": 1,
        "buffer_seconds": 5,
        "auto_person_properties": False,
        "ignore_volatile_properties": False,
        "internal_user_filters": [],
    }
    rules_set = RulesSet(
        recorded_at=ARRIVED, cause=Cause(1, command="rules set"), rules=1, rule_set=rule_set
    )
    assert walk.recorded == log((stream("project.rules_set", 1), 1, rules_set))
    assert walk.rules == Rules(version=2, buffer_seconds=5)
    assert command.status is Status.COMMAND
    walk.release_until(ARRIVED + 5 * SECOND)
    assert released(walk) == [2]


def test_setting_rules_to_what_they_are_records_nothing() -> None:
    command = ordered(1, ARRIVED, SetRules({"buffer_seconds": 60}))
    walk = walk_of([command])
    assert (walk.recorded, walk.rules, command.status) == ([], DEFAULT_RULES, Status.COMMAND)


def test_what_is_due_when_rules_are_set_is_decided_by_the_old_ones() -> None:
    walk = walk_of([captured(1, ARRIVED, page()), ordered(2, DUE, SetRules({"name": "strict"}))])
    assert decided(walk) == [1, 2]
    assert [each.event.rules for each in walk.recorded] == [1, 1, 1]
    assert walk.rules.version == 2
