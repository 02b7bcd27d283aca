"""Walking inputs: stamps, the log, personless events, warnings and rules."""

import pytest

from personlog.domain.events import (
    Cause,
    DistinctIdAdded,
    IngestionWarningRaised,
    MergedInto,
    PersonAbsorbed,
    PersonCreated,
    PersonIdentified,
    PropertiesSet,
    RulesSet,
)
from personlog.domain.inputs import SetRules, Status
from personlog.domain.json_values import JsonObject
from personlog.domain.rules import DEFAULT_RULES, Rules
from personlog.domain.uuids import PersonId, derive_stream_id, uuid_text

from .conftest import (
    ARRIVED,
    DEVICE,
    PROJECT,
    USER,
    USER_TEXT,
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

NO_BUFFER = Rules(buffer_seconds=0)
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


def test_lifting_makes_every_event_of_a_known_person_count() -> None:
    known = given(person(USER, "user")).persons[USER]
    event = captured(1, ARRIVED, page("user", {"utm_source": "ad"}))
    walk = walk_of([event], Rules(auto_person_properties=True), {"user": known})
    lifted = {"$initial_utm_source": "ad", "utm_source": "ad"}
    properties_set = PropertiesSet(**header(1, ARRIVED), new=lifted, old={}, unset=[])
    assert walk.recorded == log((USER, 3, properties_set))
    assert event.person == USER


def test_a_merge_moves_all_ids_to_the_survivor_for_the_rest_of_the_walk() -> None:
    given_persons = given(person(USER, "user"), person(DEVICE, "device", "phone")).persons
    own, other = given_persons[USER], given_persons[DEVICE]
    holders: Holders = {"user": own, "device": other, "phone": other}
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
    for operations in ({}, {"$set": {"a": 1}, "$set_once": {"b": 1}, "$unset": ["c"]}):
        properties = {"$process_person_profile": False, **operations}
        event = captured(1, ARRIVED, page("user", properties))
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
