"""Importing a source: lines in, batches through the unit of work, the cursor moved with each."""

import time
from collections.abc import Callable, Iterator, Mapping

import msgspec

from ..domain.errors import RejectedLine
from .arrivals import Arrival, Door, Rejection, Translate
from .clock import Clock
from .cursors import Cursor, cursor_key, find_cursor
from .database import Database
from .json_lines import Line
from .project_unit import Outcome
from .sources import OpenSource, Source
from .unit_of_work import Batch, UnitOfWork, describe

BATCH_LINES = 5_000
BATCH_BYTES = 16 * 1024 * 1024


class Progress(msgspec.Struct):
    """How far an import has come: lines read, and bytes of the file of how many, where known."""

    source: str
    lines: int
    consumed: int
    size: int | None


class ImportOptions(msgspec.Struct, kw_only=True):
    """How lines are read.

    ``project`` overrides what lines say; ``tokens`` maps tokens to project names; ``strict``
    stops at the first line that is rejected; ``live`` takes arrivals from the clock;
    ``translate`` reads lines of another format; ``batch_lines`` are stored together: 1 for a
    pipe that may fall silent at any moment.
    """

    clock: Clock
    tokens: Mapping[str, str]
    project: str | None = None
    strict: bool = False
    live: bool = False
    translate: Translate | None = None
    batch_lines: int = BATCH_LINES


class Summary(msgspec.Struct):
    """What an import did, in counts; ``seconds`` of wall time are information only."""

    read: int = 0
    rejected: int = 0
    resumed_at_line: int = 0
    seconds: float = 0.0
    outcome: Outcome = msgspec.field(default_factory=Outcome)

    def add(self, other: "Summary") -> None:
        """Add another source's counts."""
        self.read += other.read
        self.rejected += other.rejected
        self.seconds += other.seconds
        self.outcome.add(other.outcome)


class FileImport:
    """Imports one source."""

    def __init__(
        self,
        database: Database,
        unit_of_work: UnitOfWork,
        options: ImportOptions,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._database = database
        self._unit_of_work = unit_of_work
        self._options = options
        self._on_progress = on_progress
        self.summary = Summary()

    def run(self, source: Source) -> Summary:
        """Import a source from its beginning, or from where an interrupted import stopped.

        Raises :class:`UnreadableSource`, and in a strict import :class:`RejectedLine`; what
        earlier batches stored stays.
        """
        began = time.monotonic()
        if not self._resume(source):
            self._import(source, None)
        self.summary.seconds = round(time.monotonic() - began, 3)
        return self.summary

    def _resume(self, source: Source) -> bool:
        if not source.resumable:
            return False
        with self._database.read() as connection:
            cursor = find_cursor(connection, cursor_key(source.name, self._options.project))
        return cursor is not None and self._import(source, cursor)

    def _import(self, source: Source, resumed: Cursor | None) -> bool:
        """Import what is behind a cursor; give False if the source no longer begins as it did."""
        options = self._options
        name = source.name
        door = Door(
            name,
            options.clock,
            options.tokens,
            project=options.project,
            live=options.live,
            translate=options.translate,
        )
        with source.open() as opened:
            lines = opened.lines()
            if resumed is not None:
                if not _skip_prefix(lines, opened, door, resumed):
                    return False
                self.summary.resumed_at_line = resumed.line
            cursor = resumed or self._new_cursor(name)
            for batch in self._batches(lines, door):
                self._store(batch, opened, cursor, resumable=source.resumable)
                self._on_progress(
                    Progress(name, self.summary.read, opened.consumed(), opened.size())
                )
        return True

    def _new_cursor(self, name: str) -> Cursor:
        source, project = cursor_key(name, self._options.project)
        return Cursor(source=source, project=project, started_at=self._options.clock.now())

    def _batches(self, lines: Iterator[Line], door: Door) -> Iterator["_Lines"]:
        """Collect lines into batches; the last one, marked as such, may be empty."""
        most = self._options.batch_lines
        batch = _Lines()
        for line in lines:
            self.summary.read += 1
            for admitted in door.admit(line):
                if isinstance(admitted, Rejection):
                    self._reject(admitted, batch)
                else:
                    batch.arrivals.append(admitted)
            batch.bytes += len(line.raw)
            batch.last = line
            batch.lines += 1
            if batch.lines >= most or batch.bytes >= BATCH_BYTES:
                yield batch
                batch = _Lines()
        batch.at_end = True
        yield batch

    def _reject(self, rejection: Rejection, batch: "_Lines") -> None:
        self.summary.rejected += 1
        if self._options.strict:
            raise RejectedLine(describe(rejection) + " Nothing of its batch is stored.")
        batch.rejections.append(rejection)

    def _store(
        self, batch: "_Lines", opened: OpenSource, cursor: Cursor, *, resumable: bool
    ) -> None:
        if batch.last is not None:
            cursor.offset, cursor.line = batch.last.end, batch.last.number
            cursor.prefix_hash = opened.prefix_hash()
        outcome = self._unit_of_work.store(
            Batch(
                items=batch.arrivals,
                rejections=batch.rejections,
                cursor=cursor if resumable else None,
                at_end=batch.at_end,
                started_at=cursor.started_at,
                strict=self._options.strict,
            )
        )
        self.summary.outcome.add(outcome)
        self.summary.rejected += outcome.reused_uuids


class _Lines(msgspec.Struct):
    """The lines of one batch."""

    arrivals: list[Arrival] = []
    rejections: list[Rejection] = []
    lines: int = 0
    bytes: int = 0
    last: Line | None = None
    at_end: bool = False


def _skip_prefix(lines: Iterator[Line], opened: OpenSource, door: Door, cursor: Cursor) -> bool:
    """Read up to a cursor; tell whether the bytes before it are those that were stored."""
    for line in lines:
        door.skip(line)
        if line.end >= cursor.offset:
            return line.end == cursor.offset and opened.prefix_hash() == cursor.prefix_hash
    return False
