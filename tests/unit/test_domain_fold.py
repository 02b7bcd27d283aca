"""Folding domain events to persons: evolve, the fold of a log, and a person's stored state."""

import pytest

from personlog.domain.errors import StoreError
from personlog.domain.events import (
    DistinctIdAdded,
    DomainEvent,
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
from personlog.domain.fold import Fold
from personlog.domain.person import Person, evolve
from personlog.domain.person_state import decode_state, encode_state

from .conftest import DEVICE, DEVICE_TEXT, EARLIER, HERE, USER, USER_TEXT, new

CREATED = PersonCreated(**HERE, created_at=EARLIER)
ID_ADDED = DistinctIdAdded(**HERE, distinct_id="user")
IDENTIFIED = PersonIdentified(**HERE)
PROPERTIES_SET = PropertiesSet(**HERE, new={"a": 1, "b": None}, old={}, unset=[])
REFUSED = MergeRefused(
    **HERE, reason="already_identified", link="identify", own_id="user", other_id="device"
)
ABSORBED = PersonAbsorbed(
    **HERE,
    absorbed=DEVICE_TEXT,
    link="identify",
    own_id="user",
    other_id="device",
    distinct_ids=["device", "phone"],
    taken={"c": 3},
    lost={"a": 9},
    created_at=EARLIER - 1,
)
MERGED_INTO = MergedInto(**HERE, survivor=USER_TEXT)
WARNING = IngestionWarningRaised(**HERE, type="x", details={})
RULES_SET = RulesSet(**HERE, rule_set={})


def folded(*events: DomainEvent) -> Person:
    person = Person(USER)
    for event in events:
        evolve(person, event)
    return person


@pytest.mark.parametrize(
    ("events", "person"),
    [
        ([], Person(USER)),
        ([CREATED], Person(USER, version=1, created_at=EARLIER)),
        ([ID_ADDED], Person(USER, version=1, distinct_ids=["user"])),
        ([IDENTIFIED], Person(USER, version=1, is_identified=True)),
        ([IDENTIFIED, IDENTIFIED], Person(USER, version=2, is_identified=True)),
        ([PROPERTIES_SET], Person(USER, version=1, properties={"a": 1, "b": None})),
        ([REFUSED], Person(USER, version=1)),
        (
            [PROPERTIES_SET, PropertiesSet(**HERE, new={"a": 2}, old={"a": 1}, unset=["b", "z"])],
            Person(USER, version=2, properties={"a": 2}),
        ),
        (
            [CREATED, ID_ADDED, PROPERTIES_SET, ABSORBED],
            Person(
                USER,
                version=4,
                created_at=EARLIER - 1,
                distinct_ids=["user", "device", "phone"],
                properties={"a": 1, "b": None, "c": 3},
            ),
        ),
        (
            [CREATED, ID_ADDED, PROPERTIES_SET, IDENTIFIED, MERGED_INTO],
            Person(
                USER,
                version=5,
                created_at=EARLIER,
                is_identified=True,
                properties={"a": 1, "b": None},
                merged_into=USER_TEXT,
            ),
        ),
    ],
)
def test_evolving_folds_each_event_into_the_state(
    events: list[DomainEvent], person: Person
) -> None:
    assert folded(*events) == person


def test_folding_leaves_the_events_alone() -> None:
    first = PropertiesSet(**HERE, new={"a": 1}, old={}, unset=[])
    folded(first, PropertiesSet(**HERE, new={"a": 2}, old={"a": 1}, unset=[]), MERGED_INTO)
    assert first.new == {"a": 1}
    folded(ABSORBED, MERGED_INTO)
    assert ABSORBED.distinct_ids == ["device", "phone"]


def test_two_persons_share_nothing() -> None:
    one, other = Person(USER), Person(DEVICE)
    evolve(one, ID_ADDED)
    evolve(one, PROPERTIES_SET)
    assert (other.distinct_ids, other.properties) == ([], {})


# The fold of a log

PAGE = [
    RecordedEvent(1, USER, 1, CREATED),
    RecordedEvent(2, b"i" * 16, 1, WARNING),
    RecordedEvent(3, DEVICE, 1, CREATED),
    RecordedEvent(4, USER, 2, ID_ADDED),
    RecordedEvent(5, b"r" * 16, 1, RULES_SET),
]


def test_a_page_is_folded_to_the_persons_it_touches() -> None:
    fold = Fold(project=7)
    recorded = fold.add(PAGE)
    user = Person(USER, version=2, created_at=EARLIER, distinct_ids=["user"])
    device = Person(DEVICE, version=1, created_at=EARLIER)
    assert (recorded.project, recorded.events) == (7, PAGE)
    assert recorded.persons == {USER: user, DEVICE: device}
    assert recorded.of(RulesSet, DistinctIdAdded) == [PAGE[3], PAGE[4]]
    assert recorded.of(DistinctIdAdded) == recorded.moves() == [PAGE[3]]
    assert recorded.of(PersonAbsorbed) == []
    assert (recorded.count(PersonCreated), recorded.count(PersonAbsorbed)) == (2, 0)
    assert (fold.project, fold.position, list(fold.person_ids())) == (7, 5, [USER, DEVICE])
    assert (fold.person(USER), fold.person(DEVICE)) == (user, device)
    assert fold.person(new("nobody")) is None
    assert fold.has(USER, 2, encode_state(user))
    assert not fold.has(USER, 3, encode_state(user))
    assert not fold.has(USER, 2, encode_state(device))


def test_the_next_page_goes_on_and_touches_only_its_own() -> None:
    fold = Fold(project=7)
    fold.add(PAGE)
    recorded = fold.add([RecordedEvent(6, USER, 3, IDENTIFIED)])
    assert recorded.persons.keys() == {USER}
    assert recorded.persons[USER].version == 3
    assert list(fold.person_ids()) == [USER, DEVICE]


def test_pages_of_any_size_give_the_same_persons() -> None:
    whole, single = Fold(1), Fold(1)
    whole.add(PAGE)
    for each in PAGE:
        single.add([each])
    assert [*map(single.person, single.person_ids())] == [*map(whole.person, whole.person_ids())]
    assert single.person(USER) is not None


@pytest.mark.parametrize("position", [2, 0, -1])
def test_a_log_that_does_not_begin_at_position_1_is_an_error(position: int) -> None:
    with pytest.raises(StoreError, match=rf"^The log jumps from position 0 to {position}\.$"):
        Fold(1).add([RecordedEvent(position, USER, 1, CREATED)])


@pytest.mark.parametrize("position", [7, 5, 1])
def test_a_gap_or_a_repetition_in_the_positions_is_an_error(position: int) -> None:
    fold = Fold(1)
    fold.add(PAGE)
    with pytest.raises(StoreError, match=rf"^The log jumps from position 5 to {position}\.$"):
        fold.add([RecordedEvent(position, USER, 3, IDENTIFIED)])


def test_a_gap_in_the_positions_counts_for_events_of_no_person_too() -> None:
    with pytest.raises(StoreError, match="jumps from position 0 to 2"):
        Fold(1).add([RecordedEvent(2, b"i" * 16, 1, WARNING)])


@pytest.mark.parametrize("version", [4, 2, 0])
def test_a_gap_or_a_repetition_in_a_persons_versions_is_an_error(version: int) -> None:
    fold = Fold(1)
    fold.add(PAGE)
    message = (
        rf"^Person {USER_TEXT} jumps to version {version} at position 6; version 3 is missing\.$"
    )
    with pytest.raises(StoreError, match=message):
        fold.add([RecordedEvent(6, USER, version, IDENTIFIED)])


# A person's stored state


@pytest.mark.parametrize(
    "person",
    [
        Person(USER),
        Person(USER, 3, EARLIER, is_identified=True, distinct_ids=["b", "a"], merged_into="x"),
        Person(USER, 3, -5, properties={"a": 1, "b": [1.0, True, None, {"c": "\u00e9"}]}),
    ],
)
def test_a_persons_state_is_read_back_as_it_was_written(person: Person) -> None:
    state = encode_state(person)
    found = decode_state(person.person_id, person.version, state)
    assert found == person
    assert encode_state(found) == state


def test_equal_states_are_equal_bytes_whatever_the_order_of_keys() -> None:
    left = Person(USER, 1, properties={"a": 1, "b": {"c": 1, "d": 2}})
    right = Person(USER, 1, properties={"b": {"d": 2, "c": 1}, "a": 1})
    assert encode_state(left) == encode_state(right)
