"""The engine: the one place that joins projections and adapters, and what commands call.

From here a captured event goes through :mod:`.adapters.file_import`, :mod:`.adapters.unit_of_work`
and :mod:`.domain.processing`; ``docs/walkthrough.md`` follows one all the way.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec
import sqlalchemy as sa

from . import operations
from .adapters.arrivals import (
    DEFAULT_PROJECT,
    FUTURE_TOLERANCE_MS,
    MAX_PROJECT_NAME,
    Order,
    is_project_name,
)
from .adapters.clock import Clock, SystemClock
from .adapters.database import Database
from .adapters.event_buffer import SqlEventBuffer
from .adapters.file_import import FileImport, ImportOptions, Progress
from .adapters.heads import create_project, find_tokens, list_heads
from .adapters.json_lines import STANDARD_INPUT
from .adapters.project_unit import Lookups, Outcome
from .adapters.schema import check_schema, create_schema, has_schema
from .adapters.unit_of_work import Batch, UnitOfWork
from .domain.errors import PersonlogError, UnreadableSource
from .domain.inputs import Command, ReleaseBuffer, SetRules
from .domain.json_values import JsonObject
from .domain.times import format_time
from .projection_operations import ProjectionOperations, find_project, paused_collector
from .projections import registry
from .projections.distinct_ids import find_holders
from .projections.rule_sets import rules_in_force
from .queries import Queries, rejected_json

LOOKUPS = Lookups(registry.INLINE, find_holders, rules_in_force)


def _ignore(*_: object) -> None:
    """Take progress that nobody wants to see."""


class ImportReport(msgspec.Struct):
    """What an import did: the counts of all sources together, and what the user should know."""

    counts: JsonObject
    notes: list[str]


class Engine:
    """personlog on one database. Use it as a context manager, or close it."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self.database = database
        self.clock = clock or SystemClock()

    @classmethod
    def open(cls, url: str, *, create: bool = False, clock: Clock | None = None) -> Self:
        """Open a database; with ``create`` make it and its tables if they are missing.

        Raises :class:`StoreError` if it is missing or cannot be used.
        """
        database = Database(url, create=create)
        if create and not has_schema(database):
            versions = {each.name: each.version for each in registry.INLINE}
            create_schema(database, registry.METADATA, versions)
        check_schema(database)
        return cls(database, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def projections(self) -> ProjectionOperations:
        """Rebuild lookup tables, prove them, replay the log."""
        return ProjectionOperations(self.database)

    def close(self) -> None:
        """Close every connection."""
        self.database.close()

    # Projects

    def list_projects(self) -> list[JsonObject]:
        """Give every project by name, with its token and how far it has come."""
        with self.database.read() as connection:
            tokens = {name: token for token, name in find_tokens(connection).items()}
            return [
                {
                    "name": head.name,
                    "token": tokens.get(head.name),
                    "inputs": head.input_head,
                    "domain_events": head.log_head,
                    "clock": format_time(head.clock) if head.clock else None,
                }
                for head in list_heads(connection)
            ]

    def create_project(self, name: str, token: str | None = None) -> JsonObject:
        """Make a project; without a token it gets a random one.

        Raises :class:`PersonlogError` if the name or the token is taken or unfit.
        """
        if not is_project_name(name):
            raise PersonlogError(
                f"{name!r} cannot name a project: 1 to {MAX_PROJECT_NAME} printable characters."
            )
        if token is None:
            token = f"phc_{secrets.token_urlsafe(24)}"
        elif not token.strip():
            raise PersonlogError("A token cannot be blank.")
        try:
            with self.database.write() as connection:
                made = create_project(connection, name, token)
        except sa.exc.IntegrityError as error:
            raise PersonlogError(f"Another project has the token {token!r}.") from error
        if not made:
            raise PersonlogError(f"There is a project {name!r} already.")
        return {"name": name, "token": token}

    def project_name(self, name: str | None) -> str:
        """Give the name of the project that ``name``, or no name, stands for."""
        with self.database.read() as connection:
            return find_project(connection, name).name

    # In

    def ingest(
        self,
        sources: Sequence[str],
        *,
        project: str | None = None,
        strict: bool = False,
        live: bool = False,
        on_progress: Callable[[Progress], None] = _ignore,
        on_wait: Callable[[str], None] = _ignore,
    ) -> ImportReport:
        """Import files of captured events, one after the other; ``-`` is standard input.

        ``project`` overrides what lines say; ``strict`` stops at the first line that is
        rejected; ``live`` takes arrivals from the machine's clock.
        """
        if project is not None and not is_project_name(project):
            raise PersonlogError(f"{project!r} cannot name a project.")
        for source in sources:
            if source != STANDARD_INPUT and not Path(source).exists():
                raise UnreadableSource(f"{source} does not exist; nothing was imported.")
        with self.database.read() as connection:
            tokens = find_tokens(connection)
        options = ImportOptions(
            clock=self.clock, tokens=tokens, project=project, strict=strict, live=live
        )
        total, read, rejected, seconds = Outcome(), 0, 0, 0.0
        notes: list[str] = []
        with paused_collector(), self._unit_of_work(on_wait) as unit_of_work:
            for source in sources:
                summary = FileImport(self.database, unit_of_work, options, on_progress).run(source)
                total.add(summary.outcome)
                read += summary.read
                rejected += summary.rejected
                seconds += summary.seconds
                if summary.resumed_at_line:
                    notes.append(f"{source}: resumed behind line {summary.resumed_at_line:,}.")
        counts: JsonObject = {
            "read": read,
            "stored": total.stored,
            "duplicates": total.duplicates,
            "rejected": rejected,
            "dropped": total.dropped,
            "held": total.held,
            "persons_created": total.persons_created,
            "merges": total.merges,
            "refusals": total.refusals,
            "warnings": total.warnings,
            "seconds": round(seconds, 3),
        }
        return ImportReport(counts, notes + self._notes(total, unit_of_work.projects))

    def _notes(self, outcome: Outcome, touched: set[str]) -> list[str]:
        notes = []
        if outcome.clamped:
            notes.append(
                f"Captured events that arrived before their project's clock: {outcome.clamped:,};"
                " they were processed as if they had arrived at it."
            )
        with self.database.read() as connection:
            for head in list_heads(connection):
                buffer = SqlEventBuffer(connection, head.id)
                if head.name in touched and (held := buffer.count()):
                    until = format_time(buffer.last_due() or 0)
                    notes.append(
                        f"Project {head.name!r} still holds captured events: {held:,}, the last"
                        f" until {until}. Later arrivals release them, or 'personlog buffer"
                        " release'."
                    )
        return notes

    @contextmanager
    def _unit_of_work(self, on_wait: Callable[[str], None]) -> Iterator[UnitOfWork]:
        with UnitOfWork(self.database, operations.TABLES, LOOKUPS, on_wait=on_wait) as unit_of_work:
            yield unit_of_work

    def _order(self, project: str, command: Command) -> Outcome:
        with self._unit_of_work(_ignore) as unit_of_work:
            return unit_of_work.store(Batch(items=[Order(project, command)]))

    def set_rules(self, project: str | None, changes: JsonObject) -> JsonObject:
        """Change rules from here on and give the set then in force; equal values change nothing.

        Raises :class:`InvalidRules`.
        """
        name = project or DEFAULT_PROJECT
        self._order(name, SetRules(changes))
        with self.read(name) as queries:
            return queries.rules()

    def release_buffer(self, project: str | None, until: int | None) -> int:
        """Let time pass up to ``until`` (milliseconds), or the last due time; count the released.

        Raises :class:`PersonlogError` for a time more than a day ahead of the machine's clock:
        the project's clock would stand there, since it never runs backwards.
        """
        if until is not None and until > self.clock.now() + FUTURE_TOLERANCE_MS:
            raise PersonlogError(
                f"{format_time(until)} lies more than 24 hours ahead; the project's clock would"
                " stand there until then."
            )
        with self.database.read() as connection:
            head = find_project(connection, project)
            moment = SqlEventBuffer(connection, head.id).last_due() if until is None else until
        if moment is None or moment <= head.clock:
            return 0
        return self._order(head.name, ReleaseBuffer(moment)).released

    # Out

    @contextmanager
    def read(self, project: str | None) -> Iterator[Queries]:
        """Read one project in one snapshot."""
        with self.database.read() as connection:
            yield Queries(connection, find_project(connection, project))

    def rejected(self, project: str | None) -> Iterator[JsonObject]:
        """Give a project's rejected lines, and those that told no project.

        A database may hold nothing else: then there is no project to choose.
        """
        with self.database.read() as connection:
            nobody = project is None and not list_heads(connection)
            name = DEFAULT_PROJECT if nobody else find_project(connection, project).name
            yield from rejected_json(connection, name)

    def digest(self, project: str | None) -> JsonObject:
        """Give the digests of a project's persons and log."""
        with paused_collector(), self.database.read() as connection:
            return operations.digest(connection, find_project(connection, project))
