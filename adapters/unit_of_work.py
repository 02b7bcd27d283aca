"""The unit of work: the only way in, for files, servers, commands and tests.

One transaction holds inputs, stamps, domain events, lookup tables, rejected lines and the import
cursor; last, the heads move, if they are what they were. A crash anywhere loses nothing and
repeats nothing.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import msgspec
import sqlalchemy as sa

from ..domain.errors import ConcurrentWrite, RejectedLine, StoreError
from .arrivals import Arrival, Order, Rejection
from .cursors import Cursor, move_cursor
from .database import Database, is_conflict, is_retryable
from .heads import StaleRead, read_heads
from .lease import Lease
from .line_batches import describe
from .project_unit import Known, Limits, Lookups, Outcome, ProjectUnit
from .rejected import keep_rejected
from .statements import statements_on

MAX_ATTEMPTS = 50
"""How often a unit is decided anew because another writer was faster."""

MAX_CONFLICTS = 3
"""How often a broken key may mean just that; then it is the tables that are wrong."""


class Batch(msgspec.Struct, kw_only=True):
    """What one unit of work stores: items in order of arrival, over any number of projects.

    ``started_at`` is when the import began, ``at_end`` tells that the cursor's source is read,
    and with ``strict`` a reused uuid is an error.
    """

    items: Sequence[Arrival | Order] = ()
    rejections: Sequence[Rejection] = ()
    cursor: Cursor | None = None
    at_end: bool = False
    started_at: int = 0
    strict: bool = False


class UnitOfWork:
    """Stores batches, each in one transaction, on a connection of its own.

    Use it as a context manager. ``tables`` are all tables by name; ``on_wait`` is told the
    project for whose lease it has to wait, and without ``leased`` it waits for none: right for a
    single order, which must not stand behind an import. Unless ``durable``, a crash of the machine
    may undo its last transactions. ``projects`` are those that were written.
    """

    def __init__(
        self,
        database: Database,
        tables: Mapping[str, sa.Table],
        lookups: Lookups,
        *,
        on_wait: Callable[[str], None] = lambda _name: None,
        leased: bool = True,
        durable: bool = True,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
    ) -> None:
        self._database = database
        self._tables = tables
        self._lookups = lookups
        self._on_wait = on_wait
        self._leased = leased
        self._durable = durable
        self._limits = limits
        self._known: dict[str, Known] = {}
        self.projects: set[str] = set()
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._connection = self._open.enter_context(self._database.connect(durable=self._durable))
        self._lease: Lease | None = None
        if self._leased and not self._database.is_sqlite:
            self._lease = Lease(self._connection, self._on_wait)
            self._open.callback(self._lease.release)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.__exit__(None, None, None)

    def store(self, batch: Batch) -> Outcome:
        """Store a batch; decide anew while other writers are faster.

        Raises :class:`ConcurrentWrite` after :data:`MAX_ATTEMPTS`, :class:`RejectedLine` for a
        reused uuid in a strict batch; nothing is stored then.
        """
        if self._lease is not None:
            self._lease.hold(item.project for item in batch.items)
        conflicts = 0
        for attempt in range(MAX_ATTEMPTS):
            known = {name: self._take_known(name) for name in {i.project for i in batch.items}}
            try:
                with self._database.write(self._connection) as connection:
                    outcome = self._attempt(connection, batch, known, in_turn=attempt > 0)
            except StaleRead as stale:
                cause: Exception = stale
            except Exception as error:
                conflicts += is_conflict(error)
                if conflicts > MAX_CONFLICTS:
                    raise StoreError(
                        f"A key of database {self._database.label} refuses what was decided; look"
                        f" with 'personlog projections verify' ({error})."
                    ) from error
                if not (is_conflict(error) or is_retryable(error)):
                    raise
                cause = error
            else:
                self._keep_known(known)
                self.projects.update(known)
                return outcome
        raise ConcurrentWrite(
            f"Other writers were faster {MAX_ATTEMPTS} times on database {self._database.label};"
            " run the command again when they have finished."
        ) from cause

    def _take_known(self, name: str) -> Known:
        """Take what earlier units found; what a failed attempt decided on goes with it."""
        return self._known.pop(name, None) or Known()

    def _keep_known(self, known: Mapping[str, Known]) -> None:
        """Keep what was found for the next unit; the projects not written for longest go first."""
        self._known.update(known)
        total = sum(len(each.holders) for each in self._known.values())
        for name in list(self._known):
            if total <= self._limits.known:
                break
            total -= len(self._known.pop(name).holders)

    def _attempt(
        self,
        connection: sa.Connection,
        batch: Batch,
        known: Mapping[str, Known],
        *,
        in_turn: bool = False,
    ) -> Outcome:
        """Read, decide and write.

        ``in_turn`` keeps other writers out while it decides, so that none is overtaken for ever;
        on SQLite that is so from the beginning.
        """
        statements = statements_on(connection, self._tables)
        by_project: dict[str, list[Arrival | Order]] = {}
        for item in batch.items:
            by_project.setdefault(item.project, []).append(item)
        heads = read_heads(connection, by_project, lock=in_turn and not self._database.is_sqlite)
        outcome, rejections = Outcome(), list(batch.rejections)
        for name, head in heads.items():
            unit = ProjectUnit(
                connection, statements, head, self._lookups, known=known[name], limits=self._limits
            )
            unit.run(by_project[name], batch.started_at)
            outcome.add(unit.outcome)
            rejections += unit.rejections
            if batch.strict and unit.rejections:
                raise RejectedLine(describe(unit.rejections[0]))
        keep_rejected(statements, rejections)
        if batch.cursor is not None:
            move_cursor(connection, batch.cursor, at_end=batch.at_end)
        for head in heads.values():
            head.save(connection)
        return outcome
