"""Importing a source: batches through the unit of work, the cursor moved with each."""

import time
from collections.abc import Callable, Generator
from contextlib import closing

import msgspec

from .clock import Clock
from .cursors import Cursor, cursor_key, find_cursor
from .database import Database
from .line_batches import LineBatch, Place, Reading, read_batches
from .project_unit import Outcome
from .reading_process import read_batches_apart
from .sources import FileSource, Source
from .unit_of_work import Batch, UnitOfWork


class Progress(msgspec.Struct):
    """How far an import has come: lines read, and bytes of the file of how many, where known."""

    source: str
    lines: int
    consumed: int
    size: int | None


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
    """Imports one source. With ``apart`` a file is read in a process of its own."""

    def __init__(
        self,
        database: Database,
        unit_of_work: UnitOfWork,
        clock: Clock,
        reading: Reading,
        *,
        on_progress: Callable[[Progress], None],
        apart: bool = False,
    ) -> None:
        self._database = database
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._reading = reading
        self._on_progress = on_progress
        self._apart = apart
        self.summary = Summary()

    def run(self, source: Source) -> Summary:
        """Import a source from its beginning, or from where an interrupted import stopped.

        Raises :class:`UnreadableSource`, and in a strict import :class:`RejectedLine`; what
        earlier batches stored stays.
        """
        began = time.monotonic()
        found = self._find_cursor(source)
        cursor = found or self._new_cursor(source)
        with closing(self._batches(source, found)) as batches:
            for number, batch in enumerate(batches):
                if number == 0 and found is not None:
                    if batch.resumed:
                        self.summary.resumed_at_line = found.line
                    else:
                        cursor = self._new_cursor(source)
                self._store(batch, cursor, resumable=source.resumable)
                self._on_progress(
                    Progress(source.name, self.summary.read, batch.consumed, batch.size)
                )
        self.summary.seconds = round(time.monotonic() - began, 3)
        return self.summary

    def _batches(self, source: Source, found: Cursor | None) -> Generator[LineBatch, None, None]:
        resume = None if found is None else Place(found.offset, found.line, found.prefix_hash)
        if self._apart and isinstance(source, FileSource):
            return read_batches_apart(source, self._reading, resume)
        return read_batches(source, self._reading, self._clock, resume)

    def _find_cursor(self, source: Source) -> Cursor | None:
        if not source.resumable:
            return None
        with self._database.read() as connection:
            return find_cursor(connection, cursor_key(source.name, self._reading.project))

    def _new_cursor(self, source: Source) -> Cursor:
        name, project = cursor_key(source.name, self._reading.project)
        return Cursor(source=name, project=project, started_at=self._clock.now())

    def _store(self, batch: LineBatch, cursor: Cursor, *, resumable: bool) -> None:
        if batch.place is not None:
            cursor.offset, cursor.line = batch.place.offset, batch.place.line
            cursor.prefix_hash = batch.place.prefix_hash
        outcome = self._unit_of_work.store(
            Batch(
                items=batch.arrivals,
                rejections=batch.rejections,
                cursor=cursor if resumable else None,
                at_end=batch.at_end,
                started_at=cursor.started_at,
                strict=self._reading.strict,
            )
        )
        self.summary.read += batch.lines
        self.summary.rejected += len(batch.rejections) + outcome.reused_uuids
        self.summary.outcome.add(outcome)
