"""The event buffer and the lookup tables, as the Python API hands them out."""

from collections.abc import Iterator
from datetime import UTC, datetime

from . import views
from .engine import Engine
from .views import view


class Buffer:
    """The event buffer of a project."""

    def __init__(self, engine: Engine, project: str | None) -> None:
        self._engine = engine
        self._project = project

    def __iter__(self) -> Iterator[views.HeldEvent]:
        """Give the events being held, by due time."""
        with self._engine.read(self._project) as queries:
            for each in queries.held():
                yield view(each, views.HeldEvent)

    def status(self) -> views.BufferStatus:
        """Give how many events are held, and until when."""
        with self._engine.read(self._project) as queries:
            return view(queries.buffer_status(), views.BufferStatus)

    def release(self, until: datetime | None = None) -> int:
        """Let time pass up to ``until``, or the last due time; give how many were released.

        The project's clock moves there and never back. Raises :class:`PersonlogError` for a
        moment more than a day ahead of the machine's clock, ``ValueError`` for one without zone.
        """
        if until is None:
            return self._engine.release_buffer(self._project, None)
        if until.tzinfo is None:
            raise ValueError(f"{until!r} has no time zone.")
        moment = int(until.astimezone(UTC).timestamp() * 1000)
        return self._engine.release_buffer(self._project, moment)


class Projections:
    """The lookup tables of a project; without one, those of all projects where that makes sense."""

    def __init__(self, engine: Engine, project: str | None) -> None:
        self._operations = engine.projections
        self._project = project

    def status(self) -> list[views.ProjectionStatus]:
        """Give how far each projection has come."""
        return view(self._operations.status(self._project), list[views.ProjectionStatus])

    def rebuild(self, *names: str) -> int:
        """Fold the log into emptied tables, of all projections unless some are named.

        Gives how many domain events were folded. Raises :class:`UnknownProjection`.
        """
        done = self._operations.rebuild(self._project, names)
        return sum(each["domain_events"] for each in done)

    def verify(self, *names: str) -> views.Verdict:
        """Compare tables with a fold of the log. Raises :class:`UnknownProjection`."""
        return view(self._operations.verify(self._project, names), views.Verdict)

    def replay(self) -> views.Verdict:
        """Fold the log in memory and compare it with the stored persons."""
        return view(self._operations.replay(self._project), views.Verdict)
