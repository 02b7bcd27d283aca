"""Digests: equal for equal content, wherever and however it was written."""

from hashlib import sha256
from typing import Any

import pytest

from personlog.domain.digest import Digest
from personlog.domain.events import PropertiesSet, RecordedEvent
from personlog.domain.person import Person

from .conftest import HERE, USER, USER_TEXT, UUID


def digest_of(properties: dict[str, Any], **others: Any) -> str:
    digest = Digest()
    digest.add_person(Person(USER, version=3, properties=properties, **others))
    digest.add_event(
        RecordedEvent(1, USER, 1, PropertiesSet(**HERE, new=properties, old={}, unset=[]))
    )
    return digest.hexdigest()


def test_a_digest_is_stable_under_key_order_and_the_spelling_of_numbers() -> None:
    left = digest_of({"a": 1, "b": {"c": -0.0, "d": [2.0]}})
    assert left == digest_of({"b": {"d": [2], "c": 0}, "a": 1.0})


def test_a_digest_is_stable_under_the_order_in_which_ids_were_added() -> None:
    assert digest_of({}, distinct_ids=["b", "a"]) == digest_of({}, distinct_ids=["a", "b"])


@pytest.mark.parametrize("other", [{"a": True}, {"a": "1"}, {"a": 1, "b": None}, {}, {"A": 1}])
def test_a_digest_tells_values_of_different_types_and_content_apart(other: dict[str, Any]) -> None:
    assert digest_of({"a": 1}) != digest_of(other)


@pytest.mark.parametrize(
    "other",
    [{"created_at": 1}, {"is_identified": True}, {"distinct_ids": ["a"]}, {"merged_into": "x"}],
)
def test_a_digest_depends_on_everything_a_person_is(other: dict[str, Any]) -> None:
    assert digest_of({}) != digest_of({}, **other)


def test_a_digest_is_the_sha256_of_lines_of_canonical_json() -> None:
    digest = Digest()
    digest.add_person(
        Person(USER, 2, 5, is_identified=True, distinct_ids=["u", "d"], properties={"a": 1.0})
    )
    event = PropertiesSet(**HERE, new={"a": 1.0}, old={}, unset=["b"])
    digest.add_event(RecordedEvent(7, USER, 2, event))
    lines = (
        '{"created_at":5,"distinct_ids":["d","u"],"is_identified":true,"merged_into":null,'
        f'"person_id":"{USER_TEXT}","properties":{{"a":1}},"version":2}}\n'
        f'{{"position":7,"state":{{"cause":{{"position":9,"uuid":"{UUID}"}},"new":{{"a":1}},'
        '"old":{},"recorded_at":1671530460000,"rules":1,"unset":["b"]},'
        f'"stream":"{USER_TEXT}","type":"person.properties_set","version":2}}\n'
    )
    assert digest.hexdigest() == sha256(lines.encode()).hexdigest()


def test_a_digest_depends_on_order() -> None:
    first, second = Person(USER, 1), Person(USER, 2)
    forwards, backwards = Digest(), Digest()
    for each in (first, second):
        forwards.add_person(each)
    for each in (second, first):
        backwards.add_person(each)
    assert forwards.hexdigest() != backwards.hexdigest()
