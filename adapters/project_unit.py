"""One project's share of a unit of work: read what its inputs need, decide in memory, write.

It works in pages, so that however many held events fall due at once, memory stays bounded; all
pages belong to the caller's transaction.
"""

from collections.abc import Callable, Sequence

import msgspec
import sqlalchemy as sa

from ..domain.captured_event import CapturedEvent, read_captured_event
from ..domain.events import (
    IngestionWarningRaised,
    MergeRefused,
    PersonAbsorbed,
    PersonCreated,
)
from ..domain.inputs import Input, ReleaseBuffer, Status
from ..domain.person import Person
from ..domain.ports import FindHolders, Projection, Statements
from ..domain.processing import HeldKey, Walk
from ..domain.recorded import Recorded
from ..domain.rules import Rules
from ..domain.uuids import PersonId, derive_stream_id
from .arrivals import Arrival, Order, Rejection
from .captured_json import decode_object
from .event_buffer import SqlEventBuffer
from .event_log import append_events
from .heads import Head
from .input_log import (
    InputKey,
    encode_command,
    find_bodies,
    insert_inputs,
    newest_timestamp,
    read_properties,
    stamp_inputs,
)
from .json_lines import line_digest


class Limits(msgspec.Struct, frozen=True):
    """What a unit of work holds in memory at one time.

    ``page`` arrivals or released events, the latter up to ``page_bytes``, and the holders of
    ``known`` distinct IDs, over all projects.
    """

    page: int = 20_000
    page_bytes: int = 16 * 1024 * 1024
    known: int = 50_000


class Outcome(msgspec.Struct):
    """What a unit of work did. ``clamped`` arrivals lay before their project's clock."""

    stored: int = 0
    duplicates: int = 0
    reused_uuids: int = 0
    dropped: int = 0
    held: int = 0
    released: int = 0
    clamped: int = 0
    persons_created: int = 0
    merges: int = 0
    refusals: int = 0
    warnings: int = 0
    domain_events: int = 0

    def add(self, other: "Outcome") -> None:
        """Add another unit's counts."""
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))


class Lookups(msgspec.Struct, frozen=True):
    """What a unit of work needs of the projections, handed in by the composition root."""

    projections: Sequence[Projection]
    find_holders: FindHolders
    rules_in_force: Callable[[sa.Connection, int], Rules]


class Known(msgspec.Struct):
    """Who holds which distinct ID, as far as it was looked up at certain heads of the project."""

    heads: tuple[int, int, int] = (0, 0, 0)
    holders: dict[str, Person | None] = {}
    persons: dict[PersonId, Person] = {}


class ProjectUnit:
    """Processes the items of one project, in their order, and moves its head in memory."""

    def __init__(
        self,
        connection: sa.Connection,
        statements: Statements,
        head: Head,
        lookups: Lookups,
        *,
        known: Known,
        limits: Limits,
    ) -> None:
        if known.heads != head.state():
            known.holders.clear()
            known.persons.clear()
        self._known = known
        self._connection = connection
        self._statements = statements
        self._head = head
        self._lookups = lookups
        self._rules = lookups.rules_in_force(connection, head.id)
        self._buffer = SqlEventBuffer(connection, head.id)
        self._limits = limits
        self.outcome = Outcome()
        self.rejections: list[Rejection] = []

    def run(self, items: Sequence[Arrival | Order], started_at: int) -> None:
        """Process the items; ``started_at`` is the arrival of a line that tells no time at all."""
        stored = self._stored_already(items)
        new: list[Input] = []
        for item in items:
            if isinstance(item, Order):
                new.append(self._order(item))
                continue
            key = item.event.sent_timestamp, item.event.uuid
            first = stored.get(key)
            if first is None:
                stored[key] = item.raw
                new.append(self._input(item, started_at))
            else:
                self._count_duplicate(item, first)
        self.outcome.stored += sum(each.command is None for each in new)
        while new:
            new = new[self._run_page(new[: self._limits.page]) :]
        self._known.heads = self._head.state()

    def _stored_already(self, items: Sequence[Arrival | Order]) -> dict[InputKey, bytes]:
        """Find the bodies of captured events that are stored already: the first of a key wins."""
        newest = newest_timestamp(self._connection, self._head.id)
        sent = {
            (item.event.sent_timestamp, item.event.uuid): item.raw
            for item in items
            if isinstance(item, Arrival) and item.event.sent_timestamp <= newest
        }
        found = find_bodies(self._statements, self._head.id, sent)
        # Equal bodies are kept once: a batch of duplicates takes no more memory than it came with.
        return {key: sent[key] if body == sent[key] else body for key, body in found}

    def _count_duplicate(self, item: Arrival, first: bytes) -> None:
        self.outcome.duplicates += 1
        if first == item.raw:
            return
        stored = _read_again(first, item)
        if (stored.name, stored.distinct_id) == (item.event.name, item.event.distinct_id):
            return
        self.outcome.reused_uuids += 1
        self.rejections.append(
            Rejection(
                project=item.project,
                source=item.source,
                line=item.line,
                reason="uuid_reused",
                raw=item.raw,
                digest=line_digest(item.raw),
                received_at=item.event.arrival,
            )
        )

    def _order(self, order: Order) -> Input:
        """Give a command its position. It takes the project's clock; only a release moves it."""
        head = self._head
        head.input_head += 1
        if isinstance(order.command, ReleaseBuffer):
            head.clock = max(head.clock, order.command.until)
        return Input(
            position=head.input_head,
            uuid=derive_stream_id(head.name, "command", head.input_head),
            sent_timestamp=0,
            received_at=head.clock,
            arrived_at=head.clock,
            body=encode_command(order.command),
            command=order.command,
            status=Status.COMMAND,
        )

    def _input(self, item: Arrival, started_at: int) -> Input:
        """Give a captured event its position and its arrival, never before the project's clock."""
        head = self._head
        head.input_head += 1
        event = item.event
        received_at = event.arrival
        if received_at is None:
            received_at = head.clock or started_at
            event = _read_again(item.raw, item, received_at)
        if received_at < head.clock:
            self.outcome.clamped += 1
        else:
            head.clock = received_at
        return Input(
            head.input_head,
            event.uuid,
            event.sent_timestamp,
            received_at,
            head.clock,
            item.raw,
            event,
        )

    def _run_page(self, arrivals: Sequence[Input]) -> int:
        """Process arrivals and what falls due meanwhile; give how many arrivals were taken.

        If more events are due than a page holds, arrivals wait for a later page.
        """
        due, is_cut = self._buffer.due(
            arrivals[-1].arrived_at, self._limits.page, most_bytes=self._limits.page_bytes
        )
        last: HeldKey | None = None
        if is_cut:
            last = (due[-1].due_at or 0, due[-1].position)
            arrivals = [each for each in arrivals if each.arrived_at < last[0]]
        head = self._head
        self._find_holders(_distinct_ids(due) | _distinct_ids(arrivals))
        walk = Walk(
            head.name, self._rules, self._known.holders, head.log_head, due, read_properties
        )
        walk.arrive(arrivals)
        if last is not None:
            walk.release_until(last[0], last)
        self._write(walk, arrivals)
        return len(arrivals)

    def _find_holders(self, wanted: set[str]) -> None:
        """Look up those IDs whose holders are not known yet."""
        known = self._known
        if len(known.holders) > self._limits.known:
            known.holders.clear()
            known.persons.clear()
        missing = wanted - known.holders.keys()
        known.holders.update(dict.fromkeys(missing))
        known.holders.update(
            self._lookups.find_holders(self._statements, self._head.id, missing, known.persons)
        )

    def _write(self, walk: Walk, arrivals: Sequence[Input]) -> None:
        head, statements = self._head, self._statements
        head.lock(self._connection)
        insert_inputs(statements, head.id, arrivals)
        first_new = arrivals[0].position if arrivals else head.input_head + 1
        held_before = [each for each in walk.released if each.position < first_new]
        stamp_inputs(statements, head.id, held_before)
        append_events(statements, head.id, walk.recorded)
        recorded = Recorded(head.id, walk.recorded, walk.touched)
        for projection in self._lookups.projections:
            projection.apply(statements, recorded)
        self._known.persons.update(walk.touched)
        head.log_head = walk.log_head
        self._rules = walk.rules
        self._count(walk, arrivals, recorded)

    def _count(self, walk: Walk, arrivals: Sequence[Input], recorded: Recorded) -> None:
        outcome = self.outcome
        outcome.released += len(walk.released)
        for each in arrivals:
            if each.status is not Status.ATTRIBUTED or each.due_at is not None:
                outcome.held += each.due_at is not None
                outcome.dropped += each.status is Status.DROPPED
        outcome.domain_events += len(walk.recorded)
        outcome.persons_created += recorded.count(PersonCreated)
        outcome.merges += recorded.count(PersonAbsorbed)
        outcome.refusals += recorded.count(MergeRefused)
        outcome.warnings += recorded.count(MergeRefused) + recorded.count(IngestionWarningRaised)


def _distinct_ids(inputs: Sequence[Input]) -> set[str]:
    """Collect the IDs whose holders the inputs' decisions read."""
    events = [each.event for each in inputs if each.event is not None]
    wanted = {event.distinct_id for event in events}
    wanted.update(event.other_id for event in events if event.link is not None)
    return wanted


def _read_again(raw: bytes, item: Arrival, received_at: int | None = None) -> CapturedEvent:
    """Read a line with the key of ``item``: an earlier one, or its own once it has an arrival."""
    return read_captured_event(decode_object(raw), lambda: item.event.uuid, received_at)
