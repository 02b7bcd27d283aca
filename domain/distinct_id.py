"""Distinct IDs: how one is read from a captured event, and which may never be linked.

IDs are never trimmed, case-folded or Unicode-normalised (semantics 1.1).
"""

from typing import TypeGuard

from .json_values import clean_text, compact, js_text

MAX_LENGTH = 200
"""Characters of an ID that count; the rest is cut off (semantics 1.1)."""

COOKIELESS = "$posthog_cookieless"
"""The one ID that every visitor without cookies sends: personless, and never linked."""

_ILLEGAL_ANY_CASE = frozenset(
    {
        "anonymous",
        "guest",
        "distinctid",
        "distinct_id",
        "id",
        "not_authenticated",
        "email",
        "undefined",
        "true",
        "false",
    }
)
_ILLEGAL_EXACT = frozenset({"[object Object]", "NaN", "None", "none", "null", "0", COOKIELESS})
_QUOTES = ("'", '"')
_SHORTEST_QUOTED = 3

# ECMAScript's WhiteSpace and LineTerminator, which differ from str.strip() at both ends:
# U+FEFF is in, U+001C to U+001F and U+0085 are not.
_JS_WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)


def is_usual(value: object) -> TypeGuard[str]:
    """Tell at a glance that a value is an ID which :func:`own_id` would leave as it is."""
    return value.__class__ is str and 0 < len(value) <= MAX_LENGTH and value.isprintable()


def own_id(value: object) -> str | None:
    """Read the own ID; None if there is none.

    Text as it is, anything else as its compact JSON text (semantics 1.1).
    """
    if value is None:
        return None
    return normalise(value if isinstance(value, str) else compact(value)) or None


def other_id(value: object) -> str:
    """Read the other ID of a linking event, turned into text the JavaScript way (semantics 1.2)."""
    return normalise(js_text(value))


def normalise(text: str) -> str:
    """Clean an ID and cut it to :data:`MAX_LENGTH` characters."""
    if not text.isascii() or "\0" in text:
        text = clean_text(text)
    return text if len(text) <= MAX_LENGTH else text[:MAX_LENGTH]


def is_illegal(distinct_id: str) -> bool:
    """Tell whether an ID may never be linked (semantics 1.4). Plain events may use it."""
    return (
        _is_listed(distinct_id) or not distinct_id.strip(_JS_WHITE_SPACE) or _is_quoted(distinct_id)
    )


def _is_listed(text: str) -> bool:
    return text in _ILLEGAL_EXACT or text.lower() in _ILLEGAL_ANY_CASE


def _is_quoted(text: str) -> bool:
    return (
        len(text) >= _SHORTEST_QUOTED
        and text[0] in _QUOTES
        and text[-1] == text[0]
        and _is_listed(text[1:-1])
    )
