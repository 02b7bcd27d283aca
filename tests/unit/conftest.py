"""The form of the domain's tests: given(persons).when(captured event).then(domain events).

All of it is the real domain, with fixed ids and times: the captured event under test is the
input at ``POSITION``, arrives at ``ARRIVED`` and is processed at ``PROCESSED``.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from personlog.domain.captured_event import CapturedEvent, read_captured_event
from personlog.domain.decision import Decided, Occasion, decide
from personlog.domain.events import (
    Cause,
    DistinctIdAdded,
    DomainEvent,
    PersonCreated,
    PersonIdentified,
    PropertiesSet,
    RecordedEvent,
)
from personlog.domain.inputs import Command, Input
from personlog.domain.json_values import JsonObject
from personlog.domain.person import Person, evolve
from personlog.domain.processing import Walk
from personlog.domain.rules import DEFAULT_RULES, Rules
from personlog.domain.uuids import PersonId, derive_person_id, parse_uuid, uuid_text

PROJECT = "shop"
POSITION = 9
ARRIVED = 1_671_530_400_000
"""2022-12-20T10:00:00Z"""
PROCESSED = ARRIVED + 60_000
EARLIER = ARRIVED - 86_400_000
"""When the persons that are given came into being."""

USER = PersonId(bytes.fromhex("0185aaaa000081008000000000000001"))
DEVICE = PersonId(bytes.fromhex("0185bbbb000081008000000000000002"))
USER_TEXT, DEVICE_TEXT = uuid_text(USER), uuid_text(DEVICE)


def uuid_of(position: int) -> str:
    """The uuid of the captured event at a position."""
    return f"0190aaaa-0000-4000-8000-{position:012x}"


UUID = uuid_of(POSITION)
DERIVED_UUID = bytes(range(16))
"""What an event without a uuid of its own is given."""


def header(position: int, recorded_at: int, rules: int = 1) -> dict[str, Any]:
    """What all domain events of one input say."""
    cause = Cause(position, uuid=uuid_of(position))
    return {"recorded_at": recorded_at, "cause": cause, "rules": rules}


BEFORE = header(1, EARLIER)
HERE = header(POSITION, PROCESSED)


def new(distinct_id: str, position: int = POSITION, arrived_at: int = ARRIVED) -> PersonId:
    """The id of the person that an input creates."""
    uuid = parse_uuid(uuid_of(position))
    assert uuid is not None
    return derive_person_id(PROJECT, arrived_at, uuid, distinct_id)


def person(
    person_id: PersonId,
    *distinct_ids: str,
    properties: JsonObject | None = None,
    is_identified: bool = False,
    created_at: int = EARLIER,
) -> list[Decided]:
    """The domain events of a person, to be given."""
    events: list[DomainEvent] = [PersonCreated(**BEFORE, created_at=created_at)]
    events += [DistinctIdAdded(**BEFORE, distinct_id=each) for each in distinct_ids]
    if is_identified:
        events.append(PersonIdentified(**BEFORE))
    if properties:
        events.append(PropertiesSet(**BEFORE, new=properties, old={}, unset=[]))
    return [(person_id, event) for event in events]


def read(sent: JsonObject, arrived_at: int = ARRIVED, position: int = POSITION) -> CapturedEvent:
    """Read what a sender sent, who gave it a uuid unless the test does."""
    return read_captured_event(
        {"uuid": uuid_of(position), **sent},
        derive_uuid=lambda: DERIVED_UUID,
        received_at=arrived_at,
    )


def given(*persons: Iterable[Decided]) -> "Situation":
    """Start from the persons that these domain events make."""
    return Situation([decided for each in persons for decided in each])


class Situation:
    """Persons, folded from a history."""

    def __init__(self, history: Sequence[Decided]) -> None:
        self._history = history
        self.persons: dict[PersonId, Person] = {}
        for person_id, event in history:
            evolve(self.persons.setdefault(person_id, Person(person_id)), event)

    def when(self, sent: JsonObject, rules: Rules = DEFAULT_RULES) -> "Outcome":
        """Decide about a captured event."""
        event = read(sent)
        properties = sent.get("properties") or {}
        occasion = Occasion(PROJECT, POSITION, ARRIVED, PROCESSED, rules, properties)
        own, other = self.holder(event.distinct_id), self.holder(event.other_id)
        return Outcome(self._history, decide(event, own, other, occasion))

    def holder(self, distinct_id: str) -> Person | None:
        """The person that holds an ID."""
        found = [each for each in self.persons.values() if distinct_id in each.distinct_ids]
        assert len(found) <= 1, f"{distinct_id} is held twice"
        return found[0] if found else None


class Outcome:
    """What was decided."""

    def __init__(self, history: Sequence[Decided], decided: list[Decided]) -> None:
        self._history = history
        self._decided = decided

    def then(self, *expected: tuple[PersonId, DomainEvent]) -> Situation:
        """Compare all domain events, every field of them; give the situation after them."""
        assert self._decided == list(expected)
        # Once more as JSON, since to Python 1 is 1.0 and True.
        assert as_json(self._decided) == as_json(expected)
        return Situation([*self._history, *self._decided])

    def then_nothing(self) -> Situation:
        """No domain event at all."""
        return self.then()


def as_json(decided: Iterable[tuple[PersonId, DomainEvent]]) -> list[bytes]:
    return [msgspec.json.encode(event, order="deterministic") for _, event in decided]


def captured(position: int, arrived_at: int, sent: JsonObject) -> Input:
    """A captured event as an input at its place."""
    event = read(sent, arrived_at, position)
    return Input(
        position=position,
        uuid=event.uuid,
        sent_timestamp=event.sent_timestamp,
        received_at=arrived_at,
        arrived_at=arrived_at,
        body=msgspec.json.encode(sent),
        event=event,
    )


def ordered(position: int, arrived_at: int, command: Command) -> Input:
    """An operator's command as an input at its place."""
    return Input(
        position=position,
        uuid=bytes(15) + bytes([position]),
        sent_timestamp=0,
        received_at=arrived_at,
        arrived_at=arrived_at,
        body=msgspec.json.encode(command),
        command=command,
    )


def sent_properties(of: Input) -> JsonObject:
    """The properties in an input's body."""
    found: JsonObject = msgspec.json.decode(of.body).get("properties") or {}
    return found


Holders = dict[str, Person | None]


def walk_of(
    inputs: Iterable[Input],
    rules: Rules = DEFAULT_RULES,
    holders: Holders | None = None,
    held: Iterable[Input] = (),
    log_head: int = 0,
) -> Walk:
    """A walk at which these inputs have arrived; ``holders`` and ``held`` were there before."""
    holders = {} if holders is None else holders
    walk = Walk(PROJECT, rules, holders, log_head, list(held), sent_properties)
    for each in inputs:
        walk.arrive([each])
    return walk


def log(*entries: tuple[PersonId, int, DomainEvent], after: int = 0) -> list[RecordedEvent]:
    """The log's entries as (stream, version, event), at the positions that follow ``after``."""
    return [
        RecordedEvent(position, stream, version, event)
        for position, (stream, version, event) in enumerate(entries, after + 1)
    ]


def released(walk: Walk) -> list[int]:
    """The inputs that were held and have been processed since."""
    return [each.position for each in walk.released]


def decided(walk: Walk) -> list[int]:
    """The inputs that domain events were decided for, in order of the log."""
    return list(dict.fromkeys(each.event.cause.position for each in walk.recorded))
