"""Domain events to stored bytes and back, through the upcasters of older versions.

State is canonical JSON: fields in their order, keys of objects by code point. A class above
version 1 writes ``class_version`` beside its fields, as the ``eventsourcing`` library does.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
from eventsourcing.utils import register_topic

from ..domain.errors import StoreError
from ..domain.events import EVENT_TYPES, RESERVED_TOPICS, Cause, DomainEvent, ForeignEvent

_encode = msgspec.json.Encoder(order="deterministic").encode
_types: dict[str, type[DomainEvent]] = {}


class _Header(msgspec.Struct):
    class_version: int = 1


def register(event_type: type[DomainEvent]) -> None:
    """Make an event class known under its topic, to us and to the library."""
    _types[event_type.TOPIC] = event_type
    register_topic(event_type.TOPIC, event_type)


for _event_type in EVENT_TYPES:
    register(_event_type)


def is_reserved(topic: str) -> bool:
    """Tell whether a topic is one of ours, or may be one of a later version's."""
    return topic in _types or topic.startswith(RESERVED_TOPICS)


def encode_event(event: DomainEvent) -> bytes:
    """Write an event's state."""
    if event.class_version == 1:
        return _encode(event)
    return _encode({**msgspec.to_builtins(event), "class_version": event.class_version})


def decode_event(topic: str, state: bytes) -> DomainEvent:
    """Read an event, brought up to the present version of its class.

    Raises :class:`StoreError` for a topic or a version that this personlog does not know.
    """
    return _decoder(topic)(state)


@lru_cache(maxsize=64)
def _decoder(topic: str) -> Callable[[bytes], DomainEvent]:
    event_type = _types.get(topic)
    if event_type is None and not is_reserved(topic):
        return lambda state: ForeignEvent(
            recorded_at=0, cause=Cause(0), rules=0, topic=topic, state=state
        )
    if event_type is None:
        raise StoreError(
            f"The log holds a domain event {topic!r} that this personlog is too old for."
        )
    decode: Callable[[bytes], DomainEvent] = msgspec.json.Decoder(event_type).decode
    present = event_type.class_version
    if present == 1:
        return decode

    def decode_any_version(state: bytes) -> DomainEvent:
        stored = msgspec.json.decode(state, type=_Header).class_version
        if stored == present:
            return decode(state)
        if stored > present:
            raise StoreError(
                f"The log holds {topic!r} in version {stored}, and this personlog knows {present}."
            )
        fields: dict[str, Any] = msgspec.json.decode(state)
        fields.pop("class_version", None)
        for version in range(stored, present):
            getattr(event_type, f"upcast_v{version}_v{version + 1}")(fields)
        return msgspec.convert(fields, event_type)

    return decode_any_version
