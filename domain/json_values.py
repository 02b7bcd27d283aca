"""JSON values: equality by value, canonical text, and the JavaScript texts of non-text ids."""

import json
import math
from typing import Any

import msgspec

_encode_sorted = msgspec.json.Encoder(order="sorted").encode

JsonObject = dict[str, Any]

REPLACEMENT = "\ufffd"
_JS_EXACT = 1e21
_JS_SMALL = 1e-6


def same_value(left: object, right: object) -> bool:
    """Tell whether two JSON values are equal: deeply, numbers by value, booleans apart.

    Python's ``==`` alone will not do, since ``1 == True`` (semantics 5.4).
    """
    if left is right:
        return True
    kind = type(left)
    if kind is str or left is None:
        return left == right
    if kind is bool or type(right) is bool:
        return kind is type(right) and left == right
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(same_value(value, right[key]) for key, value in left.items())
        )
    if isinstance(left, list):
        return (
            isinstance(right, list)
            and len(left) == len(right)
            and all(map(same_value, left, right))
        )
    return left == right


def canonical(value: object) -> bytes:
    """Write the one text that all equal JSON values share, as UTF-8.

    Keys sorted by code point, no white space, numbers by value (``1.0`` is ``1``, ``-0.0`` is
    ``0``, others in the fewest digits that give them back), booleans apart from numbers, and
    only quote, backslash and control characters escaped.
    """
    return _encode_sorted(_by_value(value))


def _by_value(value: object) -> object:
    if isinstance(value, dict):
        return {key: _by_value(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_by_value(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def compact(value: object) -> str:
    """Write a value as its compact JSON text, in the order of the sender."""
    if type(value) is int:
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def js_text(value: object) -> str:
    """Turn a JSON value into text the way JavaScript's ``String()`` does (semantics 1.2).

    Whole numbers keep every digit: two different large ids must not become one.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join("" if item is None else js_text(item) for item in value)
    if isinstance(value, dict):
        return "[object Object]"
    if isinstance(value, float):
        return _js_number(value)
    return str(value)


def _js_number(value: float) -> str:
    size = abs(value)
    mantissa, _, exponent = repr(value).partition("e")
    if exponent == "":
        return mantissa.removesuffix(".0").removeprefix("-" if value == 0 else "")
    if value.is_integer() and size < _JS_EXACT:
        known = mantissa.removesuffix(".0").replace(".", "")
        return known.ljust(int(exponent) + 1 + known.count("-"), "0")
    if _JS_SMALL <= size < _JS_EXACT:
        digits = -int(exponent) + len(mantissa.lstrip("-").replace(".", "")) - 1
        return f"{value:.{digits}f}"
    sign = "-" if exponent[0] == "-" else "+"
    return f"{mantissa.removesuffix('.0')}e{sign}{exponent.lstrip('+-').lstrip('0')}"


def cleaned(value: Any) -> Any:
    """Replace NUL and lone surrogates by U+FFFD in every text of a JSON value, keys included."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(key): cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [cleaned(inner) for inner in value]
    return value


def clean_text(text: str) -> str:
    """Replace NUL and lone surrogates by U+FFFD (semantics 1.1, 5.5)."""
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = "".join(REPLACEMENT if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


def finite(text: str) -> float:
    """Read a JSON number, refusing one that no double can hold."""
    number = float(text)
    if math.isinf(number):
        raise OverflowError(text)
    return number
