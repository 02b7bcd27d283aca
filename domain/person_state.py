"""A person's state as canonical JSON bytes: the row of the ``persons`` table, and the snapshot."""

import msgspec

from .json_values import JsonObject
from .person import Person
from .uuids import PersonId

_encode = msgspec.json.Encoder(order="deterministic").encode


class _State(msgspec.Struct, frozen=True):
    created_at: int
    is_identified: bool
    distinct_ids: list[str]
    properties: JsonObject
    merged_into: str | None = None


_decode = msgspec.json.Decoder(_State).decode


def encode_state(person: Person) -> bytes:
    """Write a person's state; id and version stand beside it."""
    return _encode(
        _State(
            person.created_at,
            person.is_identified,
            person.distinct_ids,
            person.properties,
            person.merged_into,
        )
    )


def decode_state(person_id: PersonId, version: int, state: bytes) -> Person:
    """Read a person from its stored state."""
    found = _decode(state)
    return Person(
        person_id,
        version,
        found.created_at,
        found.is_identified,
        found.distinct_ids,
        found.properties,
        found.merged_into,
    )
