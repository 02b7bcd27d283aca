"""When a captured event arrived and when it happened (semantics 11)."""

import msgspec

from .ingestion_warning import IngestionWarning
from .json_values import JsonObject
from .times import EARLIEST, LATEST, format_time, parse_time
from .uuids import uuid_text

FUTURE_TOLERANCE_MS = 23 * 3_600_000
"""How far ahead of its arrival an event may lie; further, and it is dated by its arrival."""


class Times(msgspec.Struct, gc=False):
    """The readable times of a captured event, in milliseconds; None where there is none."""

    arrival: int | None
    received_at: int | None
    sent_at: int | None
    timestamp: int | None


def read_times(sent: JsonObject, arrival: int | None) -> Times:
    """Read an event's times; an ``arrival`` that is given beats what the sender tells."""
    first = sent.get("received_at")
    received_at = None if first is None else parse_time(first)
    text = sent.get("timestamp")
    timestamp = received_at if text == first else parse_time(text)
    text = sent.get("sent_at")
    sent_at = None if text is None else parse_time(text)
    if arrival is None:
        arrival = received_at
        if arrival is None:
            arrival = timestamp if sent_at is None else sent_at
    return Times(arrival, received_at, sent_at, timestamp)


def resolve_time(
    sent: JsonObject, times: Times, uuid: bytes, warnings: list[IngestionWarning]
) -> int:
    """Resolve an event's time in milliseconds; what cannot be used is added to ``warnings``.

    First match: ``timestamp`` corrected by ``sent_at``, ``timestamp`` as it is, arrival minus
    ``offset``, arrival.
    """
    now = times.arrival or 0
    if times.received_at is None and sent.get("received_at") is not None:
        warnings.append(_unreadable(sent, "received_at", "not a readable time", uuid))
    sent_at = times.sent_at
    if sent.get("sent_at") is not None:
        if (sent.get("properties") or {}).get("$ignore_sent_at") is True:
            sent_at = None
        elif sent_at is None:
            warnings.append(_unreadable(sent, "sent_at", "not a readable time", uuid))
    timestamp = times.timestamp
    if timestamp is not None:
        field = "timestamp"
        resolved = timestamp if sent_at is None else now + (timestamp - sent_at)
    else:
        field = "timestamp" if sent.get("timestamp") is not None else "offset"
        if sent.get(field) is None:
            return now
        offset = sent[field]
        if field == "timestamp" or isinstance(offset, bool) or not isinstance(offset, int | float):
            warnings.append(_unreadable(sent, field, "not a readable time", uuid))
            return now
        resolved = now - int(offset)
    return _checked(sent, field, resolved, now, uuid, warnings)


def _checked(
    sent: JsonObject,
    field: str,
    resolved: int,
    now: int,
    uuid: bytes,
    warnings: list[IngestionWarning],
) -> int:
    """Give the resolved time, or the arrival if it cannot be meant."""
    if not EARLIEST <= resolved <= LATEST:
        warnings.append(_unreadable(sent, field, "year out of range", uuid))
        return now
    if resolved > now + FUTURE_TOLERANCE_MS:
        warnings.append(_in_future(sent, now, resolved, uuid))
        return now
    return resolved


def _unreadable(sent: JsonObject, field: str, reason: str, uuid: bytes) -> IngestionWarning:
    details = {"field": field, "value": sent[field], "reason": reason, "eventUuid": uuid_text(uuid)}
    return IngestionWarning("ignored_invalid_timestamp", details)


def _in_future(sent: JsonObject, now: int, resolved: int, uuid: bytes) -> IngestionWarning:
    details = {
        "timestamp": sent.get("timestamp"),
        "sentAt": sent.get("sent_at"),
        "offset": sent.get("offset"),
        "now": format_time(now),
        "result": format_time(resolved),
        "eventUuid": uuid_text(uuid),
        "eventName": sent["event"],
    }
    return IngestionWarning("event_timestamp_in_future", details)
