"""A captured event: what a sender sent, read into the parts that identity depends on.

What a rule cannot use is set aside with an ingestion warning; only an object that is no captured
event at all is refused.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from .distinct_id import COOKIELESS, is_usual, other_id, own_id
from .event_time import read_times, resolve_time
from .ingestion_warning import IngestionWarning
from .json_values import JsonObject, compact
from .uuids import parse_uuid, uuid_text

LinkKind = Literal["identify", "create_alias", "merge_dangerously"]

_LINKS: dict[str, tuple[LinkKind, str]] = {
    "$identify": ("identify", "$anon_distinct_id"),
    "$create_alias": ("create_alias", "alias"),
    "$merge_dangerously": ("merge_dangerously", "alias"),
}
LINKING_NAMES = frozenset(_LINKS)
GROUP_NAME = "$groupidentify"

_NOTHING: JsonObject = {}


class CapturedEvent(msgspec.Struct, omit_defaults=True):
    """A captured event after normalisation (semantics 0, steps 1, 2 and 4).

    Times are milliseconds since 1970. ``arrival`` is None if the sender told no time at all.
    ``sent_timestamp`` is the ``timestamp`` as sent, 0 if there is no readable one: with project
    and uuid it is the key of a captured event, since retries carry a new ``sent_at``. ``link``
    is None unless the event names a usable other ID that differs from its own; ``unset`` lists
    keys; an ``anonymous`` event's own ID is that of its device; a ``dropped`` event is kept as an
    input but makes no person and changes none. An event is ``plain`` if it can change nothing
    once its own ID has a person: most can not. The properties it was sent with stay in the
    input's body.
    """

    uuid: bytes
    sent_timestamp: int
    arrival: int | None
    name: str
    distinct_id: str
    time: int
    plain: bool = False
    anonymous: bool = False
    library: object = None
    set_: JsonObject = {}
    set_once: JsonObject = {}
    unset: Sequence[str] = ()
    link: LinkKind | None = None
    other_id: str = ""
    personless: bool = False
    dropped: bool = False
    warnings: Sequence[IngestionWarning] = ()

    @property
    def uuid_text(self) -> str:
        """The uuid in its canonical form."""
        return uuid_text(self.uuid)


class NotACapturedEvent(Exception):
    """A JSON object lacks what makes a captured event."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_captured_event(
    sent: JsonObject, derive_uuid: Callable[[], bytes], received_at: int | None = None
) -> CapturedEvent:
    """Read a JSON object.

    ``derive_uuid`` gives the uuid of an event that was sent without one of uuid form. Without
    ``received_at`` (milliseconds since 1970) the arrival is the one the sender tells:
    ``received_at``, else ``sent_at``, else ``timestamp``.
    Raises :class:`NotACapturedEvent` with ``missing_event_name``, ``invalid_properties`` or
    ``missing_distinct_id``.
    """
    name = sent.get("event")
    if not isinstance(name, str) or not name:
        raise NotACapturedEvent("missing_event_name")
    properties = sent.get("properties")
    if properties is None:
        properties = _NOTHING
    elif not isinstance(properties, dict):
        raise NotACapturedEvent("invalid_properties")
    distinct_id = sent.get("distinct_id")
    if not is_usual(distinct_id):
        distinct_id = _own_id(sent, properties)
    times = read_times(sent, received_at)
    given = sent.get("uuid")
    uuid = parse_uuid(given) if isinstance(given, str) else None
    event = CapturedEvent(
        derive_uuid() if uuid is None else uuid,
        times.timestamp or 0,
        times.arrival,
        name,
        distinct_id,
        times.arrival or 0,
        True,  # noqa: FBT003 - keywords cost a tenth of the reading
        distinct_id == properties.get("$device_id"),
        properties.get("$lib"),
        _operation(sent, properties, "$set"),
        _operation(sent, properties, "$set_once"),
        _unset(properties["$unset"]) if "$unset" in properties else (),
    )
    warnings: list[IngestionWarning] = []
    event.time = resolve_time(sent, times, event.uuid, warnings)
    if uuid is None and given is not None and given != "":
        event.dropped = True
        warnings.clear()  # of an event that is dropped one thing is told: why
        details = {"eventUuid": compact(given)}
        warnings.append(IngestionWarning("skipping_event_invalid_uuid", details))
    else:
        if "$process_person_profile" in properties or distinct_id == COOKIELESS:
            _read_person_profile(event, properties, warnings)
        if name in _LINKS and not event.personless:
            _read_link(event, properties)
    if warnings:
        event.warnings = warnings
    if warnings or event.personless or event.link or _has_operations(event):
        event.plain = False
    return event


def _has_operations(event: CapturedEvent) -> bool:
    return bool(event.set_ or event.set_once or event.unset)


def _own_id(sent: JsonObject, properties: JsonObject) -> str:
    """Find the own ID: top level, else in ``properties`` (semantics 1.1)."""
    top_level = sent.get("distinct_id")
    if top_level is None:
        top_level = sent.get("$distinct_id")
    found = own_id(properties.get("distinct_id") if top_level is None else top_level)
    if found is None:
        raise NotACapturedEvent("missing_distinct_id")
    return found


def _operation(sent: JsonObject, properties: JsonObject, name: str) -> JsonObject:
    """Merge a top-level operation over the one in ``properties`` (semantics 5.2)."""
    inner, top = properties.get(name), sent.get(name)
    if inner is None and top is None:
        return _NOTHING
    if not isinstance(top, dict):
        return inner if isinstance(inner, dict) else _NOTHING
    return {**inner, **top} if isinstance(inner, dict) else top


def _unset(value: Any) -> Sequence[str]:
    """List the keys to unset: texts of a list, or an object's keys (semantics 5.1)."""
    if isinstance(value, list | dict):
        return [key for key in value if isinstance(key, str)]
    return []


def _read_person_profile(
    event: CapturedEvent, properties: JsonObject, warnings: list[IngestionWarning]
) -> None:
    """Apply ``$process_person_profile`` (semantics 9)."""
    flag = properties.get("$process_person_profile", True)
    if not isinstance(flag, bool):
        warnings.append(
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
        warnings.append(
            IngestionWarning(
                "invalid_event_when_process_person_profile_is_false",
                {
                    "event": event.name,
                    "distinctId": event.distinct_id,
                    "eventUuid": event.uuid_text,
                },
            )
        )


def _read_link(event: CapturedEvent, properties: JsonObject) -> None:
    """Find the other ID (semantics 1.2): the key present for ``$identify``, truthy for an alias."""
    kind, field = _LINKS[event.name]
    if field not in properties:
        return
    value = properties[field]
    if kind != "identify" and _is_falsy(value):
        return
    named = other_id(value)
    if named != event.distinct_id:
        event.link, event.other_id = kind, named


def _is_falsy(value: Any) -> bool:
    """JavaScript's notion, in which empty lists and objects are true."""
    return value is None or value == "" or (isinstance(value, int | float) and not value)
