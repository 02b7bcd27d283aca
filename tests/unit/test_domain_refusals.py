"""Refusals: IDs that may never be linked, and persons that are identified already."""

from typing import Any

import pytest

from personlog.domain.captured_event import LinkKind
from personlog.domain.events import (
    DistinctIdAdded,
    MergedInto,
    MergeRefused,
    PersonAbsorbed,
    PersonCreated,
    PersonIdentified,
    PropertiesSet,
)
from personlog.domain.json_values import JsonObject
from personlog.domain.uuids import uuid_text

from .conftest import (
    ARRIVED,
    DEVICE,
    DEVICE_TEXT,
    EARLIER,
    HERE,
    USER,
    USER_TEXT,
    given,
    new,
    person,
)

NEW = new("user")


def identify(own_id: str, other_id: Any) -> JsonObject:
    return {
        "event": "$identify",
        "distinct_id": own_id,
        "properties": {"$anon_distinct_id": other_id, "$set": {"a": 1}},
    }


SET = PropertiesSet(**HERE, new={"a": 1}, old={}, unset=[])
"""What the operations of ``identify`` come to."""


# Illegal IDs


def illegal(
    own_id: str, other_id: str, illegal_id: str, link: LinkKind = "identify"
) -> MergeRefused:
    return MergeRefused(
        **HERE,
        reason="illegal_distinct_id",
        link=link,
        own_id=own_id,
        other_id=other_id,
        illegal_id=illegal_id,
        other_person=None,
    )


def test_an_illegal_other_id_is_refused_and_gets_no_person() -> None:
    after = (
        given()
        .when(identify("user", "undefined"))
        .then(
            (NEW, PersonCreated(**HERE, created_at=ARRIVED)),
            (NEW, DistinctIdAdded(**HERE, distinct_id="user")),
            (NEW, illegal("user", "undefined", "undefined")),
            (NEW, SET),
        )
    )
    assert after.holder("undefined") is None
    assert not after.persons[NEW].is_identified


def test_an_illegal_own_id_is_refused_and_gets_its_person_all_the_same() -> None:
    guest = new("guest")
    after = (
        given()
        .when(identify("guest", "device"))
        .then(
            (guest, PersonCreated(**HERE, created_at=ARRIVED)),
            (guest, DistinctIdAdded(**HERE, distinct_id="guest")),
            (guest, illegal("guest", "device", "guest")),
            (guest, SET),
        )
    )
    assert after.holder("device") is None


def test_known_persons_are_not_merged_over_an_illegal_id() -> None:
    given(person(USER, "user"), person(DEVICE, "null")).when(identify("user", None)).then(
        (USER, illegal("user", "null", "null")), (USER, SET)
    )
    given(person(USER, "guest"), person(DEVICE, "device")).when(identify("guest", "device")).then(
        (USER, illegal("guest", "device", "guest")), (USER, SET)
    )


def test_of_two_illegal_ids_the_own_one_is_named() -> None:
    given(person(USER, "guest")).when(identify("guest", "null")).then(
        (USER, illegal("guest", "null", "guest")), (USER, SET)
    )


def test_an_illegal_id_is_named_before_an_identified_person() -> None:
    given(person(USER, "user"), person(DEVICE, "email", is_identified=True)).when(
        identify("user", "email")
    ).then((USER, illegal("user", "email", "email")), (USER, SET))


@pytest.mark.parametrize("link", ["create_alias", "merge_dangerously"])
def test_illegal_ids_are_refused_to_every_link(link: LinkKind) -> None:
    sent = {"event": f"${link}", "distinct_id": "user", "properties": {"alias": "anonymous"}}
    given(person(USER, "user"), person(DEVICE, "anonymous")).when(sent).then(
        (USER, illegal("user", "anonymous", "anonymous", link)),
    )


@pytest.mark.parametrize(
    ("anonymous", "text"),
    [(None, "null"), ("", ""), (0, "0"), (False, "false"), ([], ""), ({}, "[object Object]")],
)
def test_a_falsy_anonymous_id_is_read_as_text_and_refused(anonymous: Any, text: str) -> None:
    given(person(USER, "user")).when(identify("user", anonymous)).then(
        (USER, illegal("user", text, text)), (USER, SET)
    )


@pytest.mark.parametrize(("alias", "text"), [([], ""), ({}, "[object Object]"), (True, "true")])
def test_an_alias_that_is_true_to_javascript_is_read_as_text(alias: Any, text: str) -> None:
    sent = {"event": "$create_alias", "distinct_id": "user", "properties": {"alias": alias}}
    given(person(USER, "user")).when(sent).then(
        (USER, illegal("user", text, text, "create_alias")),
    )


def test_equal_illegal_ids_are_no_refusal_since_equality_is_tested_first() -> None:
    given(person(USER, "null")).when(identify("null", None)).then((USER, SET))


def test_plain_events_may_use_illegal_ids() -> None:
    guest = new("guest")
    given().when({"event": "pageview", "distinct_id": "guest"}).then(
        (guest, PersonCreated(**HERE, created_at=ARRIVED)),
        (guest, DistinctIdAdded(**HERE, distinct_id="guest")),
    )


# Identified persons


def refused(
    own_id: str = "user",
    other_id: str = "device",
    other_person: str = DEVICE_TEXT,
    link: LinkKind = "identify",
) -> MergeRefused:
    return MergeRefused(
        **HERE,
        reason="already_identified",
        link=link,
        own_id=own_id,
        other_id=other_id,
        illegal_id=None,
        other_person=other_person,
    )


def test_an_identified_other_person_is_not_merged_and_the_own_one_becomes_identified() -> None:
    other = person(DEVICE, "device", properties={"b": 2}, is_identified=True, created_at=1)
    after = (
        given(person(USER, "user", properties={"c": 3}), other)
        .when({**identify("user", "device"), "$set_once": {"b": 4}})
        .then(
            (USER, refused()),
            (USER, PersonIdentified(**HERE)),
            (USER, PropertiesSet(**HERE, new={"b": 4, "a": 1}, old={}, unset=[])),
        )
    )
    assert after.persons[USER].properties == {"c": 3, "b": 4, "a": 1}
    assert after.persons[USER].created_at == EARLIER
    assert after.persons[DEVICE].properties == {"b": 2}
    assert after.persons[DEVICE].distinct_ids == ["device"]


def test_after_a_refusal_the_reverse_direction_is_refused_too() -> None:
    (
        given(person(USER, "user"), person(DEVICE, "device", is_identified=True))
        .when(identify("user", "device"))
        .then((USER, refused()), (USER, PersonIdentified(**HERE)), (USER, SET))
        .when(identify("device", "user"))
        .then((DEVICE, refused("device", "user", USER_TEXT)), (DEVICE, SET))
    )


def test_the_reverse_direction_is_allowed_as_the_first_attempt() -> None:
    given(person(USER, "user"), person(DEVICE, "device", is_identified=True)).when(
        identify("device", "user")
    ).then(
        (USER, MergedInto(**HERE, survivor=DEVICE_TEXT)),
        (
            DEVICE,
            PersonAbsorbed(
                **HERE,
                absorbed=USER_TEXT,
                link="identify",
                own_id="device",
                other_id="user",
                distinct_ids=["user"],
                taken={},
                lost={},
                created_at=EARLIER,
            ),
        ),
        (DEVICE, SET),
    )


def test_every_repeated_refusal_is_recorded() -> None:
    own = person(USER, "user", is_identified=True, properties={"a": 1})
    (
        given(own, person(DEVICE, "device", is_identified=True))
        .when(identify("user", "device"))
        .then((USER, refused()))
        .when(identify("user", "device"))
        .then((USER, refused()))
    )


def test_it_is_the_person_that_is_identified_whichever_of_its_ids_is_named() -> None:
    other = person(DEVICE, "known", "device", is_identified=True)
    given(person(USER, "user"), other).when(identify("user", "device")).then(
        (USER, refused()), (USER, PersonIdentified(**HERE)), (USER, SET)
    )


def test_alias_is_refused_alike() -> None:
    sent = {"event": "$create_alias", "distinct_id": "user", "properties": {"alias": "device"}}
    given(person(USER, "user"), person(DEVICE, "device", is_identified=True)).when(sent).then(
        (USER, refused(link="create_alias")), (USER, PersonIdentified(**HERE))
    )


def test_a_refused_person_can_still_absorb_an_unidentified_one() -> None:
    third = new("third")
    after = (
        given(
            person(USER, "user"),
            person(DEVICE, "device", is_identified=True),
            person(third, "third"),
        )
        .when(identify("user", "device"))
        .then((USER, refused()), (USER, PersonIdentified(**HERE)), (USER, SET))
        .when(identify("user", "third"))
        .then(
            (third, MergedInto(**HERE, survivor=USER_TEXT)),
            (
                USER,
                PersonAbsorbed(
                    **HERE,
                    absorbed=uuid_text(third),
                    link="identify",
                    own_id="user",
                    other_id="third",
                    distinct_ids=["third"],
                    taken={},
                    lost={},
                    created_at=EARLIER,
                ),
            ),
        )
    )
    assert after.persons[USER].distinct_ids == ["user", "third"]
