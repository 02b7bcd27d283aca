"""When an event happened: the sender's clock, corrected by the arrival."""

from typing import Any

import pytest

from personlog.domain.ingestion_warning import IngestionWarning
from personlog.domain.json_values import JsonObject
from personlog.domain.times import EARLIEST

from .conftest import ARRIVED, UUID, read

HOUR = 3_600_000


def resolved(**times: Any) -> tuple[int, list[IngestionWarning]]:
    """An event's time relative to its arrival at 2022-12-20T10:00:00Z, and the warnings."""
    event = read({"event": "pageview", "distinct_id": "user", "properties": {}, **times})
    return event.time - ARRIVED, list(event.warnings)


def ignored(field: str, value: Any, reason: str = "not a readable time") -> IngestionWarning:
    details = {"field": field, "value": value, "reason": reason, "eventUuid": UUID}
    return IngestionWarning("ignored_invalid_timestamp", details)


@pytest.mark.parametrize(
    ("times", "after_arrival"),
    [
        # 1: the sender's clock is corrected by sent_at
        ({"timestamp": "2023-10-30T03:02:00Z", "sent_at": "2023-10-30T03:12:00Z"}, -600_000),
        (
            {"timestamp": "2023-10-30T03:02:00+04:00", "sent_at": "2023-10-29T23:12:00.250Z"},
            -600_250,
        ),
        ({"timestamp": "1970-01-01T01:00:00Z", "sent_at": "1970-01-01T00:00:00Z"}, HOUR),
        # 2: the timestamp as it is
        ({"timestamp": "2022-12-20T09:50:00Z"}, -600_000),
        ({"timestamp": "2022-12-20T10:10:00Z"}, 600_000),
        ({"timestamp": "2022-12-20T12:00:00+04:00"}, -2 * HOUR),
        ({"timestamp": "2022-12-20T09:00:00"}, -HOUR),
        ({"timestamp": "2022-12-20T09:50:00Z", "sent_at": None}, -600_000),
        # 3: milliseconds before arrival, whatever sent_at says
        ({"offset": 6000}, -6_000),
        ({"offset": 1500.9}, -1_500),
        ({"offset": 0}, 0),
        ({"offset": -250}, 250),
        ({"offset": 1500, "sent_at": "2022-12-20T12:46:39Z"}, -1_500),
        ({"offset": 1500, "timestamp": None}, -1_500),
        # The timestamp wins over the offset
        ({"timestamp": "2022-12-20T09:50:00Z", "offset": 6000}, -600_000),
        # 4: arrival
        ({}, 0),
        ({"sent_at": "2022-12-20T12:46:39Z"}, 0),
        ({"timestamp": None, "offset": None, "sent_at": None}, 0),
    ],
)
def test_the_first_match_gives_the_time(times: JsonObject, after_arrival: int) -> None:
    assert resolved(**times) == (after_arrival, [])


@pytest.mark.parametrize(
    ("flag", "after_arrival"), [(True, -HOUR), (False, -1_800_000), ("true", -1_800_000)]
)
def test_only_true_switches_the_correction_off(flag: Any, after_arrival: int) -> None:
    times = {"timestamp": "2022-12-20T09:00:00Z", "sent_at": "2022-12-20T09:30:00Z"}
    assert resolved(**times, properties={"$ignore_sent_at": flag}) == (after_arrival, [])


def test_an_unreadable_sent_at_that_is_ignored_is_no_warning() -> None:
    times = {"timestamp": "2022-12-20T09:00:00Z", "sent_at": "nonsense"}
    assert resolved(**times, properties={"$ignore_sent_at": True}) == (-HOUR, [])


@pytest.mark.parametrize("value", ["nonsense", "", 5, True, [], {"a": 1}])
def test_an_unreadable_sent_at_counts_as_absent_with_a_warning(value: Any) -> None:
    times = {"timestamp": "2022-12-20T09:00:00Z", "sent_at": value}
    assert resolved(**times) == (-HOUR, [ignored("sent_at", value)])


@pytest.mark.parametrize("value", ["notISO", "", 5, False, [], "2022-02-30T00:00:00Z"])
def test_an_unreadable_timestamp_gives_arrival_with_a_warning(value: Any) -> None:
    expected = (0, [ignored("timestamp", value)])
    assert resolved(timestamp=value) == expected
    assert resolved(timestamp=value, sent_at="2022-12-20T09:30:00Z") == expected
    assert resolved(timestamp=value, offset=6000) == expected


@pytest.mark.parametrize("value", ["6000", True, [1], {}])
def test_an_unreadable_offset_gives_arrival_with_a_warning(value: Any) -> None:
    time, (warning,) = resolved(offset=value)
    assert time == 0
    assert warning.type == "ignored_invalid_timestamp"
    assert (warning.details["field"], warning.details["value"]) == ("offset", value)


def test_an_unreadable_arrival_is_warned_about() -> None:
    times = {"timestamp": "2022-12-20T09:00:00Z", "received_at": "nonsense"}
    assert resolved(**times) == (-HOUR, [ignored("received_at", "nonsense")])


def test_every_unreadable_field_has_its_own_warning() -> None:
    assert resolved(timestamp="a", sent_at="b", received_at="c") == (
        0,
        [ignored("received_at", "c"), ignored("sent_at", "b"), ignored("timestamp", "a")],
    )


def in_future(result: str, **sent: Any) -> IngestionWarning:
    return IngestionWarning(
        "event_timestamp_in_future",
        {
            "timestamp": sent.get("timestamp"),
            "sentAt": sent.get("sent_at"),
            "offset": sent.get("offset"),
            "now": "2022-12-20T10:00:00Z",
            "result": result,
            "eventUuid": UUID,
            "eventName": "pageview",
        },
    )


def test_exactly_23_hours_ahead_is_fine() -> None:
    assert resolved(timestamp="2022-12-21T09:00:00.000Z") == (23 * HOUR, [])


def test_more_than_23_hours_ahead_gives_arrival_with_a_warning() -> None:
    timestamp = "2022-12-21T09:00:00.001Z"
    assert resolved(timestamp=timestamp) == (0, [in_future(timestamp, timestamp=timestamp)])


def test_the_last_moment_of_all_is_in_the_future() -> None:
    timestamp = "9999-12-31T23:59:59.999Z"
    assert resolved(timestamp=timestamp) == (0, [in_future(timestamp, timestamp=timestamp)])


def test_it_is_the_corrected_time_that_is_judged() -> None:
    times = {"timestamp": "2021-10-29T02:30:00Z", "sent_at": "2021-10-28T01:00:00Z"}
    assert resolved(**times) == (0, [in_future("2022-12-21T11:30:00Z", **times)])
    times = {"timestamp": "2030-10-29T02:30:00Z", "sent_at": "2030-10-29T02:30:01Z"}
    assert resolved(**times) == (-1_000, [])


def test_a_negative_offset_is_judged_alike() -> None:
    assert resolved(offset=-23 * HOUR) == (23 * HOUR, [])
    offset = -23 * HOUR - 1
    assert resolved(offset=offset) == (0, [in_future("2022-12-21T09:00:00.001Z", offset=offset)])


def test_a_year_out_of_range_gives_arrival_with_a_warning() -> None:
    times = {"timestamp": "0001-01-01T00:00:00Z", "sent_at": "9999-12-31T00:00:00Z"}
    warning = ignored("timestamp", times["timestamp"], "year out of range")
    assert resolved(**times) == (0, [warning])
    assert resolved(timestamp="0001-01-01T00:00:00Z") == (EARLIEST - ARRIVED, [])
    offset = 10**18
    assert resolved(offset=offset) == (0, [ignored("offset", offset, "year out of range")])
