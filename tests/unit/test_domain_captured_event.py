"""Reading a captured event: what makes one, its uuid, its arrival, and personless events."""

from typing import Any

import pytest

from personlog.domain.captured_event import CapturedEvent, NotACapturedEvent, read_captured_event
from personlog.domain.ingestion_warning import IngestionWarning
from personlog.domain.json_values import JsonObject

from .conftest import ARRIVED, DERIVED_UUID, UUID, read

PLAIN: JsonObject = {"event": "pageview", "distinct_id": "user", "properties": {"a": 1}}


def test_a_captured_event_is_read_whole() -> None:
    sent: JsonObject = {
        "event": "$identify",
        "distinct_id": 42,
        "properties": {
            "$anon_distinct_id": "device",
            "$lib": "web",
            "$set": {"a": 1},
            "$unset": ["b"],
        },
        "timestamp": "2022-12-20T09:00:00.000Z",
        "$set_once": {"c": 3},
        "uuid": UUID.upper(),
    }
    assert read(sent) == CapturedEvent(
        uuid=bytes.fromhex(UUID.replace("-", "")),
        sent_timestamp=ARRIVED - 3_600_000,
        arrival=ARRIVED,
        name="$identify",
        distinct_id="42",
        time=ARRIVED - 3_600_000,
        plain=False,
        anonymous=False,
        library="web",
        link="identify",
        other_id="device",
        set_={"a": 1},
        set_once={"c": 3},
        unset=["b"],
        personless=False,
        dropped=False,
        warnings=(),
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"event": None}, "missing_event_name"),
        ({"event": ""}, "missing_event_name"),
        ({"event": 5}, "missing_event_name"),
        ({"properties": []}, "invalid_properties"),
        ({"properties": "x"}, "invalid_properties"),
        ({"distinct_id": None}, "missing_distinct_id"),
        ({"distinct_id": ""}, "missing_distinct_id"),
        ({"distinct_id": "", "properties": {"distinct_id": "user"}}, "missing_distinct_id"),
        ({"distinct_id": None, "properties": {"distinct_id": ""}}, "missing_distinct_id"),
    ],
)
def test_what_lacks_a_name_an_own_id_or_proper_properties_is_no_captured_event(
    change: JsonObject, reason: str
) -> None:
    with pytest.raises(NotACapturedEvent) as caught:
        read({**PLAIN, **change})
    assert caught.value.reason == str(caught.value) == reason


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        ({"distinct_id": "a", "$distinct_id": "b", "properties": {"distinct_id": "c"}}, "a"),
        ({"distinct_id": None, "$distinct_id": "b", "properties": {"distinct_id": "c"}}, "b"),
        ({"$distinct_id": "b"}, "b"),
        ({"distinct_id": None, "properties": {"distinct_id": "c"}}, "c"),
        ({"properties": {"distinct_id": 7}}, "7"),
        ({"distinct_id": 0, "properties": {"distinct_id": "c"}}, "0"),
        ({"distinct_id": False}, "false"),
        ({"distinct_id": "  "}, "  "),
        ({"distinct_id": "a\0b"}, "a\ufffdb"),
        ({"distinct_id": "x" * 201}, "x" * 200),
    ],
)
def test_the_own_id_is_read_from_the_top_level_first(ids: JsonObject, found: str) -> None:
    assert read({"event": "pageview", **ids}).distinct_id == found


def test_properties_may_be_missing_or_null() -> None:
    bare = read({"event": "pageview", "distinct_id": "user"})
    assert read({"event": "pageview", "distinct_id": "user", "properties": None}) == bare
    assert bare.plain


@pytest.mark.parametrize("given", [{}, {"uuid": None}, {"uuid": ""}])
def test_a_missing_uuid_is_derived_silently(given: JsonObject) -> None:
    derived = bytes(range(16))
    event = read_captured_event(
        {**PLAIN, **given}, derive_uuid=lambda: derived, received_at=ARRIVED
    )
    assert (event.uuid, event.dropped, list(event.warnings)) == (derived, False, [])


@pytest.mark.parametrize(
    ("given", "text"),
    [("nope", '"nope"'), (5, "5"), (0, "0"), (False, "false"), (["a"], '["a"]'), (UUID[:-1], None)],
)
def test_a_uuid_of_another_form_drops_the_event_with_one_warning(
    given: Any, text: str | None
) -> None:
    sent: JsonObject = {
        "event": "$identify",
        "distinct_id": "user",
        "properties": {"$anon_distinct_id": "device", "$process_person_profile": "x"},
        "timestamp": "nonsense",
        "uuid": given,
    }
    event = read(sent)
    details = {"eventUuid": f'"{given}"' if text is None else text}
    assert event.dropped
    assert (event.uuid, event.time) == (DERIVED_UUID, ARRIVED)
    assert event.link is None
    assert list(event.warnings) == [IngestionWarning("skipping_event_invalid_uuid", details)]


@pytest.mark.parametrize(
    ("times", "arrival"),
    [
        ({"received_at": "1970-01-01T00:00:03Z", "sent_at": "1970-01-01T00:00:02Z"}, 3_000),
        ({"sent_at": "1970-01-01T00:00:02Z", "timestamp": "1970-01-01T00:00:01Z"}, 2_000),
        ({"timestamp": "1970-01-01T00:00:01Z"}, 1_000),
        ({"received_at": "nonsense", "sent_at": "x", "timestamp": "1970-01-01T00:00:01Z"}, 1_000),
        ({"received_at": None, "sent_at": "1970-01-01T00:00:02Z"}, 2_000),
        ({"received_at": "nonsense"}, None),
        ({}, None),
    ],
)
def test_without_a_clock_the_arrival_is_what_the_sender_tells(
    times: JsonObject, arrival: int | None
) -> None:
    sent = {**PLAIN, "uuid": UUID, **times}
    assert read_captured_event(sent, derive_uuid=lambda: DERIVED_UUID).arrival == arrival


def test_the_clock_beats_what_the_sender_tells_of_the_arrival() -> None:
    event = read({**PLAIN, "received_at": "1970-01-01T00:00:03Z"})
    assert (event.arrival, event.time, list(event.warnings)) == (ARRIVED, ARRIVED, [])


def test_an_event_without_any_time_waits_for_an_arrival() -> None:
    event = read_captured_event({**PLAIN, "uuid": UUID}, derive_uuid=lambda: DERIVED_UUID)
    assert (event.arrival, event.time) == (None, 0)


def test_an_event_without_a_readable_timestamp_has_zero_in_its_key() -> None:
    assert read(PLAIN).sent_timestamp == 0
    assert read({**PLAIN, "timestamp": "nonsense"}).sent_timestamp == 0


def test_the_timestamp_in_the_key_is_not_corrected_by_sent_at() -> None:
    times = {"timestamp": "2022-12-20T09:00:00Z", "sent_at": "2022-12-20T09:30:00Z"}
    event = read({**PLAIN, **times})
    assert event.sent_timestamp == ARRIVED - 3_600_000
    assert event.time == ARRIVED - 1_800_000


# Plain events

OPERATION = {"a": 1}


@pytest.mark.parametrize(
    "properties",
    [{}, {"a": 1}, {"$set": {}, "$set_once": {}, "$unset": []}, {"$process_person_profile": True}],
)
def test_an_event_without_link_operations_and_warnings_is_plain(properties: JsonObject) -> None:
    assert read({**PLAIN, "properties": properties}).plain
    assert read({**PLAIN, "event": "$identify", "properties": properties}).plain


@pytest.mark.parametrize(
    "properties",
    [
        {"$anon_distinct_id": "device"},
        {"$set": OPERATION},
        {"$set_once": OPERATION},
        {"$unset": ["a"]},
        {"$process_person_profile": False},
        {"$process_person_profile": "x"},
    ],
)
def test_an_event_with_any_of_them_is_not_plain(properties: JsonObject) -> None:
    assert not read({**PLAIN, "event": "$identify", "properties": properties}).plain


def test_personless_events_and_those_with_warnings_are_not_plain() -> None:
    assert not read({**PLAIN, "properties": {"$process_person_profile": False}}).plain
    assert not read({**PLAIN, "timestamp": "nonsense"}).plain
    assert not read({**PLAIN, "uuid": "nope"}).plain


# Personless events


def personless(name: str, **properties: Any) -> JsonObject:
    properties["$process_person_profile"] = False
    return {"event": name, "distinct_id": "user", "properties": properties}


def test_an_event_may_be_personless() -> None:
    event = read(personless("pageview"))
    assert (event.personless, event.dropped, list(event.warnings)) == (True, False, [])


def test_an_event_may_say_that_it_is_not_personless() -> None:
    event = read({**PLAIN, "properties": {"$process_person_profile": True}})
    assert (event.personless, event.dropped, list(event.warnings)) == (False, False, [])


@pytest.mark.parametrize(
    "name", ["$identify", "$create_alias", "$merge_dangerously", "$groupidentify"]
)
def test_personless_links_and_groups_are_dropped_with_a_warning(name: str) -> None:
    event = read(personless(name, **{"$anon_distinct_id": "device", "alias": "device"}))
    assert (event.personless, event.dropped, event.link) == (True, True, None)
    assert list(event.warnings) == [
        IngestionWarning(
            "invalid_event_when_process_person_profile_is_false",
            {"event": name, "distinctId": "user", "eventUuid": UUID},
        )
    ]


@pytest.mark.parametrize("flag", [None, "false", 0, 1, [], {}])
def test_a_flag_that_is_no_boolean_counts_as_true_and_warns(flag: Any) -> None:
    properties = {"$process_person_profile": flag, "$anon_distinct_id": "device"}
    event = read({"event": "$identify", "distinct_id": "user", "properties": properties})
    assert (event.personless, event.dropped, event.link) == (False, False, "identify")
    assert list(event.warnings) == [
        IngestionWarning(
            "invalid_process_person_profile",
            {
                "event": "$identify",
                "distinctId": "user",
                "$process_person_profile": flag,
                "message": "Only a boolean value is valid for $process_person_profile",
                "eventUuid": UUID,
            },
        )
    ]


def test_the_cookieless_id_is_personless_whatever_the_flag_says() -> None:
    for properties in ({}, {"$process_person_profile": True}):
        event = read({"event": "x", "distinct_id": "$posthog_cookieless", "properties": properties})
        assert (event.personless, event.dropped, list(event.warnings)) == (True, False, [])


def test_a_link_of_the_cookieless_id_is_dropped() -> None:
    event = read(
        {
            "event": "$identify",
            "distinct_id": "$posthog_cookieless",
            "properties": {"$anon_distinct_id": "device"},
        }
    )
    assert (event.personless, event.dropped, event.link) == (True, True, None)
    assert [each.type for each in event.warnings] == [
        "invalid_event_when_process_person_profile_is_false"
    ]
