"""One line of JSON to the object a sender sent, or the reason why there is none.

msgspec reads nearly every line. It refuses lone surrogates, which real SDKs do send: Python's
own decoder takes over for such a line, held to the same limits.
"""

import json
import re
from typing import Any

import msgspec

from ..domain.json_values import JsonObject, cleaned, finite

MAX_DEPTH = 128
"""How deep objects and lists may nest; the same on every machine, unlike a recursion limit."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BACKSLASH = ord("\\")
_OPENING, _CLOSING = b"[{", b"]}"
_MOST_DIGITS = 308
"""Digits of a whole number that every double can hold; a longer one is looked at."""
_TELLING = b"0123456789[{"
_NOT_TELLING = bytes(set(range(256)) - set(_TELLING))
_LONG_NUMBER = re.compile(rb"[0-9]{%d,}" % (_MOST_DIGITS + 1))


class Unreadable(Exception):
    """A line is no JSON object."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode_object(raw: bytes) -> JsonObject:
    """Decode a line; NUL and lone surrogates in it become U+FFFD.

    Raises :class:`Unreadable` with the reason: ``not_utf8``, ``invalid_json``,
    ``not_an_object``, ``nested_too_deep`` or ``number_out_of_range``.
    """
    # Few lines have so many brackets and digits that they need a closer look.
    if len(raw.translate(None, _NOT_TELLING)) > MAX_DEPTH:
        if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
            raise Unreadable("nested_too_deep")
        if _LONG_NUMBER.search(raw):
            return _decode_slowly(raw)
    try:
        found = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_slowly(raw)
    return cleaned(found) if _BACKSLASH in raw and b"\\u0000" in raw else found


def _decode_slowly(raw: bytes) -> JsonObject:
    """Decode what msgspec refused, or say what is wrong with it."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Unreadable("not_utf8") from None
    try:
        found = json.loads(text, parse_float=finite, parse_int=_whole, parse_constant=_constant)
    except OverflowError:
        raise Unreadable("number_out_of_range") from None
    except (ValueError, RecursionError):
        raise Unreadable("invalid_json") from None
    if not isinstance(found, dict):
        raise Unreadable("not_an_object")
    return cleaned(found)  # type: ignore[no-any-return]


def _whole(text: str) -> int:
    """Read a whole number of any size that a double can come near to, on every machine alike."""
    if len(text) > _MOST_DIGITS:
        finite(text)
    return int(text)


def _constant(text: str) -> float:
    raise ValueError(text)


def _depth(raw: bytes) -> int:
    deepest = depth = 0
    for byte in _TEXTS.sub(b"", raw):
        if byte in _OPENING:
            depth += 1
            deepest = max(deepest, depth)
        elif byte in _CLOSING:
            depth -= 1
    return deepest
