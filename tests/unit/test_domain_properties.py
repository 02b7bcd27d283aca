"""Person properties: set once, set, unset, and what counts as a change."""

from typing import Any

import pytest

from personlog.domain.events import DistinctIdAdded, PersonCreated, PropertiesSet
from personlog.domain.json_values import JsonObject
from personlog.domain.properties import changes
from personlog.domain.rules import Rules

from .conftest import ARRIVED, HERE, USER, given, new, person

LIFTING = Rules(auto_person_properties=True)
NOT_VOLATILE = Rules(ignore_volatile_properties=True)


def event(properties: JsonObject, name: str = "pageview") -> JsonObject:
    return {"event": name, "distinct_id": "user", "properties": properties}


def changed(
    new: JsonObject, old: JsonObject | None = None, unset: list[str] | None = None
) -> PropertiesSet:
    return PropertiesSet(**HERE, new=new, old=old or {}, unset=unset or [])


# Operations


def test_set_replaces_and_keeps_the_old_value_beside_the_new_one() -> None:
    after = (
        given(person(USER, "user", properties={"plan": "free", "name": "Ann"}))
        .when(event({"$set": {"plan": "pro", "city": "Ulm"}}))
        .then((USER, changed({"plan": "pro", "city": "Ulm"}, {"plan": "free"})))
    )
    assert after.persons[USER].properties == {"plan": "pro", "name": "Ann", "city": "Ulm"}


@pytest.mark.parametrize("present", [None, 0, False, "", [], {}, "x"])
def test_set_once_counts_any_value_as_present_null_too(present: Any) -> None:
    given(person(USER, "user", properties={"first": present})).when(
        event({"$set_once": {"first": "ad"}})
    ).then_nothing()


def test_set_once_writes_absent_keys_only() -> None:
    given(person(USER, "user", properties={"first": "ad"})).when(
        event({"$set_once": {"first": "mail", "second": "mail"}})
    ).then((USER, changed({"second": "mail"})))


def test_set_once_writes_again_after_unset() -> None:
    (
        given(person(USER, "user", properties={"first": "ad"}))
        .when(event({"$unset": ["first"]}))
        .then((USER, changed({}, {"first": "ad"}, ["first"])))
        .when(event({"$set_once": {"first": "mail"}}))
        .then((USER, changed({"first": "mail"})))
    )


def test_set_wins_over_set_once_of_the_same_event() -> None:
    given(person(USER, "user")).when(event({"$set_once": {"a": 1}, "$set": {"a": 2}})).then(
        (USER, changed({"a": 2}))
    )


def test_set_to_null_stores_null() -> None:
    after = (
        given(person(USER, "user", properties={"plan": "pro"}))
        .when(event({"$set": {"plan": None, "new": None}}))
        .then((USER, changed({"plan": None, "new": None}, {"plan": "pro"})))
    )
    assert after.persons[USER].properties == {"plan": None, "new": None}


def test_objects_and_lists_are_replaced_whole() -> None:
    before = {"address": {"city": "Ulm", "zip": 1}, "tags": [1, 2]}
    given(person(USER, "user", properties=before)).when(
        event({"$set": {"address": {"city": "Bonn"}, "tags": [3]}})
    ).then((USER, changed({"address": {"city": "Bonn"}, "tags": [3]}, before)))


def test_unset_comes_last_and_is_effective_on_a_key_that_was_there() -> None:
    given(person(USER, "user", properties={"a": 1})).when(
        event({"$set_once": {"a": 2}, "$set": {"a": 3}, "$unset": ["a"]})
    ).then((USER, changed({}, {"a": 1}, ["a"])))


def test_unset_is_effective_on_keys_that_the_event_itself_brings() -> None:
    given(person(USER, "user")).when(
        event({"$set_once": {"a": 1}, "$set": {"b": 2, "c": 3}, "$unset": ["a", "b"]})
    ).then((USER, changed({"c": 3})))


def test_unset_is_effective_on_the_creating_event_too() -> None:
    user = new("user")
    given().when(event({"$set": {"a": 1}, "$unset": ["a"]})).then(
        (user, PersonCreated(**HERE, created_at=ARRIVED)),
        (user, DistinctIdAdded(**HERE, distinct_id="user")),
    )


@pytest.mark.parametrize(
    "unset", [["a", "b", "zz", "a"], ["a", 1, None, ["b"], "b"], {"a": "", "b": False, "zz": 1}]
)
def test_unset_takes_texts_of_a_list_or_the_keys_of_an_object(unset: Any) -> None:
    given(person(USER, "user", properties={"a": 1, "b": 2, "c": 3})).when(
        event({"$unset": unset})
    ).then((USER, changed({}, {"a": 1, "b": 2}, ["a", "b"])))


@pytest.mark.parametrize("nothing", [None, "", 0, "a", 5, True, [], {}])
def test_missing_null_empty_and_unfit_operations_do_nothing(nothing: Any) -> None:
    operations = {"$set": nothing, "$set_once": nothing, "$unset": nothing}
    given(person(USER, "user", properties={"a": 1})).when(event(operations)).then_nothing()


def test_ordinary_properties_of_an_event_change_nothing() -> None:
    given(person(USER, "user")).when(event({"a": 1, "$browser": "Firefox"})).then_nothing()


def test_any_event_name_may_carry_operations() -> None:
    for name in ("pageview", "$set", "sign up", "$pageview"):
        given(person(USER, "user")).when(event({"$set": {"a": 1}}, name)).then(
            (USER, changed({"a": 1}))
        )


def test_operations_of_the_top_level_win_per_key() -> None:
    sent = {
        **event({"$set": {"a": 1, "b": 1}, "$set_once": {"c": 1, "d": 1}}),
        "$set": {"b": 2},
        "$set_once": {"d": 2},
    }
    given(person(USER, "user")).when(sent).then(
        (USER, changed({"a": 1, "b": 2, "c": 1, "d": 2})),
    )


def test_operations_may_stand_at_the_top_level_alone() -> None:
    user = given(person(USER, "user"))
    user.when({**event({}), "$set": {"a": 1}}).then((USER, changed({"a": 1})))
    user.when({**event({}), "$set_once": {"a": 1}}).then((USER, changed({"a": 1})))


@pytest.mark.parametrize("unfit", [None, "x", 1, []])
def test_unfit_operations_of_one_level_leave_the_other_ones_alone(unfit: Any) -> None:
    user = given(person(USER, "user"))
    user.when({**event({"$set": {"a": 1}}), "$set": unfit}).then((USER, changed({"a": 1})))
    user.when({**event({"$set": unfit}), "$set": {"a": 1}}).then((USER, changed({"a": 1})))


def test_there_is_no_unset_at_the_top_level() -> None:
    given(person(USER, "user", properties={"a": 1})).when(
        {**event({}), "$unset": ["a"]}
    ).then_nothing()


# What counts as a change

SAME: list[tuple[Any, Any]] = [
    (1, 1),
    (1, 1.0),
    (0, -0.0),
    ("a", "a"),
    (None, None),
    (True, True),
    ({"a": 1, "b": [1, {"c": 2}]}, {"b": [1.0, {"c": 2}], "a": 1}),
    ([], []),
]
DIFFERENT: list[tuple[Any, Any]] = [
    (1, "1"),
    (1, True),
    (0, False),
    ("1", True),
    (None, False),
    (None, ""),
    (0, None),
    (1, 1.5),
    ("a", "A"),
    ([1], [True]),
    ([1, 2], [2, 1]),
    ([], {}),
    ({"a": 1}, {"a": True}),
    ({"a": {"b": [0]}}, {"a": {"b": [False]}}),
    ({"a": None}, {}),
]


def test_setting_an_equal_value_is_no_change() -> None:
    for before, sent in SAME:
        given(person(USER, "user", properties={"k": before})).when(
            event({"$set": {"k": sent}})
        ).then_nothing()


def test_setting_a_value_of_another_json_type_or_content_is_a_change() -> None:
    for before, sent in [*DIFFERENT, *[(right, left) for left, right in DIFFERENT]]:
        given(person(USER, "user", properties={"k": before})).when(
            event({"$set": {"k": sent}})
        ).then((USER, changed({"k": sent}, {"k": before})))


def test_only_the_difference_is_recorded() -> None:
    before = {"same": 1, "other": 1, "gone": 1}
    operations = {"$set": {"same": 1, "other": 2}, "$unset": ["gone", "never"]}
    given(person(USER, "user", properties=before)).when(event(operations)).then(
        (USER, changed({"other": 2}, {"other": 1, "gone": 1}, ["gone"])),
    )


def test_unsetting_an_absent_key_is_no_change() -> None:
    given(person(USER, "user")).when(event({"$unset": ["never"]})).then_nothing()


@pytest.mark.parametrize("name", ["$exception", "$$heatmap"])
def test_exceptions_and_heatmaps_change_no_existing_person(name: str) -> None:
    operations = {"$set": {"a": 1}, "$set_once": {"b": 1}, "$unset": ["c"]}
    for rules in (Rules(), LIFTING):
        given(person(USER, "user", properties={"c": 1})).when(
            event({**operations, "$browser": "Firefox"}, name), rules
        ).then_nothing()


@pytest.mark.parametrize("name", ["$exception", "$$heatmap"])
def test_exceptions_and_heatmaps_set_properties_of_the_person_they_create(name: str) -> None:
    user = new("user")
    given().when(event({"$set": {"a": 1}}, name)).then(
        (user, PersonCreated(**HERE, created_at=ARRIVED)),
        (user, DistinctIdAdded(**HERE, distinct_id="user")),
        (user, changed({"a": 1})),
    )


def test_unsetting_very_many_keys_takes_no_longer_than_setting_them() -> None:
    """Quadratic in the keys, this would take minutes."""
    keys = [f"key {number}" for number in range(100_000)]
    found = changes(dict.fromkeys(keys, 1), {}, {}, [*keys, *keys])
    assert found is not None
    assert found.unset == keys
