"""Walking inputs in order of processing: decide, evolve, stamp. Pure, one for every engine.

The order is ``processed_at``, then releases before arrivals and commands, then position. An
event held here and due later in the same walk is released by it too.
"""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush

from .buffer import due_at, is_held
from .captured_event import CapturedEvent
from .decision import Decided, Occasion, decide
from .events import (
    Cause,
    DomainEvent,
    IngestionWarningRaised,
    RecordedEvent,
    RulesSet,
    moved_ids,
)
from .inputs import Input, ReleaseBuffer, Status
from .json_values import JsonObject
from .person import Person, evolve
from .rules import Rules, changed
from .uuids import PersonId, derive_stream_id, uuid_text

HeldKey = tuple[int, int]
"""Due time and position: the order of release."""


class Walk:
    """Processes inputs of one project, in memory.

    ``holders`` maps every distinct ID that the inputs name to the person that holds it (missing
    or None: nobody) and is kept up to date; IDs of one person must share one :class:`Person`.
    ``held`` are events that
    earlier walks held. Afterwards ``recorded`` is the new part of the log, ``touched`` the
    persons it changed, ``released`` the events that were held and are processed now, and ``rules``
    the rule set in force. ``read_properties`` reads an event's own properties again from its
    body: only lifting needs them.
    """

    def __init__(
        self,
        project: str,
        rules: Rules,
        holders: dict[str, Person | None],
        log_head: int,
        held: list[Input],
        read_properties: Callable[[Input], JsonObject],
    ) -> None:
        self.project = project
        self.rules = rules
        self.log_head = log_head
        self.recorded: list[RecordedEvent] = []
        self.touched: dict[PersonId, Person] = {}
        self.released: list[Input] = []
        self._holders = holders
        self._read_properties = read_properties
        self._held = [(event.due_at or 0, event.position, event) for event in held]
        heapify(self._held)

    def release_until(self, moment: int, last: HeldKey | None = None) -> None:
        """Process held events that are due at or before ``moment``, no later than ``last``."""
        held = self._held
        while held and held[0][0] <= moment and (last is None or held[0][:2] <= last):
            due, _, released = heappop(held)
            assert released.event is not None  # noqa: S101 - only captured events are held
            self.released.append(released)
            self._process(released, released.event, due)

    def arrive(self, arrivals: Iterable[Input]) -> None:
        """Let time pass up to each input's arrival, then hold it or process it."""
        held, holder_of = self._held, self._holders.get
        for arrival in arrivals:
            if held and held[0][0] <= arrival.arrived_at:
                self.release_until(arrival.arrived_at)
            event = arrival.event
            if event is None:
                self._obey(arrival)
                continue
            own = holder_of(event.distinct_id)
            if own is not None and event.plain and not self.rules.auto_person_properties:
                arrival.person = own.person_id  # nothing to hold; decide() has nothing to say
            else:
                self._arrive(arrival, event, own)

    def _arrive(self, arrival: Input, event: CapturedEvent, own: Person | None) -> None:
        for warning in event.warnings:
            self._record_for_input(
                arrival,
                IngestionWarningRaised(
                    recorded_at=arrival.arrived_at,
                    cause=Cause(arrival.position, uuid=uuid_text(arrival.uuid)),
                    rules=self.rules.version,
                    type=warning.type,
                    details=warning.details,
                ),
            )
        if own is None and is_held(event, self.rules):
            arrival.status = Status.HELD
            arrival.due_at = due_at(arrival.arrived_at, self.rules)
            heappush(self._held, (arrival.due_at, arrival.position, arrival))
        else:
            self._process(arrival, event, arrival.arrived_at)

    def _process(self, processed: Input, event: CapturedEvent, moment: int) -> None:
        if event.dropped or event.personless:
            processed.status = Status.DROPPED if event.dropped else Status.PERSONLESS
            return
        processed.status = Status.ATTRIBUTED
        holders = self._holders
        own = holders.get(event.distinct_id)
        occasion = Occasion(
            self.project, processed.position, processed.arrived_at, moment, self.rules
        )
        if self.rules.auto_person_properties:
            occasion.properties = self._read_properties(processed)
        other = None if event.link is None else holders.get(event.other_id)
        decided = decide(event, own, other, occasion)
        if decided:
            self._record(decided, [own, other])
        holder = holders[event.distinct_id]
        processed.person = None if holder is None else holder.person_id

    def _record(self, decided: list[Decided], involved: list[Person | None]) -> None:
        """Evolve the persons involved, and the one that is created, and append to the log."""
        person: Person | None = None
        for person_id, event in decided:
            if person is None or person.person_id is not person_id:
                person = _among(involved, person_id)
                self.touched[person_id] = person
            evolve(person, event)
            self._append(person_id, person.version, event)
            for moved in moved_ids(event):
                self._holders[moved] = person

    def _obey(self, order: Input) -> None:
        """Carry out a command. Letting time pass is all that releasing the buffer takes."""
        order.status = Status.COMMAND
        if order.command is None or isinstance(order.command, ReleaseBuffer):
            return
        wanted = changed(self.rules, order.command.changes)
        if wanted is self.rules:
            return
        event = RulesSet(
            recorded_at=order.arrived_at,
            cause=Cause(order.position, command="rules set"),
            rules=self.rules.version,
            rule_set=wanted.model_dump(mode="json"),
        )
        self._record_for_input(order, event)
        self.rules = wanted

    def _record_for_input(self, of: Input, event: DomainEvent) -> None:
        """Append to the stream of the input itself, whose versions count from 1."""
        stream = derive_stream_id(self.project, event.TOPIC, of.position)
        last = self.recorded[-1] if self.recorded else None
        version = last.version + 1 if last is not None and last.stream == stream else 1
        self._append(stream, version, event)

    def _append(self, stream: bytes, version: int, event: DomainEvent) -> None:
        self.log_head += 1
        self.recorded.append(RecordedEvent(self.log_head, stream, version, event))


def _among(involved: list[Person | None], person_id: PersonId) -> Person:
    """Give the person of this id, who is new unless involved already."""
    for person in involved:
        if person is not None and person.person_id == person_id:
            return person
    created = Person(person_id)
    involved.append(created)
    return created
