"""Rules as data: how they change, and what they cannot be."""

from typing import Any

import pytest
from pydantic import ValidationError

from personlog.domain.errors import InvalidRules
from personlog.domain.json_values import JsonObject
from personlog.domain.rules import (
    DEFAULT_RULES,
    SETTABLE,
    InternalUserFilter,
    Rules,
    changed,
    read_rules,
)

FILTER: JsonObject = {"key": "email", "type": "person", "operator": "icontains", "value": "@us"}


def test_the_default_rules() -> None:
    assert DEFAULT_RULES.model_dump(mode="json") == {
        "name": "default",
        "version": 1,
        "decider": 1,
        "buffer_seconds": 60,
        "auto_person_properties": False,
        "ignore_volatile_properties": False,
        "internal_user_filters": [],
    }


def test_all_rules_can_be_set_but_their_version_and_the_deciders() -> None:
    assert set(SETTABLE) == Rules.model_fields.keys() - {"version", "decider"}


def test_a_change_gives_the_next_version_and_leaves_the_old_one_alone() -> None:
    second = changed(DEFAULT_RULES, {"buffer_seconds": 0, "auto_person_properties": True})
    assert second == Rules(version=2, buffer_seconds=0, auto_person_properties=True)
    third = changed(second, {"name": "strict", "buffer_seconds": 60})
    assert third == Rules(name="strict", version=3, buffer_seconds=60, auto_person_properties=True)
    assert DEFAULT_RULES.model_dump() == Rules().model_dump()


def test_internal_user_filters_are_replaced_as_a_whole() -> None:
    other = {"key": "$host", "type": "event", "operator": "is_set"}
    second = changed(DEFAULT_RULES, {"internal_user_filters": [FILTER]})
    third = changed(second, {"internal_user_filters": [other]})
    assert second.internal_user_filters == (InternalUserFilter.model_validate(FILTER),)
    assert third.internal_user_filters == (InternalUserFilter.model_validate(other),)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"buffer_seconds": 60},
        {"name": "default", "auto_person_properties": False, "internal_user_filters": []},
    ],
)
def test_equal_values_give_the_same_rules(changes: JsonObject) -> None:
    assert changed(DEFAULT_RULES, changes) is DEFAULT_RULES


def test_equal_filters_give_the_same_rules() -> None:
    rules = changed(DEFAULT_RULES, {"internal_user_filters": [FILTER]})
    assert changed(rules, {"internal_user_filters": [dict(FILTER)]}) is rules


@pytest.mark.parametrize("key", ["windo", "Buffer_seconds", "", "version", "decider", "buffer"])
def test_an_unknown_or_fixed_rule_is_refused_by_name(key: str) -> None:
    with pytest.raises(InvalidRules) as caught:
        changed(DEFAULT_RULES, {"buffer_seconds": 5, key: 2})
    named = ", ".join(SETTABLE)
    assert repr(key) in str(caught.value)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("buffer_seconds", -1, "-1"),
        ("buffer_seconds", 31_536_001, "31536001"),
        ("buffer_seconds", 1.5, "1.5"),
        ("buffer_seconds", "60", '"60"'),
        ("buffer_seconds", True, "true"),
        ("buffer_seconds", None, "null"),
        ("auto_person_properties", "true", '"true"'),
        ("auto_person_properties", 1, "1"),
        ("ignore_volatile_properties", None, "null"),
        ("name", "", '""'),
        ("name", "  ", '"  "'),
        ("name", "x" * 101, f'"{"x" * 101}"'),
        ("name", 5, "5"),
        ("internal_user_filters", {}, "{}"),
        ("internal_user_filters", None, "null"),
    ],
)
def test_an_unfit_value_is_refused_with_rule_and_value(key: str, value: Any, shown: str) -> None:
    with pytest.raises(InvalidRules) as caught:
        changed(DEFAULT_RULES, {key: value})
    assert str(caught.value).startswith(f"Rule {key} cannot be {shown}: ")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"operator": "like"}, "operator"),
        ({"type": "group"}, "type"),
        ({"key": 5}, "key"),
        ({"extra": 1}, "extra"),
    ],
)
def test_an_unfit_filter_is_refused_with_its_place(change: JsonObject, where: str) -> None:
    filters = [FILTER, {**FILTER, **change}]
    with pytest.raises(
        InvalidRules, match=rf"^Rule internal_user_filters, item 2, '{where}' cannot be "
    ):
        changed(DEFAULT_RULES, {"internal_user_filters": filters})


def test_what_a_filter_lacks_is_named() -> None:
    with pytest.raises(InvalidRules, match=r"internal_user_filters, item 1, 'type' is missing\.$"):
        changed(DEFAULT_RULES, {"internal_user_filters": [{"key": "email", "operator": "is_set"}]})


@pytest.mark.parametrize("operator", ["exact", "is_not", "icontains", "not_icontains", "regex"])
def test_a_filter_needs_a_value_unless_it_asks_for_presence(operator: str) -> None:
    bare = {"key": "email", "type": "person", "operator": operator}
    with pytest.raises(InvalidRules, match=rf"operator '{operator}' needs a value"):
        changed(DEFAULT_RULES, {"internal_user_filters": [bare]})


@pytest.mark.parametrize("operator", ["regex", "not_regex"])
def test_a_filter_needs_a_regular_expression_that_can_be_read(operator: str) -> None:
    broken = {**FILTER, "operator": operator, "value": "("}
    with pytest.raises(InvalidRules, match=r"'\(' is not a regular expression"):
        changed(DEFAULT_RULES, {"internal_user_filters": [broken]})


@pytest.mark.parametrize(
    ("key", "value"),
    [("buffer_seconds", 0), ("buffer_seconds", 31_536_000), ("name", "x"), ("name", "x" * 100)],
)
def test_values_at_the_limits_are_fit(key: str, value: Any) -> None:
    assert getattr(changed(DEFAULT_RULES, {key: value}), key) == value


def test_rules_round_trip_through_their_json_form() -> None:
    rules = changed(DEFAULT_RULES, {"internal_user_filters": [{**FILTER, "value": ["a", 1, True]}]})
    assert read_rules(rules.model_dump(mode="json")) == rules


def test_rules_cannot_be_changed_in_place() -> None:
    rules = changed(DEFAULT_RULES, {"internal_user_filters": [FILTER]})
    with pytest.raises(ValidationError):
        rules.internal_user_filters[0].value = "@them"
    with pytest.raises(ValidationError):
        DEFAULT_RULES.buffer_seconds = 0


def test_texts_of_rules_are_cleaned() -> None:
    broken = {**FILTER, "key": "a\0", "value": "b\ud800"}
    rules = changed(DEFAULT_RULES, {"name": "a\0b", "internal_user_filters": [broken]})
    assert rules.name == "a\ufffdb"
    (cleaned,) = rules.internal_user_filters
    assert (cleaned.key, cleaned.value) == ("a\ufffd", "b\ufffd")


@pytest.mark.parametrize("value", [True, "1", [1]])
def test_values_of_another_type_are_a_change(value: Any) -> None:
    one = changed(DEFAULT_RULES, {"internal_user_filters": [{**FILTER, "value": 1}]})
    other = changed(one, {"internal_user_filters": [{**FILTER, "value": value}]})
    assert other.version == 3
    assert other.internal_user_filters[0].value == value


def test_a_change_is_decided_by_the_decider_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personlog.domain.rules.DECIDER", 7)
    assert changed(DEFAULT_RULES, {"name": "strict"}).decider == 7
    assert DEFAULT_RULES.decider == 1
