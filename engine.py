"""The engine: the one place that joins projections and adapters, and what commands call.

From here a captured event goes through :mod:`.adapters.file_import`, :mod:`.adapters.unit_of_work`
and :mod:`.domain.processing`; ``docs/walkthrough.md`` follows one all the way.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

import sqlalchemy as sa

from . import operations
from .adapters.arrivals import FUTURE_TOLERANCE_MS, Order
from .adapters.clock import Clock, SystemClock
from .adapters.database import Database
from .adapters.event_buffer import SqlEventBuffer
from .adapters.heads import create_project, find_tokens, list_heads
from .adapters.project_unit import Lookups, Outcome
from .adapters.schema import check_schema, create_schema, describe_tables, has_schema
from .adapters.sources import FileSource
from .adapters.unit_of_work import Batch, UnitOfWork
from .comparison import compare, read_grouping
from .diagnosis import diagnose
from .domain.errors import PersonlogError
from .domain.inputs import Command, ReleaseBuffer, SetRules
from .domain.json_values import JsonObject
from .domain.project_names import DEFAULT_PROJECT
from .domain.times import format_time
from .ingestion import AnySource, ImportReport, Ingestion, IngestOptions
from .projection_operations import (
    ProjectionOperations,
    catalogue,
    find_project,
    paused_collector,
)
from .projections import registry
from .projections.distinct_ids import find_holders
from .projections.rule_sets import rules_in_force
from .queries import Queries, rejected_json

_RELEASED_TOGETHER = 20_000
"""Held events that one order releases, or somewhat more where they are due at one moment."""

LOOKUPS = Lookups(registry.INLINE, find_holders, rules_in_force)


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
        sources: Sequence[str | AnySource],
        options: IngestOptions = IngestOptions(),  # noqa: B008 - it is frozen
    ) -> ImportReport:
        """Import sources, one after the other; a text names a file, ``-`` is standard input."""
        opened = [FileSource(each) if isinstance(each, str) else each for each in sources]
        return Ingestion(self.database, self.clock, self._unit_of_work, options).run(opened)

    def _unit_of_work(self, options: IngestOptions) -> UnitOfWork:
        return UnitOfWork(
            self.database,
            operations.TABLES,
            LOOKUPS,
            on_wait=options.on_wait,
            durable=options.durable,
        )

    def _order(self, project: str, command: Command) -> Outcome:
        with UnitOfWork(self.database, operations.TABLES, LOOKUPS, leased=False) as unit_of_work:
            return unit_of_work.store(Batch(items=[Order(project, command)]))

    def set_rules(self, project: str | None, changes: JsonObject) -> JsonObject:
        """Change rules from here on and give the set then in force; equal values change nothing.

        Raises :class:`InvalidRules`.
        """
        with self.database.read() as connection:
            is_new = project is not None or not list_heads(connection)
            name = DEFAULT_PROJECT if project is None else project
            if not is_new:
                name = find_project(connection, project).name
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
        # Many held events are released in several transactions: none keeps others waiting long.
        released, step = 0, head.clock
        while step < moment:
            with self.database.read() as connection:
                next_due = SqlEventBuffer(connection, head.id).nth_due(_RELEASED_TOGETHER)
            step = moment if next_due is None else min(next_due, moment)
            released += self._order(head.name, ReleaseBuffer(step)).released
        return released

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

    def compare(self, project: str | None, files: Sequence[str]) -> JsonObject:
        """Compare the persons of PostHog exports with those of a project."""
        theirs = read_grouping([FileSource(file) for file in files])
        with self.database.read() as connection:
            return compare(connection, find_project(connection, project), theirs)

    def diagnose(self, project: str | None = None, *, deep: bool = False) -> JsonObject:
        """Look whether all is well with the database; ``problems`` say what to do if not."""
        return diagnose(self.database, project, deep=deep)

    @staticmethod
    def projection_catalogue() -> list[JsonObject]:
        """Give each projection's name, version, mode and tables."""
        return catalogue()

    @staticmethod
    def describe_tables() -> list[JsonObject]:
        """Give every table with its columns and their meanings."""
        return describe_tables(operations.TABLES.values())

    def digest(self, project: str | None) -> JsonObject:
        """Give the digests of a project's persons and log."""
        with paused_collector(), self.database.read() as connection:
            return operations.digest(connection, find_project(connection, project))
