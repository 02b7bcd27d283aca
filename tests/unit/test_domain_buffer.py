"""The buffer decision: the table of semantics 7.1, line by line, through a walk."""

import pytest

from personlog.domain.inputs import Status
from personlog.domain.json_values import JsonObject
from personlog.domain.person import Person
from personlog.domain.rules import DEFAULT_RULES, Rules

from .conftest import ARRIVED, USER, Holders, captured, walk_of

PLAIN: JsonObject = {"event": "pageview", "distinct_id": "user"}


def is_held(sent: JsonObject, rules: Rules = DEFAULT_RULES, holders: Holders | None = None) -> bool:
    arrival = captured(1, ARRIVED, sent)
    walk_of([arrival], rules, holders)
    held = arrival.status is Status.HELD
    assert held is (arrival.due_at is not None)
    return held


def event(
    name: str = "pageview", properties: JsonObject | None = None, distinct_id: str = "user"
) -> JsonObject:
    return {"event": name, "distinct_id": distinct_id, "properties": properties}


def test_line_1_nothing_is_held_while_the_buffer_is_off() -> None:
    assert not is_held(PLAIN, Rules(buffer_seconds=0))
    assert is_held(PLAIN, Rules(buffer_seconds=1))


def test_line_2_nothing_is_held_once_the_own_id_has_a_person() -> None:
    assert not is_held(PLAIN, holders={"user": Person(USER, version=2, distinct_ids=["user"])})
    assert is_held(PLAIN, holders={"user": None, "other": Person(USER, distinct_ids=["other"])})


@pytest.mark.parametrize("name", ["$identify", "$create_alias", "$merge_dangerously"])
def test_lines_3_to_5_linking_names_are_not_held_whether_they_link_or_not(name: str) -> None:
    assert not is_held(event(name, {"alias": "device", "$anon_distinct_id": "device"}))
    assert not is_held(event(name, {"alias": "user", "$anon_distinct_id": "user"}))
    assert not is_held(event(name))


def test_line_6_group_events_are_not_held() -> None:
    assert not is_held(event("$groupidentify"))


def test_line_7_events_of_a_device_are_not_held() -> None:
    assert not is_held(event(properties={"$device_id": "device"}, distinct_id="device"))
    assert is_held(event(properties={"$device_id": "device"}))


@pytest.mark.parametrize(
    "library", ["posthog-ios", "posthog-android", "posthog-react-native", "posthog-flutter"]
)
def test_line_8_events_of_client_libraries_are_not_held(library: str) -> None:
    assert not is_held(event(properties={"$lib": library}))


@pytest.mark.parametrize("library", ["posthog-python", "web", "posthog-ios-2", "", None, 5, []])
def test_line_8_names_four_libraries_only(library: object) -> None:
    assert is_held(event(properties={"$lib": library}))


def test_line_9_personless_events_are_not_held() -> None:
    assert not is_held(event(properties={"$process_person_profile": False}))
    assert not is_held(event(distinct_id="$posthog_cookieless"))
    assert is_held(event(properties={"$process_person_profile": True}))


def test_dropped_events_are_not_held() -> None:
    assert not is_held({**PLAIN, "uuid": "nope"})


@pytest.mark.parametrize("name", ["pageview", "$set", "$exception", "identify", "$pageview"])
def test_line_10_anything_else_is_held(name: str) -> None:
    assert is_held(event(name))


@pytest.mark.parametrize("distinct_id", ["null", "guest", " ", "0"])
def test_illegal_ids_are_held_like_any_other(distinct_id: str) -> None:
    assert is_held(event(distinct_id=distinct_id))


@pytest.mark.parametrize(("seconds", "due"), [(60, 60_000), (1, 1_000), (86_400, 86_400_000)])
def test_an_event_is_due_a_window_after_its_arrival_whatever_its_own_time(
    seconds: int, due: int
) -> None:
    arrival = captured(1, ARRIVED, {**PLAIN, "timestamp": "2022-12-01T00:00:00Z"})
    walk_of([arrival], Rules(buffer_seconds=seconds))
    assert arrival.due_at == ARRIVED + due
