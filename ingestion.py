"""Importing sources: recognise their formats, bring exports into order, store, and say what came.

Part of the composition root: it joins sources, formats and the unit of work.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

import msgspec
import sqlalchemy as sa

from .adapters.clock import Clock
from .adapters.database import Database
from .adapters.event_buffer import SqlEventBuffer
from .adapters.file_import import FileImport, Progress, Summary
from .adapters.formats.ordering import decoded
from .adapters.formats.recognition import Format, recognise
from .adapters.formats.segment import SegmentOptions
from .adapters.heads import find_tokens, list_heads
from .adapters.line_batches import BATCH_LINES, Reading
from .adapters.sources import STANDARD_INPUT, FileSource, ObjectSource
from .adapters.unit_of_work import UnitOfWork
from .domain.errors import PersonlogError, UnreadableSource
from .domain.json_values import JsonObject
from .domain.project_names import is_project_name
from .domain.times import format_time
from .projection_operations import paused_collector

AnySource = FileSource | ObjectSource

_LARGE = 4 * 1024 * 1024
"""Bytes on disk from which on a process of its own is worth its start."""


def _ignore(*_: object) -> None:
    """Take progress that nobody wants to see."""


class IngestOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How sources are imported.

    ``project`` overrides what lines say; ``strict`` stops at the first line that is rejected;
    ``live`` takes arrivals from the machine's clock. Lines of another ``format`` are read as
    the captured events they stand for, in order of arrival. With ``apart`` large files are read
    in a process of its own, which needs ``sys.executable`` to be Python. Unless ``durable``, a
    crash of the machine may undo the last transactions, which the next import then repeats.
    """

    project: str | None = None
    strict: bool = False
    live: bool = False
    format: Format | Literal["auto"] = "auto"
    segment: SegmentOptions = SegmentOptions()
    apart: bool = False
    durable: bool = True
    on_progress: Callable[[Progress], None] = _ignore
    on_wait: Callable[[str], None] = _ignore


class ImportReport(msgspec.Struct):
    """What an import did: the counts of all sources together, and what the user should know."""

    counts: JsonObject
    notes: list[str]


class Ingestion:
    """Imports sources, one after the other."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        open_unit_of_work: Callable[[IngestOptions], AbstractContextManager[UnitOfWork]],
        options: IngestOptions,
    ) -> None:
        self._database = database
        self._clock = clock
        self._open_unit_of_work = open_unit_of_work
        self._options = options
        self._total = Summary()
        self._notes: list[str] = []

    def run(self, sources: Sequence[AnySource]) -> ImportReport:
        """Import them all.

        Raises :class:`PersonlogError` before anything is stored if a source is missing.
        """
        project = self._options.project
        if project is not None and not is_project_name(project):
            raise PersonlogError(f"{project!r} cannot name a project.")
        files = [source for source in sources if isinstance(source, FileSource)]
        check_files(file.name for file in files)
        with self._database.read() as connection:
            tokens = find_tokens(connection)
        paused = paused_collector() if files and not self._options.live else nullcontext()
        with paused, self._open_unit_of_work(self._options) as unit_of_work:
            for source in sources:
                self._import(source, tokens, unit_of_work)
        with self._database.read() as connection:
            self._tell(connection, unit_of_work.projects)
        return ImportReport(self._counts(), self._notes)

    def _import(self, source: AnySource, tokens: dict[str, str], unit_of_work: UnitOfWork) -> None:
        options = self._options
        # A live pipe may fall silent at any moment: nothing of it may wait for a full batch.
        is_pipe = options.live and isinstance(source, FileSource)
        reading = Reading(
            tokens=tokens,
            project=options.project,
            strict=options.strict,
            live=options.live,
            format=self._format(source),
            segment=options.segment,
            batch_lines=1 if is_pipe else BATCH_LINES,
        )
        importing = FileImport(
            self._database,
            unit_of_work,
            self._clock,
            reading,
            on_progress=options.on_progress,
            apart=options.apart and not options.live and _is_large(source),
        )
        summary = importing.run(source)
        self._total.add(summary)
        if summary.resumed_at_line:
            self._notes.append(f"{source.name}: resumed behind line {summary.resumed_at_line:,}.")

    def _format(self, source: AnySource) -> Format:
        if self._options.format != "auto":
            return self._options.format
        if isinstance(source, ObjectSource):
            return "personlog"
        found = recognise(map(decoded, source.head()))
        if found != "personlog":
            self._notes.append(
                f"{source.name} is read as {found}, by its first lines; --format personlog reads"
                " it as captured events."
            )
        return found

    def _counts(self) -> JsonObject:
        total, outcome = self._total, self._total.outcome
        return {
            "read": total.read,
            "stored": outcome.stored,
            "duplicates": outcome.duplicates,
            "rejected": total.rejected,
            "dropped": outcome.dropped,
            "held": outcome.held,
            "persons_created": outcome.persons_created,
            "merges": outcome.merges,
            "refusals": outcome.refusals,
            "warnings": outcome.warnings,
            "seconds": round(total.seconds, 3),
        }

    def _tell(self, connection: sa.Connection, touched: set[str]) -> None:
        if rejected := self._total.rejected:
            told = f"Lines that were rejected: {rejected:,}; 'personlog rejected list' shows them."
            if rejected == self._total.read:
                told += " That is every line: is this the right file?"
            self._notes.append(told)
        if clamped := self._total.outcome.clamped:
            self._notes.append(
                f"Captured events that arrived before their project's clock: {clamped:,};"
                " they were processed as if they had arrived at it."
            )
        for head in list_heads(connection):
            buffer = SqlEventBuffer(connection, head.id)
            if head.name in touched and (held := buffer.count()):
                until = format_time(buffer.last_due() or 0)
                self._notes.append(
                    f"Project {head.name!r} still holds captured events: {held:,}, the last"
                    f" until {until}. Later arrivals release them, or 'personlog buffer"
                    " release'."
                )


def check_files(names: Iterable[str]) -> None:
    """Raise :class:`UnreadableSource` for a file that is missing or none."""
    for name in names:
        if name == STANDARD_INPUT:
            continue
        if not Path(name).exists():
            raise UnreadableSource(f"{name} does not exist; nothing was imported.")
        if Path(name).is_dir():
            raise UnreadableSource(f"{name} is a directory; nothing was imported.")


def _is_large(source: AnySource) -> bool:
    """Tell whether a file is worth a process of its own."""
    if not isinstance(source, FileSource) or not source.resumable:
        return False
    return Path(source.name).stat().st_size >= _LARGE
