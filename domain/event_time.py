"""When a captured event happened: the sender's clock, corrected by the arrival (semantics 11)."""

from .ingestion_warning import IngestionWarning
from .json_values import JsonObject
from .times import EARLIEST, LATEST, format_time, parse_time
from .uuids import uuid_text

FUTURE_TOLERANCE_MS = 23 * 3_600_000
"""How far ahead of its arrival an event may lie; further, and it is dated by its arrival."""


def resolve_time(
    sent: JsonObject,
    timestamp: int | None,
    now: int,
    uuid: bytes,
    warnings: list[IngestionWarning],
) -> int:
    """Resolve an event's time in milliseconds; what cannot be used is added to ``warnings``.

    ``timestamp`` is the one sent, if it is readable; ``now`` is the arrival. First match:
    ``timestamp`` corrected by ``sent_at``, ``timestamp`` as it is, arrival minus ``offset``,
    arrival.
    """
    if sent.get("received_at") is not None:
        _read(sent, "received_at", uuid, warnings)
    sent_at = None
    if sent.get("sent_at") is not None and not _ignores_sent_at(sent):
        sent_at = _read(sent, "sent_at", uuid, warnings)
    if sent.get("timestamp") is not None:
        field = "timestamp"
        if timestamp is None:
            warnings.append(_unreadable(field, sent[field], "not a readable time", uuid))
            return now
        resolved = timestamp if sent_at is None else now + (timestamp - sent_at)
    elif sent.get("offset") is not None:
        field, offset = "offset", sent["offset"]
        if isinstance(offset, bool) or not isinstance(offset, int | float):
            warnings.append(_unreadable(field, offset, "not a number of milliseconds", uuid))
            return now
        resolved = now - int(offset)
    else:
        return now
    if not EARLIEST <= resolved <= LATEST:
        warnings.append(_unreadable(field, sent[field], "year out of range", uuid))
        return now
    if resolved > now + FUTURE_TOLERANCE_MS:
        warnings.append(_in_future(sent, now, resolved, uuid))
        return now
    return resolved


def _ignores_sent_at(sent: JsonObject) -> bool:
    return (sent.get("properties") or {}).get("$ignore_sent_at") is True


def _read(
    sent: JsonObject, field: str, uuid: bytes, warnings: list[IngestionWarning]
) -> int | None:
    moment = parse_time(sent[field])
    if moment is None:
        warnings.append(_unreadable(field, sent[field], "not a readable time", uuid))
    return moment


def _unreadable(field: str, value: object, reason: str, uuid: bytes) -> IngestionWarning:
    details = {"field": field, "value": value, "reason": reason, "eventUuid": uuid_text(uuid)}
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
