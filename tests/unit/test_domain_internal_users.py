"""Internal users: which events pass the filters of a project."""

from typing import Any

import pytest

from personlog.domain.internal_users import is_visible
from personlog.domain.rules import InternalUserFilter


def passes(operator: Any, value: Any, **properties: Any) -> bool:
    condition = InternalUserFilter(key="k", type="event", operator=operator, value=value)
    return is_visible([condition], properties, {})


OPPOSITES = [
    ("exact", "is_not"),
    ("icontains", "not_icontains"),
    ("regex", "not_regex"),
    ("is_set", "is_not_set"),
]


@pytest.mark.parametrize(("positive", "negative"), OPPOSITES)
def test_a_missing_property_fails_positive_operators_and_passes_negative_ones(
    positive: str, negative: str
) -> None:
    assert not passes(positive, "x", other="x")
    assert passes(negative, "x", other="x")


@pytest.mark.parametrize("present", [None, "", 0, False, [], "x"])
def test_is_set_asks_for_the_key_whatever_its_value(present: Any) -> None:
    assert passes("is_set", None, k=present)
    assert not passes("is_not_set", None, k=present)


MATCHES: list[tuple[str, Any, Any, bool]] = [
    ("exact", "a", "a", True),
    ("exact", "a", "A", False),
    ("exact", "a", "ab", False),
    ("exact", 1, 1.0, True),
    ("exact", 1, True, False),
    ("exact", 1, "1", False),
    ("exact", True, True, True),
    ("exact", ["a", "b"], "b", True),
    ("exact", ["a", "b"], "c", False),
    ("exact", [1], True, False),
    ("exact", [], "a", False),
    ("exact", ["a"], ["a"], False),
    ("icontains", "@Acme.com", "ann@ACME.COM", True),
    ("icontains", "@acme.com", "ann@other.com", False),
    ("icontains", "", "anything", True),
    ("icontains", 5, 1500, True),
    ("icontains", "ru", True, True),
    ("regex", r"^(localhost|127\.0\.0\.1)($|:)", "localhost:8000", True),
    ("regex", r"^(localhost|127\.0\.0\.1)($|:)", "127.0.0.1", True),
    ("regex", r"^(localhost|127\.0\.0\.1)($|:)", "127x0.0.1", False),
    ("regex", r"^(localhost|127\.0\.0\.1)($|:)", "my.localhost", False),
    ("regex", "b", "abc", True),
    ("regex", "B", "abc", False),
    ("regex", r"^42$", 42, True),
]


def test_a_present_property_is_judged_by_the_operator_and_its_opposite() -> None:
    for operator, wanted, value, found in MATCHES:
        opposite = dict(OPPOSITES)[operator]
        assert passes(operator, wanted, k=value) is found, (operator, wanted, value)
        assert passes(opposite, wanted, k=value) is not found, (opposite, wanted, value)


def test_a_filter_looks_at_the_event_or_at_the_person() -> None:
    event, person = {"k": "event"}, {"k": "person"}
    for kind in ("event", "person"):
        condition = InternalUserFilter(key="k", type=kind, operator="exact", value=kind)
        assert is_visible([condition], event, person)
        assert not is_visible([condition], person, event)


def test_an_event_has_to_pass_all_filters() -> None:
    no_colleagues = InternalUserFilter(
        key="email", type="person", operator="not_icontains", value="@acme.com"
    )
    not_local = InternalUserFilter(key="$host", type="event", operator="not_regex", value="^local")
    both = [no_colleagues, not_local]
    assert is_visible(both, {"$host": "acme.com"}, {"email": "ann@example.org"})
    assert is_visible(both, {}, {})
    assert not is_visible(both, {"$host": "localhost"}, {"email": "ann@example.org"})
    assert not is_visible(both, {"$host": "acme.com"}, {"email": "bob@acme.com"})


def test_without_filters_everything_is_visible() -> None:
    assert is_visible([], {"$host": "localhost"}, {"email": "bob@acme.com"})
