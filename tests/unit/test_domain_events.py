"""Domain events as they are stored: topics, round trips, and older versions brought up."""

from typing import Any, ClassVar

import msgspec
import pytest
from eventsourcing.utils import resolve_topic

from personlog.adapters import event_codec
from personlog.domain.errors import StoreError
from personlog.domain.events import (
    EVENT_TYPES,
    Cause,
    DistinctIdAdded,
    DomainEvent,
    ForeignEvent,
    IngestionWarningRaised,
    MergedInto,
    MergeRefused,
    PersonAbsorbed,
    PersonCreated,
    PersonIdentified,
    PropertiesSet,
    RecordedEvent,
    RulesSet,
)

from .conftest import DEVICE_TEXT, HERE, PROCESSED, USER_TEXT, UUID

HEAD = f'"recorded_at":{PROCESSED},"cause":{{"position":9,"uuid":"{UUID}"}},"rules":1'

STORED: list[tuple[DomainEvent, str]] = [
    (PersonCreated(**HERE, created_at=-5), '"created_at":-5'),
    (DistinctIdAdded(**HERE, distinct_id='jos\u00e9 "x"'), '"distinct_id":"jos\u00e9 \\"x\\""'),
    (PersonIdentified(**HERE), ""),
    (
        PropertiesSet(
            **HERE,
            new={"b": 1.0, "a": 1, "c": True, "d": None, "e": {"\u00e9": [[], {}, -0.5, "\ufffd"]}},
            old={"a": 2},
            unset=["z", "y"],
        ),
        """
            "new":{"a":1,"b":1.0,"c":true,"d":null,"e":{"\u00e9":[[],{},-0.5,"\ufffd"]}},
            "old":{"a":2},
            "unset":["z","y"]
        """,
    ),
    (
        MergeRefused(
            **HERE,
            reason="already_identified",
            link="identify",
            own_id="user",
            other_id="device",
            illegal_id=None,
            other_person=DEVICE_TEXT,
        ),
        f"""
            "reason":"already_identified",
            "link":"identify",
            "own_id":"user",
            "other_id":"device",
            "illegal_id":null,
            "other_person":"{DEVICE_TEXT}"
        """,
    ),
    (
        PersonAbsorbed(
            **HERE,
            absorbed=DEVICE_TEXT,
            link="create_alias",
            own_id="user",
            other_id="device",
            distinct_ids=["device", "an"],
            taken={"b": 2, "a": 1},
            lost={"c": None},
            created_at=3,
        ),
        f"""
            "absorbed":"{DEVICE_TEXT}",
            "link":"create_alias",
            "own_id":"user",
            "other_id":"device",
            "distinct_ids":["device","an"],
            "taken":{{"a":1,"b":2}},
            "lost":{{"c":null}},
            "created_at":3
        """,
    ),
    (MergedInto(**HERE, survivor=USER_TEXT), f'"survivor":"{USER_TEXT}"'),
    (
        IngestionWarningRaised(**HERE, type="ignored_invalid_timestamp", details={"value": [5]}),
        '"type":"ignored_invalid_timestamp","details":{"value":[5]}',
    ),
    (
        RulesSet(**HERE, rule_set={"version": 2, "name": "strict"}),
        '"rule_set":{"name":"strict","version":2}',
    ),
]
"""Every event with its own fields as they are stored: what is written must be read for ever."""

TOPICS = [
    "person.created",
    "person.distinct_id_added",
    "person.identified",
    "person.properties_set",
    "person.merge_refused",
    "person.absorbed",
    "person.merged_into",
    "input.warning_raised",
    "project.rules_set",
]


def test_the_whole_list_of_topics() -> None:
    assert [each.TOPIC for each in EVENT_TYPES] == TOPICS
    assert [type(event) for event, _ in STORED] == list(EVENT_TYPES)


def test_every_event_class_of_the_domain_is_in_the_list_and_registered() -> None:
    domain = "personlog.domain."
    ours = {each for each in DomainEvent.__subclasses__() if each.__module__.startswith(domain)}
    assert ours == {*EVENT_TYPES, ForeignEvent}
    assert all(event_codec.is_reserved(topic) for topic in TOPICS)
    # The library finds them too, in a process that has stored none yet.
    assert [resolve_topic(topic) for topic in TOPICS] == list(EVENT_TYPES)


def test_what_has_happened_cannot_be_changed() -> None:
    stored: list[type[msgspec.Struct]] = [*EVENT_TYPES, Cause, RecordedEvent]
    assert all(each.__struct_config__.frozen for each in stored)


@pytest.mark.parametrize(("event", "fields"), STORED, ids=TOPICS)
def test_an_event_is_written_as_canonical_json_and_read_back(
    event: DomainEvent, fields: str
) -> None:
    own_fields = "".join(line.strip() for line in fields.splitlines())
    state = f"{{{HEAD},{own_fields}}}".replace(",}", "}").encode()
    assert event_codec.encode_event(event) == state
    read = event_codec.decode_event(event.TOPIC, state)
    assert read == event
    # Once more as JSON, since to Python 1 is 1.0 and True.
    assert event_codec.encode_event(read) == state


def test_a_command_may_be_the_cause() -> None:
    event = PersonIdentified(recorded_at=5, cause=Cause(9, command="rules set"), rules=2)
    state = b'{"recorded_at":5,"cause":{"position":9,"command":"rules set"},"rules":2}'
    assert event_codec.encode_event(event) == state
    assert event_codec.decode_event("person.identified", state) == event


def test_an_unknown_topic_is_an_error_that_names_it() -> None:
    with pytest.raises(StoreError, match=r"'person\.teleported'"):
        event_codec.decode_event("person.teleported", b"{}")
    assert event_codec.is_reserved("person.teleported")
    assert not event_codec.is_reserved("shop.order_placed")


# Upcasting


class Moved(DomainEvent, frozen=True, kw_only=True):
    """Version 1 had a ``city``; version 2 renamed it ``place``; version 3 added the country."""

    TOPIC: ClassVar[str] = "test.moved"
    class_version: ClassVar[int] = 3

    place: str
    country: str

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state["place"] = state.pop("city")

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> None:
        state["country"] = "unknown"


event_codec.register(Moved)


def stored(**fields: Any) -> bytes:
    head = {"recorded_at": PROCESSED, "cause": {"position": 9, "uuid": UUID}, "rules": 1}
    return msgspec.json.encode({**head, **fields})


@pytest.mark.parametrize(
    ("state", "country"),
    [
        (stored(city="Ulm"), "unknown"),
        (stored(place="Ulm", class_version=2), "unknown"),
        (stored(place="Ulm", country="DE", class_version=3), "DE"),
    ],
)
def test_an_older_state_is_brought_up_to_the_present_version(state: bytes, country: str) -> None:
    event = event_codec.decode_event(Moved.TOPIC, state)
    assert event == Moved(**HERE, place="Ulm", country=country)


def test_the_present_version_is_written_beside_the_fields() -> None:
    event = Moved(**HERE, place="Ulm", country="DE")
    state = event_codec.encode_event(event)
    assert msgspec.json.decode(state)["class_version"] == 3
    assert event_codec.decode_event(Moved.TOPIC, state) == event


def test_a_newer_version_is_an_error_that_names_both() -> None:
    with pytest.raises(StoreError, match=r"'test\.moved' in version 4, .* knows 3"):
        event_codec.decode_event(Moved.TOPIC, stored(place="Ulm", class_version=4))
