"""Linking two IDs: the four cases, and the events that look like a link and are none."""

from typing import Any

import pytest

from personlog.domain.events import (
    DistinctIdAdded,
    PersonCreated,
    PersonIdentified,
    PropertiesSet,
)
from personlog.domain.json_values import JsonObject

from .conftest import ARRIVED, DEVICE, EARLIER, HERE, USER, given, new, person

NEW = new("user")


def link(event: str, properties: JsonObject | None = None) -> JsonObject:
    """A linking event that says: ``device`` is ``user``."""
    field = "$anon_distinct_id" if event == "$identify" else "alias"
    return {
        "event": event,
        "distinct_id": "user",
        "properties": {field: "device", **(properties or {})},
    }


LINKS = pytest.mark.parametrize("event", ["$identify", "$create_alias", "$merge_dangerously"])


@LINKS
def test_two_unknown_ids_become_one_identified_person(event: str) -> None:
    given().when(link(event)).then(
        (NEW, PersonCreated(**HERE, created_at=ARRIVED)),
        (NEW, DistinctIdAdded(**HERE, distinct_id="user")),
        (NEW, DistinctIdAdded(**HERE, distinct_id="device")),
        (NEW, PersonIdentified(**HERE)),
    )


def test_a_person_is_dated_by_its_creating_event_not_by_arrival_or_processing() -> None:
    given().when({**link("$identify"), "timestamp": "2022-12-20T09:59:00.250Z"}).then(
        (NEW, PersonCreated(**HERE, created_at=ARRIVED - 59_750)),
        (NEW, DistinctIdAdded(**HERE, distinct_id="user")),
        (NEW, DistinctIdAdded(**HERE, distinct_id="device")),
        (NEW, PersonIdentified(**HERE)),
    )


def test_on_creation_set_is_laid_over_set_once() -> None:
    operations = {"$set": {"plan": "pro"}, "$set_once": {"plan": "free", "first": "ad"}}
    given().when(link("$identify", operations)).then(
        (NEW, PersonCreated(**HERE, created_at=ARRIVED)),
        (NEW, DistinctIdAdded(**HERE, distinct_id="user")),
        (NEW, DistinctIdAdded(**HERE, distinct_id="device")),
        (NEW, PersonIdentified(**HERE)),
        (NEW, PropertiesSet(**HERE, new={"plan": "pro", "first": "ad"}, old={}, unset=[])),
    )


@LINKS
def test_an_unknown_own_id_joins_the_other_person(event: str) -> None:
    given(person(DEVICE, "device")).when(link(event)).then(
        (DEVICE, DistinctIdAdded(**HERE, distinct_id="user")),
        (DEVICE, PersonIdentified(**HERE)),
    )


@LINKS
def test_an_unknown_own_id_joins_even_an_identified_person(event: str) -> None:
    given(person(DEVICE, "device", is_identified=True)).when(link(event)).then(
        (DEVICE, DistinctIdAdded(**HERE, distinct_id="user")),
    )


@LINKS
def test_an_unknown_other_id_is_added_to_the_own_person(event: str) -> None:
    given(person(USER, "user")).when(link(event)).then(
        (USER, DistinctIdAdded(**HERE, distinct_id="device")),
        (USER, PersonIdentified(**HERE)),
    )


def test_an_unknown_other_id_is_added_to_an_identified_own_person() -> None:
    given(person(USER, "user", is_identified=True)).when(link("$identify")).then(
        (USER, DistinctIdAdded(**HERE, distinct_id="device")),
    )


@LINKS
def test_two_ids_of_one_person_only_make_it_identified(event: str) -> None:
    given(person(USER, "user", "device")).when(link(event)).then((USER, PersonIdentified(**HERE)))


@LINKS
def test_two_ids_of_one_identified_person_change_nothing(event: str) -> None:
    given(person(USER, "user", "device", is_identified=True)).when(link(event)).then_nothing()


def test_adding_an_id_changes_no_date_and_only_the_events_own_properties() -> None:
    before = person(DEVICE, "device", properties={"plan": "free"})
    event = {**link("$identify", {"$set": {"name": "Ann"}}), "timestamp": "2022-12-01T00:00:00Z"}
    after = (
        given(before)
        .when(event)
        .then(
            (DEVICE, DistinctIdAdded(**HERE, distinct_id="user")),
            (DEVICE, PersonIdentified(**HERE)),
            (DEVICE, PropertiesSet(**HERE, new={"name": "Ann"}, old={}, unset=[])),
        )
    )
    joined = after.persons[DEVICE]
    assert joined.created_at == EARLIER
    assert joined.properties == {"plan": "free", "name": "Ann"}
    assert joined.distinct_ids == ["device", "user"]


@pytest.mark.parametrize("event", ["pageview", "$set", "$identify", "$create_alias"])
def test_an_event_without_another_id_makes_a_plain_person(event: str) -> None:
    given().when({"event": event, "distinct_id": "user"}).then(
        (NEW, PersonCreated(**HERE, created_at=ARRIVED)),
        (NEW, DistinctIdAdded(**HERE, distinct_id="user")),
    )


def test_identify_without_another_id_sets_properties_and_no_flag() -> None:
    event = {"event": "$identify", "distinct_id": "user", "properties": {"$set": {"a": 1}}}
    given(person(USER, "user")).when(event).then(
        (USER, PropertiesSet(**HERE, new={"a": 1}, old={}, unset=[])),
    )


@pytest.mark.parametrize("alias", [None, "", 0, 0.0, -0.0, False])
@pytest.mark.parametrize("event", ["$create_alias", "$merge_dangerously"])
def test_a_falsy_alias_is_ignored_silently(event: str, alias: Any) -> None:
    sent = {"event": event, "distinct_id": "user", "properties": {"alias": alias}}
    given(person(USER, "user")).when(sent).then_nothing()


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ("$identify", "alias"),
        ("$create_alias", "$anon_distinct_id"),
        ("$merge_dangerously", "$anon_distinct_id"),
        ("pageview", "alias"),
        ("pageview", "$anon_distinct_id"),
    ],
)
def test_only_the_field_of_the_events_own_name_links(event: str, field: str) -> None:
    sent = {"event": event, "distinct_id": "user", "properties": {field: "device"}}
    given(person(USER, "user"), person(DEVICE, "device")).when(sent).then_nothing()


@pytest.mark.parametrize(
    ("own", "other"), [("user", "user"), (42, "42"), ("42", 42), ("1,2", [1, 2])]
)
@pytest.mark.parametrize("event", ["$identify", "$create_alias", "$merge_dangerously"])
def test_equal_ids_link_nothing(event: str, own: Any, other: Any) -> None:
    sent = {**link(event), "distinct_id": own}
    sent["properties"] = {"$anon_distinct_id": other, "alias": other, "$set": {"a": 1}}
    given(person(USER, "user", "42", "1,2")).when(sent).then(
        (USER, PropertiesSet(**HERE, new={"a": 1}, old={}, unset=[])),
    )


def test_equal_illegal_ids_are_no_refusal_since_equality_is_tested_first() -> None:
    sent = {
        "event": "$identify",
        "distinct_id": "null",
        "properties": {"$anon_distinct_id": None},
    }
    given(person(USER, "null")).when(sent).then_nothing()
