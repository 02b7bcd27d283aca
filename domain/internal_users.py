"""Internal users: which captured events a filtered view shows (semantics 14)."""

import re
from collections.abc import Sequence
from typing import Any

from .json_values import JsonObject, js_text, same_value
from .rules import InternalUserFilter

_NEGATIVE = frozenset({"is_not", "not_icontains", "not_regex", "is_not_set"})


def is_visible(
    filters: Sequence[InternalUserFilter], event: JsonObject, person: JsonObject
) -> bool:
    """Tell whether an event passes all filters.

    ``event`` are its properties, ``person`` the current ones of its person. A missing property
    passes negative operators and fails positive ones.
    """
    return all(_passes(each, event if each.type == "event" else person) for each in filters)


def _passes(condition: InternalUserFilter, properties: JsonObject) -> bool:
    if condition.key not in properties:
        return condition.operator in _NEGATIVE
    value, wanted = properties[condition.key], condition.value
    match condition.operator:
        case "exact" | "is_not":
            found = any(same_value(value, each) for each in _listed(wanted))
        case "icontains" | "not_icontains":
            found = js_text(wanted).lower() in js_text(value).lower()
        case "regex" | "not_regex":
            found = re.search(str(wanted), js_text(value)) is not None
        case _:
            found = True
    return found != (condition.operator in _NEGATIVE)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
