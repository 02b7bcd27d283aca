"""A captured event: what a sender sent, read into the parts that identity depends on.

What a rule cannot use is set aside with an ingestion warning; only an object that is no captured
event at all is refused.
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from .distinct_id import COOKIELESS, other_id, own_id
from .event_time import resolve_time
from .ingestion_warning import IngestionWarning
from .json_values import JsonObject, compact
from .times import parse_time
from .uuids import parse_uuid, uuid_text

LinkKind = Literal["identify", "create_alias", "merge_dangerously"]

_LINKS: dict[str, tuple[LinkKind, str]] = {
    "$identify": ("identify", "$anon_distinct_id"),
    "$create_alias": ("create_alias", "alias"),
    "$merge_dangerously": ("merge_dangerously", "alias"),
}
LINKING_NAMES = frozenset(_LINKS)
GROUP_NAME = "$groupidentify"


class CapturedEvent(msgspec.Struct, kw_only=True):
    """A captured event after normalisation (semantics 0, steps 1, 2 and 4).

    Times are milliseconds since 1970. ``sent_timestamp`` is the ``timestamp`` as sent, 0 if
    there is no readable one: with project and uuid it is the key of a captured event, since
    retries carry a new ``sent_at``. ``link`` is None unless the event names a usable other ID
    that differs from its own; ``unset`` lists keys; a ``dropped`` event is kept as an input but
    makes no person and changes none.
    """

    uuid: bytes
    sent_timestamp: int
    name: str
    distinct_id: str
    time: int
    properties: JsonObject
    link: LinkKind | None = None
    other_id: str = ""
    set_: JsonObject
    set_once: JsonObject
    unset: list[str]
    personless: bool = False
    dropped: bool = False
    warnings: list[IngestionWarning]

    @property
    def uuid_text(self) -> str:
        """The uuid in its canonical form."""
        return uuid_text(self.uuid)


class NotACapturedEvent(Exception):
    """A JSON object lacks what makes a captured event."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def arrival_of(sent: JsonObject) -> int | None:
    """Give a line's arrival: ``received_at``, else ``sent_at``, else ``timestamp``."""
    for field in ("received_at", "sent_at", "timestamp"):
        if (value := sent.get(field)) is not None and (moment := parse_time(value)) is not None:
            return moment
    return None


def read_captured_event(
    sent: JsonObject, received_at: int, derive_uuid: Callable[[], bytes]
) -> CapturedEvent:
    """Read a JSON object that arrived at ``received_at`` (milliseconds since 1970).

    ``derive_uuid`` gives the uuid of an event that was sent without one of uuid form.
    Raises :class:`NotACapturedEvent` with ``missing_event_name``, ``invalid_properties`` or
    ``missing_distinct_id``.
    """
    name = sent.get("event")
    if not isinstance(name, str) or not name:
        raise NotACapturedEvent("missing_event_name")
    properties: JsonObject | None = sent.get("properties")
    if properties is None:
        properties = {}
    elif not isinstance(properties, dict):
        raise NotACapturedEvent("invalid_properties")
    distinct_id = _own_id(sent, properties)
    if distinct_id is None:
        raise NotACapturedEvent("missing_distinct_id")
    timestamp = parse_time(sent.get("timestamp"))
    given = sent.get("uuid")
    uuid = parse_uuid(given) if isinstance(given, str) else None
    event = CapturedEvent(
        uuid=derive_uuid() if uuid is None else uuid,
        sent_timestamp=timestamp or 0,
        name=name,
        distinct_id=distinct_id,
        time=received_at,
        properties=properties,
        set_=_operation(sent, properties, "$set"),
        set_once=_operation(sent, properties, "$set_once"),
        unset=_unset(properties["$unset"]) if "$unset" in properties else [],
        warnings=[],
    )
    if uuid is None and given is not None and given != "":
        event.dropped = True
        event.warnings.append(
            IngestionWarning("skipping_event_invalid_uuid", {"eventUuid": compact(given)})
        )
        return event
    event.time = resolve_time(sent, timestamp, received_at, event.uuid, event.warnings)
    if "$process_person_profile" in properties or distinct_id == COOKIELESS:
        _read_person_profile(event)
    if name in _LINKS and not event.personless:
        _read_link(event)
    return event


def _own_id(sent: JsonObject, properties: JsonObject) -> str | None:
    """Find the own ID: top level, else in ``properties`` (semantics 1.1)."""
    top_level = sent.get("distinct_id")
    if top_level is None:
        top_level = sent.get("$distinct_id")
    return own_id(properties.get("distinct_id") if top_level is None else top_level)


def _operation(sent: JsonObject, properties: JsonObject, name: str) -> JsonObject:
    """Merge a top-level operation over the one in ``properties`` (semantics 5.2)."""
    if name not in properties and name not in sent:
        return {}
    inner, top = properties.get(name), sent.get(name)
    if not isinstance(top, dict):
        return inner if isinstance(inner, dict) else {}
    return {**inner, **top} if isinstance(inner, dict) else top


def _unset(value: Any) -> list[str]:
    """List the keys to unset: texts of a list, or an object's keys (semantics 5.1)."""
    if isinstance(value, list | dict):
        return [key for key in value if isinstance(key, str)]
    return []


def _read_person_profile(event: CapturedEvent) -> None:
    """Apply ``$process_person_profile`` (semantics 9)."""
    flag = event.properties.get("$process_person_profile", True)
    if not isinstance(flag, bool):
        event.warnings.append(
            IngestionWarning(
                "invalid_process_person_profile",
                {
                    "event": event.name,
                    "distinctId": event.distinct_id,
                    "$process_person_profile": flag,
                    "message": "Only a boolean value is valid for $process_person_profile",
                    "eventUuid": event.uuid_text,
                },
            )
        )
        flag = True
    event.personless = not flag or event.distinct_id == COOKIELESS
    if event.personless and (event.name in LINKING_NAMES or event.name == GROUP_NAME):
        event.dropped = True
        event.warnings.append(
            IngestionWarning(
                "invalid_event_when_process_person_profile_is_false",
                {
                    "event": event.name,
                    "distinctId": event.distinct_id,
                    "eventUuid": event.uuid_text,
                },
            )
        )


def _read_link(event: CapturedEvent) -> None:
    """Find the other ID (semantics 1.2): the key present for ``$identify``, truthy for an alias."""
    kind, field = _LINKS[event.name]
    if field not in event.properties:
        return
    value = event.properties[field]
    if kind != "identify" and _is_falsy(value):
        return
    named = other_id(value)
    if named != event.distinct_id:
        event.link, event.other_id = kind, named


def _is_falsy(value: Any) -> bool:
    """JavaScript's notion, in which empty lists and objects are true."""
    return value is None or value == "" or (isinstance(value, int | float) and not value)
