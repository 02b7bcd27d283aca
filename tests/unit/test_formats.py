"""Lines of other tools as the captured events they stand for."""

from typing import Any
from uuid import UUID

import pytest

from personlog.adapters.arrivals import Untranslatable
from personlog.adapters.formats import posthog_export
from personlog.adapters.formats.recognition import recognise
from personlog.adapters.formats.segment import SegmentOptions, SegmentTranslator

Json = dict[str, Any]
WHEN = "2026-01-07T08:00:00Z"
LATER = "2026-01-07T08:00:01Z"


def segment(sent: Json, **options: Any) -> list[Json]:
    call = {"messageId": "m-1", "timestamp": WHEN, "receivedAt": LATER, **sent}
    return [each.sent for each in SegmentTranslator(SegmentOptions(**options))(call)]


def told(events: list[Json]) -> list[Json]:
    """What matters of translated events; uuids and times are tested apart."""
    kept = ("event", "distinct_id", "properties", "$set")
    return [{name: each[name] for name in kept if name in each} for each in events]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (
            {"type": "identify", "userId": "u", "anonymousId": "a", "traits": {"plan": "pro"}},
            {
                "event": "$identify",
                "distinct_id": "u",
                "properties": {"$anon_distinct_id": "a"},
                "$set": {"plan": "pro"},
            },
        ),
        (
            {"type": "identify", "userId": "u", "traits": {"plan": "pro"}},
            {"event": "$identify", "distinct_id": "u", "properties": {}, "$set": {"plan": "pro"}},
        ),
        (
            {"type": "identify", "anonymousId": "a", "traits": {"plan": "pro"}},
            {"event": "$set", "distinct_id": "a", "properties": {}, "$set": {"plan": "pro"}},
        ),
        (
            {"type": "identify", "userId": "", "anonymousId": 12.0, "traits": None},
            {"event": "$set", "distinct_id": "12", "properties": {}, "$set": {}},
        ),
        (
            {"type": "alias", "userId": "new", "previousId": "old"},
            {"event": "$create_alias", "distinct_id": "new", "properties": {"alias": "old"}},
        ),
        (
            {"type": "track", "userId": 7, "event": "Paid", "properties": {"a": 1}},
            {"event": "Paid", "distinct_id": "7", "properties": {"a": 1}},
        ),
        (
            {"type": "track", "userId": "u", "event": "x", "properties": {"distinct_id": "z"}},
            {"event": "x", "distinct_id": "u", "properties": {}},
        ),
        (
            {"type": "page", "anonymousId": "a", "properties": {"url": "https://x/"}},
            {
                "event": "$pageview",
                "distinct_id": "a",
                "properties": {"url": "https://x/", "$current_url": "https://x/"},
            },
        ),
        (
            {"type": "screen", "anonymousId": "a", "name": "Home"},
            {"event": "$screen", "distinct_id": "a", "properties": {"$screen_name": "Home"}},
        ),
        (
            {"type": "group", "userId": "u", "groupId": 5, "traits": {"seats": 3}},
            {
                "event": "$groupidentify",
                "distinct_id": "u",
                "properties": {
                    "$group_type": "company",
                    "$group_set": {"seats": 3},
                    "$group_key": "5",
                },
            },
        ),
    ],
    ids=lambda value: value.get("type", "") if isinstance(value, dict) else "",
)
def test_segment_calls(sent: Json, expected: Json) -> None:
    assert told(segment(sent)) == [expected]


def test_the_context_of_a_call_becomes_properties_that_have_names_here() -> None:
    context = {
        "ip": "203.0.113.7",
        "page": {"url": "https://x/", "path": "/", "referrer": "https://y/"},
        "device": {"id": "d"},
        "library": {"name": "analytics.js", "version": "2"},
        "campaign": {"name": "spring", "source": "mail"},
        "traits": {"plan": "old", "city": "Ulm"},
    }
    call = {"type": "identify", "userId": "u", "traits": {"plan": "new"}, "context": context}
    (event,) = segment(call)
    assert event["properties"] == {
        "$ip": "203.0.113.7",
        "$current_url": "https://x/",
        "$pathname": "/",
        "$referrer": "https://y/",
        "$device_id": "d",
        "$lib": "analytics.js",
        "$lib_version": "2",
        "utm_campaign": "spring",
        "utm_source": "mail",
        "$context": context,
    }
    assert event["$set"] == {"plan": "new", "city": "Ulm"}


def test_rudderstack_means_the_reverse_by_an_alias() -> None:
    call = {"type": "alias", "userId": "new", "previousId": "old"}
    (event,) = segment(call, alias_direction="rudderstack")
    assert (event["distinct_id"], event["properties"]["alias"]) == ("old", "new")


def test_a_track_links_its_two_ids_once_if_it_is_told_to() -> None:
    translator = SegmentTranslator(SegmentOptions(link_on_track=True))

    def translate(call: Json) -> list[Json]:
        return [each.sent for each in translator(call)]

    call = {"type": "track", "userId": "u", "anonymousId": "a", "event": "x", "messageId": "m"}
    link, event = translate(call)
    assert (link["event"], link["distinct_id"]) == ("$identify", "u")
    assert link["properties"] == {"$anon_distinct_id": "a"}
    assert link["uuid"] != event["uuid"]
    assert [each["event"] for each in translate(call)] == ["x"]
    assert len(translate({**call, "anonymousId": "b"})) == 2
    assert len(translate({**call, "anonymousId": "u"})) == 1
    assert len(segment(call)) == 1


def test_a_message_id_is_a_uuid_of_its_own_and_the_same_each_time() -> None:
    call = {"type": "track", "userId": "u", "event": "x"}
    first, second = (segment(call)[0]["uuid"] for _ in range(2))
    assert first == second
    assert UUID(first).version == 5
    assert segment({**call, "messageId": "m-2"})[0]["uuid"] != first
    assert segment({**call, "messageId": None})[0]["uuid"] is None


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({}, {"timestamp": WHEN, "received_at": LATER}),
        ({"receivedAt": None}, {"timestamp": WHEN, "received_at": WHEN}),
        (
            {"timestamp": None, "originalTimestamp": "o", "sentAt": "s"},
            {"timestamp": "o", "sent_at": "s", "received_at": LATER},
        ),
        ({"timestamp": None}, {"received_at": LATER}),
        ({"timestamp": None, "receivedAt": None}, {}),
    ],
)
def test_when_a_call_happened(times: Json, expected: Json) -> None:
    (event,) = segment({"type": "track", "userId": "u", "event": "x", **times})
    names = ("timestamp", "sent_at", "received_at")
    assert {name: event[name] for name in names if name in event} == expected


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"type": "track", "event": "x"}, "missing_distinct_id"),
        ({"type": "track", "event": "x", "userId": True}, "missing_distinct_id"),
        ({"type": "delete", "userId": "u"}, "unknown_type"),
        ({"userId": "u"}, "unknown_type"),
        ({"type": "alias", "userId": "u"}, "missing_previous_id"),
        ({"batch": [1]}, "not_an_object"),
    ],
)
def test_what_stands_for_no_captured_event(sent: Json, reason: str) -> None:
    with pytest.raises(Untranslatable) as refused:
        segment(sent)
    assert refused.value.reason == reason


def test_a_batch_is_its_calls_with_the_times_of_the_batch() -> None:
    calls = [{"type": "track", "userId": "u", "event": name, "messageId": name} for name in "ab"]
    found = SegmentTranslator(SegmentOptions())(
        {"batch": calls, "sentAt": "s", "receivedAt": LATER}
    )
    assert [(each.sent["event"], each.sent["received_at"]) for each in found] == [
        ("a", LATER),
        ("b", LATER),
    ]


ROW = {
    "uuid": "0190bbbb-0000-4000-8000-000000000001",
    "event": "$pageview",
    "distinct_id": "a",
    "person_id": "theirs",
    "properties": {"token": "phc_theirs", "$set": {"x": 1}},
    "timestamp": WHEN,
    "created_at": LATER,
}


def test_a_row_of_a_batch_export() -> None:
    assert posthog_export.translate(ROW) == [
        ({**ROW, "project": "default", "received_at": LATER}, None, None),
    ]


def test_older_and_packed_columns_of_an_export() -> None:
    row = {**ROW, "properties": '{"a":1}', "set": '{"b":2}', "set_once": {"c": 3}}
    ((event, _, _),) = posthog_export.translate(
        {**row, "created_at": None, "sent_at": "x", "offset": 5}
    )
    assert (event["properties"], event["$set"], event["$set_once"]) == (
        {"a": 1},
        {"b": 2},
        {"c": 3},
    )
    assert event["received_at"] == WHEN
    assert not {"sent_at", "offset", "set", "set_once"} & event.keys()


def test_a_packed_column_that_is_no_json() -> None:
    with pytest.raises(Untranslatable) as refused:
        posthog_export.translate({**ROW, "properties": "{"})
    assert refused.value.reason == "invalid_properties"


def test_a_page_of_the_events_api_is_turned_into_order() -> None:
    rows = [{"event": name, "id": name, "timestamp": when} for name, when in
            (("new", LATER), ("old", WHEN))]  # fmt: skip
    found = posthog_export.translate({"results": rows, "next": None})
    assert [(each.sent["event"], each.sent["uuid"]) for each in found] == [
        ("old", "old"),
        ("new", "new"),
    ]


@pytest.mark.parametrize(
    ("row", "person"),
    [
        ({"person_id": "p"}, "p"),
        ({"person": {"uuid": "p", "distinct_ids": ["a"]}}, "p"),
        ({"person": {"distinct_ids": ["a", "b"]}}, "a"),
        ({"person": {"distinct_ids": []}}, None),
        ({}, None),
    ],
)
def test_the_person_that_an_export_tells(row: Json, person: str | None) -> None:
    assert posthog_export.expected_person(row) == person


@pytest.mark.parametrize(
    ("objects", "format_"),
    [
        ([], "personlog"),
        ([{}], "personlog"),
        ([{"event": "x", "distinct_id": "a", "properties": {}}], "personlog"),
        ([{"type": "identify", "event": "$identify", "distinct_id": "a"}], "personlog"),
        ([{"event": "x", "distinct_id": "a", "person_id": "p", "received_at": WHEN}], "personlog"),
        ([{"event": "x", "batch": 1}], "personlog"),
        ([{}, ROW], "posthog-export"),
        ([{"results": [{**ROW, "person": {}}]}], "posthog-export"),
        ([{"type": "track", "userId": "u"}], "segment"),
        ([{"batch": [{"type": "page", "anonymousId": "a"}]}], "segment"),
    ],
)
def test_formats_are_recognised(objects: list[Json], format_: str) -> None:
    assert recognise(objects) == format_
