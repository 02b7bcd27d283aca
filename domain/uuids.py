"""UUIDs as 16 bytes: read, written, and derived (never drawn at random).

A person id is 48 bits of the creating input's arrival in milliseconds, then a hash of
(project, creating uuid, distinct ID), in UUID version 8 layout (RFC 9562, section 5.8).
The same input therefore gives the same id on every machine and at every replay, ids grow
with time, and none follows from a distinct ID alone.
"""

from hashlib import blake2b
from typing import NewType

PersonId = NewType("PersonId", bytes)
"""The 16 bytes of a person's UUID."""

_TEXT_LENGTH = 36
_BYTE_LENGTH = 16
_VERSION_8 = 0x8000 << 64
_VARIANT = 0x8000 << 48
_HASH_MASK = ~((0xF000 << 64) | (0xC000 << 48)) & ((1 << 80) - 1)


def parse_uuid(text: str) -> bytes | None:
    """Give the 16 bytes of a UUID in its 8-4-4-4-12 form, any version; None if it has another form.

    Rule: only the form is checked (semantics 10).
    """
    if len(text) != _TEXT_LENGTH or not text[8] == text[13] == text[18] == text[23] == "-":
        return None
    try:
        found = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return None
    return found if len(found) == _BYTE_LENGTH else None  # white space and more dashes shorten it


def uuid_text(value: bytes) -> str:
    """Give the canonical lower-case text of a UUID."""
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def derive_person_id(
    project: str, arrived_at: int, creating_uuid: bytes, distinct_id: str
) -> PersonId:
    """Derive the id of the person that an input creates for ``distinct_id``.

    ``arrived_at`` is the creating input's arrival in milliseconds since 1970.
    """
    seed = _fields(project.encode(), creating_uuid, distinct_id.encode())
    return PersonId(_uuid8(arrived_at, b"person", seed))


def derive_line_uuid(project: str, raw: bytes, occurrence: int) -> bytes:
    """Derive the uuid of a line that carries none (or none of uuid form).

    ``occurrence`` counts equal lines of one file from 0, so that two equal clicks stay two
    while a second import of the file adds nothing.
    """
    seed = _fields(project.encode(), raw, occurrence.to_bytes(8, "big"))
    return _uuid8(None, b"line", seed)


def derive_stream_id(project: str, kind: str, input_position: int) -> bytes:
    """Derive the stream of domain events that concern no person but one input."""
    seed = _fields(project.encode(), kind.encode(), input_position.to_bytes(8, "big"))
    return _uuid8(None, b"stream", seed)


def _fields(*parts: bytes) -> bytes:
    """Join fields so that no two different lists of them give the same bytes."""
    return b"".join([len(part).to_bytes(8, "big") + part for part in parts])


def _uuid8(milliseconds: int | None, purpose: bytes, seed: bytes) -> bytes:
    digest = blake2b(seed, digest_size=16, person=purpose.ljust(16, b"\0")).digest()
    head = digest[:6] if milliseconds is None else milliseconds.to_bytes(6, "big")
    tail = int.from_bytes(digest[6:], "big") & _HASH_MASK | _VERSION_8 | _VARIANT
    return head + tail.to_bytes(10, "big")
