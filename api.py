"""The Python API: one project of one database.

    import personlog

    with personlog.open("sqlite:///personlog.db", create=True) as log:
        log.ingest([{"event": "$identify", "distinct_id": "alice", ...}])
        print(log.person("alice").properties)

Everything is safe to call from several threads: each call uses a connection of its own, writers
queue up, and reading never blocks writing. Methods that give an iterator read one snapshot, which
lasts until the iterator is used up or closed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from . import views
from .adapters.clock import Clock
from .adapters.formats.recognition import Format
from .adapters.formats.segment import SegmentOptions
from .adapters.sources import ObjectSource
from .api_handles import Buffer, Projections
from .domain.rules import Rules
from .engine import Engine
from .ingestion import IngestOptions
from .person_search import PersonSearch, SortOrder
from .views import view


def open(  # noqa: A001 - personlog.open reads as it is meant
    url: str = "sqlite:///personlog.db",
    *,
    project: str | None = None,
    create: bool = False,
    clock: Clock | None = None,
) -> "Personlog":
    """Open a database: ``sqlite:///FILE`` or ``postgresql://USER@HOST/NAME``.

    ``project`` is the one that reading and commands are about: 'default' unless given, or the
    only one there is. With ``create`` the database and its tables are made if they are missing.
    ``clock`` stands in for the machine's, for tests.

    Raises :class:`StoreError` if the database is missing or cannot be used.
    """
    return Personlog(Engine.open(url, create=create, clock=clock), project)


class Personlog:
    """An open database; see :func:`open`. Use it as a context manager, or close it."""

    def __init__(self, engine: Engine, project: str | None = None) -> None:
        self._engine = engine
        self._project = project

    def __enter__(self) -> Self:
        return self

    def __repr__(self) -> str:
        project = "" if self._project is None else f", project={self._project!r}"
        return f"personlog.open({self._engine.database.label!r}{project})"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._engine.close()

    def project(self, name: str) -> "Personlog":
        """Give another project of the same database; it is made by its first captured event."""
        return Personlog(self._engine, name)

    def projects(self) -> list[views.Project]:
        """Give every project by name."""
        return view(self._engine.list_projects(), list[views.Project])

    def create_project(self, name: str, token: str | None = None) -> views.Project:
        """Make a project; without a ``token`` it gets a random one.

        Raises :class:`PersonlogError` if the name or the token is taken or unfit.
        """
        made = self._engine.create_project(name, token)
        return views.Project(**made, inputs=0, domain_events=0, clock=None)

    # In

    def ingest(
        self,
        events: Iterable[Mapping[str, Any] | str | bytes],
        *,
        strict: bool = False,
        live: bool = False,
        source: str = "python",
    ) -> views.ImportReport:
        """Store captured events: objects, or JSON as text or bytes.

        They arrive at the time they tell; with ``live`` at the machine's. Up to 20,000 of them are
        one transaction. What is stored already is not stored twice; what is not a captured event is
        kept under ``source`` (see :meth:`rejected`), or with ``strict`` an error.

        Raises :class:`UnreadableSource` for an object that cannot be written as JSON, and with
        ``strict`` :class:`RejectedLine`; what earlier transactions stored stays.
        """
        if isinstance(events, str | bytes | Mapping):
            raise TypeError(
                "ingest() takes many captured events: write [event] for one, and ingest_files()"
                " for files."
            )
        options = IngestOptions(project=self._project, strict=strict, live=live)
        return self._report([ObjectSource(events, source)], options)

    def ingest_files(
        self,
        files: Iterable[str | Path],
        *,
        strict: bool = False,
        live: bool = False,
        format: Format | Literal["auto"] = "auto",  # noqa: A002 - the word for it
        segment: SegmentOptions = SegmentOptions(),  # noqa: B008 - it is frozen
    ) -> views.ImportReport:
        """Store files of JSON lines, one after the other, as ``personlog ingest`` does.

        Raises :class:`UnreadableSource` for a file that is missing or breaks off, and with
        ``strict`` :class:`RejectedLine`; what earlier transactions stored stays.
        """
        options = IngestOptions(
            project=self._project, strict=strict, live=live, format=format, segment=segment
        )
        return self._report([str(file) for file in files], options)

    def _report(
        self, sources: Sequence[str | ObjectSource], options: IngestOptions
    ) -> views.ImportReport:
        report = self._engine.ingest(sources, options)
        return view({**report.counts, "notes": report.notes}, views.ImportReport)

    # Out

    def resolve(self, distinct_id: str) -> str | None:
        """Give the id of the person that holds a distinct ID now; None if nobody does."""
        with self._engine.read(self._project) as queries:
            return queries.resolve(distinct_id)

    def person(self, id: str) -> views.Person:  # noqa: A002 - what it is
        """Give the person behind a distinct ID, else a person id; ``person:UUID`` forces.

        Raises :class:`UnknownPerson`.
        """
        with self._engine.read(self._project) as queries:
            return view(queries.person(id), views.Person)

    def persons(
        self,
        search: str = "",
        *,
        properties: Mapping[str, Any] | None = None,
        having: Iterable[str] = (),
        identified: bool | None = None,
        sort: SortOrder = "id",
        descending: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[views.Person]:
        """Give persons, absorbed ones left out.

        ``search`` is looked for in distinct IDs and text properties, in any case of letters;
        ``properties`` are exact values, ``having`` keys that must be there. Ids grow with the
        time of the first event.
        """
        criteria = PersonSearch(
            text=search,
            properties=dict(properties or {}),
            has=tuple(having),
            identified=identified,
            sort=sort,
            descending=descending,
            limit=limit,
            offset=offset,
        )
        with self._engine.read(self._project) as queries:
            for person in queries.find_persons(criteria):
                yield view(queries.versioned(person), views.Person)

    def history(self, id: str) -> list[views.DomainEvent]:  # noqa: A002 - what it is
        """Give a person's domain events by position, those of the persons it absorbed included.

        Raises :class:`UnknownPerson`.
        """
        with self._engine.read(self._project) as queries:
            return [views.domain_event(each) for each in queries.history(id)]

    def events(self, id: str | None = None) -> Iterator[views.CapturedEvent]:  # noqa: A002
        """Give captured events by position: all, or those of one person.

        Raises :class:`UnknownPerson` at the first step.
        """
        with self._engine.read(self._project) as queries:
            for each in queries.events() if id is None else queries.events_of(id):
                yield view(each, views.CapturedEvent)

    def merges(self, *, refused_only: bool = False) -> Iterator[views.Merge]:
        """Give every merge and every refusal, or the refusals alone, by log position."""
        with self._engine.read(self._project) as queries:
            for each in queries.merges(refused_only=refused_only):
                yield view(each, views.Merge)

    def warnings(self) -> Iterator[views.IngestionWarning]:
        """Give every ingestion warning by position of its captured event."""
        with self._engine.read(self._project) as queries:
            for each in queries.warnings():
                yield view(each, views.IngestionWarning)

    def rejected(self) -> Iterator[views.RejectedLine]:
        """Give the lines that are not captured events, with their reasons."""
        for each in self._engine.rejected(self._project):
            yield view(each, views.RejectedLine)

    def digest(self) -> views.Digest:
        """Give the digests of persons and log, equal on every database and machine."""
        return view(self._engine.digest(self._project), views.Digest)

    # Rules, buffer, projections

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        with self._engine.read(self._project) as queries:
            return queries.rules_in_force()

    def set_rules(self, **changes: Any) -> Rules:
        """Change rules from here on and give the set then in force.

        Raises :class:`InvalidRules` for an unknown rule or an unfit value.
        """
        self._engine.set_rules(self._project, changes)
        return self.rules

    @property
    def buffer(self) -> Buffer:
        """The captured events that wait for a late identify."""
        return Buffer(self._engine, self._project)

    @property
    def projections(self) -> Projections:
        """The lookup tables."""
        return Projections(self._engine, self._project)
