"""The rules as data: what a project may choose, with a name, a version and the decider's number."""

import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import InvalidRules
from .json_values import JsonObject, cleaned, compact, same_value

DECIDER = 1
"""Raised when :func:`~personlog.domain.decision.decide` itself changes its mind, or what
:func:`~personlog.domain.captured_event.read_captured_event` reads in the same bytes does."""

LONGEST_WINDOW = 31_536_000
"""A year in seconds: a window beyond it is a mistake of units."""

Operator = Literal[
    "exact", "is_not", "icontains", "not_icontains", "regex", "not_regex", "is_set", "is_not_set"
]
_WITHOUT_VALUE = ("is_set", "is_not_set")


class InternalUserFilter(BaseModel):
    """One condition that events of real users meet (semantics 14)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    key: str
    type: Literal["person", "event"]
    operator: Operator
    value: Any = None

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if self.operator in ("regex", "not_regex"):
            try:
                re.compile(str(self.value))
            except re.error as error:
                raise ValueError(f"{self.value!r} is not a regular expression: {error}") from error
        if self.value is None and self.operator not in _WITHOUT_VALUE:
            raise ValueError(f"operator {self.operator!r} needs a value")
        return self


class Rules(BaseModel):
    """A rule set. Decisions use the one in force when their input is processed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(default="default", max_length=100, pattern=r"\S")
    version: int = 1
    decider: int = DECIDER
    buffer_seconds: int = Field(default=60, ge=0, le=LONGEST_WINDOW)
    auto_person_properties: bool = False
    ignore_volatile_properties: bool = False
    internal_user_filters: tuple[InternalUserFilter, ...] = ()


DEFAULT_RULES = Rules(decider=1)
"""Version 1: in force in every project until a command changes it."""

SETTABLE = tuple(name for name in Rules.model_fields if name not in ("version", "decider"))


def read_rules(stored: JsonObject) -> Rules:
    """Read a rule set from its JSON form."""
    return Rules.model_validate_json(compact(stored))


def changed(rules: Rules, changes: JsonObject) -> Rules:
    """Give the next version of ``rules`` with some values changed; the same one if none differs.

    Raises :class:`InvalidRules` for an unknown name or an unfit value.
    """
    for key in changes:
        if key not in SETTABLE:
            known = f"the rules that can be are {', '.join(SETTABLE)}"
            raise InvalidRules(f"Rule {key!r} cannot be set; {known}.")
    present = rules.model_dump(mode="json")
    try:
        wanted = read_rules({**present, **cleaned(changes), "decider": DECIDER})
    except ValidationError as error:
        first = error.errors()[0]
        name, *inside = first["loc"]
        where = str(name)
        for part in inside:
            where += f", {part!r}" if isinstance(part, str) else f", item {part + 1}"
        if first["type"] == "missing":
            raise InvalidRules(f"Rule {where} is missing.") from error
        raise InvalidRules(
            f"Rule {where} cannot be {compact(first['input'])}: {first['msg']}."
        ) from error
    if same_value(wanted.model_dump(mode="json"), present):
        return rules
    return wanted.model_copy(update={"version": rules.version + 1})
