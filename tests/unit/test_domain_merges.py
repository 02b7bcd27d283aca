"""Merging two persons: who survives, what is taken, and what is lost."""

from copy import deepcopy

import pytest

from personlog.domain.captured_event import LinkKind
from personlog.domain.decision import Occasion, decide
from personlog.domain.events import (
    MergedInto,
    PersonAbsorbed,
    PersonIdentified,
    PropertiesSet,
)
from personlog.domain.json_values import JsonObject
from personlog.domain.person import Person
from personlog.domain.rules import DEFAULT_RULES

from .conftest import (
    ARRIVED,
    DEVICE,
    DEVICE_TEXT,
    EARLIER,
    HERE,
    POSITION,
    PROCESSED,
    PROJECT,
    USER,
    USER_TEXT,
    given,
    header,
    person,
    read,
)

IDENTIFY: JsonObject = {
    "event": "$identify",
    "distinct_id": "user",
    "properties": {"$anon_distinct_id": "device"},
}
ALIAS: JsonObject = {
    "event": "$create_alias",
    "distinct_id": "user",
    "properties": {"alias": "device"},
}
DANGEROUSLY: JsonObject = {**ALIAS, "event": "$merge_dangerously"}


def absorbed(
    taken: JsonObject | None = None,
    lost: JsonObject | None = None,
    created_at: int = EARLIER,
    distinct_ids: tuple[str, ...] = ("device",),
    link: LinkKind = "identify",
) -> PersonAbsorbed:
    return PersonAbsorbed(
        **HERE,
        absorbed=DEVICE_TEXT,
        link=link,
        own_id="user",
        other_id="device",
        distinct_ids=list(distinct_ids),
        taken=taken or {},
        lost=lost or {},
        created_at=created_at,
    )


MERGED_INTO = MergedInto(**HERE, survivor=USER_TEXT)


def test_the_person_of_the_own_id_survives_and_takes_all_ids() -> None:
    after = (
        given(person(USER, "user"), person(DEVICE, "phone", "device"))
        .when(IDENTIFY)
        .then(
            (DEVICE, MERGED_INTO),
            (USER, absorbed(distinct_ids=("phone", "device"))),
            (USER, PersonIdentified(**HERE)),
        )
    )
    assert after.persons[USER] == Person(
        USER,
        version=4,
        created_at=EARLIER,
        is_identified=True,
        distinct_ids=["user", "phone", "device"],
    )
    assert after.persons[DEVICE] == Person(
        DEVICE, version=4, created_at=EARLIER, merged_into=USER_TEXT
    )


def test_the_own_person_survives_although_it_is_younger_and_smaller() -> None:
    old = person(DEVICE, "device", "a", "b", created_at=1, properties={"x": 1, "y": 2})
    given(person(USER, "user"), old).when(IDENTIFY).then(
        (DEVICE, MERGED_INTO),
        (USER, absorbed({"x": 1, "y": 2}, created_at=1, distinct_ids=("device", "a", "b"))),
        (USER, PersonIdentified(**HERE)),
    )


@pytest.mark.parametrize(("own", "other"), [(EARLIER, EARLIER - 1), (EARLIER - 1, EARLIER)])
def test_the_earlier_creation_time_is_kept(own: int, other: int) -> None:
    after = (
        given(person(USER, "user", created_at=own), person(DEVICE, "device", created_at=other))
        .when(IDENTIFY)
        .then(
            (DEVICE, MERGED_INTO),
            (USER, absorbed(created_at=EARLIER - 1)),
            (USER, PersonIdentified(**HERE)),
        )
    )
    assert after.persons[USER].created_at == EARLIER - 1


def test_the_merging_event_does_not_date_the_person() -> None:
    given(person(USER, "user"), person(DEVICE, "device")).when(
        {**IDENTIFY, "timestamp": "2015-03-01T00:00:00Z"}
    ).then((DEVICE, MERGED_INTO), (USER, absorbed()), (USER, PersonIdentified(**HERE)))


def test_the_own_value_wins_per_key_even_null_and_equal_values_are_neither_taken_nor_lost() -> None:
    own = {"plan": "pro", "gone": None, "same": {"a": [1]}, "one": 1}
    other = {"plan": "free", "gone": "here", "same": {"a": [1.0]}, "one": True, "only": None}
    after = (
        given(person(USER, "user", properties=own), person(DEVICE, "device", properties=other))
        .when(IDENTIFY)
        .then(
            (DEVICE, MERGED_INTO),
            (USER, absorbed({"only": None}, {"plan": "free", "gone": "here", "one": True})),
            (USER, PersonIdentified(**HERE)),
        )
    )
    assert after.persons[USER].properties == {**own, "only": None}
    assert after.persons[DEVICE].properties == other


def test_objects_are_not_merged_deeply() -> None:
    own, other = {"address": {"city": "Ulm"}}, {"address": {"street": "Hof"}}
    given(person(USER, "user", properties=own), person(DEVICE, "device", properties=other)).when(
        IDENTIFY
    ).then(
        (DEVICE, MERGED_INTO),
        (USER, absorbed(lost={"address": {"street": "Hof"}})),
        (USER, PersonIdentified(**HERE)),
    )


def test_the_events_own_operations_come_last_on_the_merged_properties() -> None:
    own, other = {"plan": "pro"}, {"first": "ad", "plan": "free", "tmp": 1}
    operations = {
        "$anon_distinct_id": "device",
        "$set_once": {"first": "mail", "plan": "none", "once": 1},
        "$set": {"plan": "team"},
        "$unset": ["tmp"],
    }
    after = (
        given(person(USER, "user", properties=own), person(DEVICE, "device", properties=other))
        .when({**IDENTIFY, "properties": operations})
        .then(
            (DEVICE, MERGED_INTO),
            (USER, absorbed({"first": "ad", "tmp": 1}, {"plan": "free"})),
            (USER, PersonIdentified(**HERE)),
            (
                USER,
                PropertiesSet(
                    **HERE,
                    new={"once": 1, "plan": "team"},
                    old={"plan": "pro", "tmp": 1},
                    unset=["tmp"],
                ),
            ),
        )
    )
    assert after.persons[USER].properties == {"plan": "team", "first": "ad", "once": 1}


def test_an_identified_own_person_is_not_identified_again() -> None:
    given(person(USER, "user", is_identified=True), person(DEVICE, "device")).when(IDENTIFY).then(
        (DEVICE, MERGED_INTO), (USER, absorbed())
    )


def test_alias_merges_the_person_of_the_alias_into_the_own_one() -> None:
    given(person(USER, "user"), person(DEVICE, "device")).when(ALIAS).then(
        (DEVICE, MERGED_INTO),
        (USER, absorbed(link="create_alias")),
        (USER, PersonIdentified(**HERE)),
    )


def test_merge_dangerously_merges_an_identified_person_the_same_way() -> None:
    identified = person(DEVICE, "device", is_identified=True, properties={"a": 1, "b": 2})
    given(person(USER, "user", properties={"a": 0}), identified).when(DANGEROUSLY).then(
        (DEVICE, MERGED_INTO),
        (USER, absorbed({"b": 2}, {"a": 1}, link="merge_dangerously")),
        (USER, PersonIdentified(**HERE)),
    )


def test_merge_dangerously_merges_two_identified_persons() -> None:
    given(
        person(USER, "user", is_identified=True), person(DEVICE, "device", is_identified=True)
    ).when(DANGEROUSLY).then((DEVICE, MERGED_INTO), (USER, absorbed(link="merge_dangerously")))


def test_the_version_of_the_rules_is_recorded() -> None:
    rules = DEFAULT_RULES.model_copy(update={"version": 7})
    given(person(USER, "user", "device")).when(IDENTIFY, rules).then(
        (USER, PersonIdentified(**header(POSITION, PROCESSED, rules=7))),
    )


def test_deciding_changes_none_of_its_arguments() -> None:
    persons = given(
        person(USER, "user", properties={"a": {"b": 1}}),
        person(DEVICE, "device", properties={"a": 2, "c": [3]}),
    ).persons
    own, other = persons[USER], persons[DEVICE]
    event = read({**IDENTIFY, "$set": {"a": 5}, "$set_once": {"d": 1}})
    arguments = (event, own, other, Occasion(PROJECT, POSITION, ARRIVED, PROCESSED, DEFAULT_RULES))
    before = deepcopy(arguments)
    first = decide(*arguments)
    assert arguments == before
    assert decide(*arguments) == first
