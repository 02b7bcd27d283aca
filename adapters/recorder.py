"""The event store on the library's interfaces: one recorder for SQLite and PostgreSQL.

The ``eventsourcing`` contracts around the same tables that the unit of work writes
(:mod:`.event_log`), one instance for one project, so that the library's tools can read the log.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    IntegrityError,
    Notification,
    ProcessRecorder,
    ProgrammingError,
    StoredEvent,
    Subscription,
    Tracking,
    TrackingRecorder,
)

from ..domain.events import PersonCreated
from .database import Database, is_conflict
from .event_codec import is_reserved
from .heads import Head, find_head, read_heads
from .schema import checkpoints, metadata, stored_events, tables_of
from .statements import statements_on

_PAGE = 1_000
_POLL_SECONDS = 0.05


class _ProjectRecorder:
    """Transactions on the tables of one project."""

    def __init__(self, database: Database, project: str) -> None:
        self.database = database
        self.project = project

    @contextmanager
    def _write(self) -> Iterator[tuple[sa.Connection, Head]]:
        try:
            with self.database.write() as connection:
                head = read_heads(connection, [self.project], lock=not self.database.is_sqlite)
                yield connection, head[self.project]
        except Exception as error:
            if is_conflict(error):
                raise IntegrityError(str(error)) from error
            raise

    def _rows(self, query: Any, project: Any) -> Sequence[Any]:
        with self.database.read() as connection:
            head = find_head(connection, self.project)
            if head is None:
                return []
            return connection.execute(query.where(project == head.id)).all()


class PersonlogAggregateRecorder(_ProjectRecorder, AggregateRecorder):
    """Stores and selects the events of one project's streams."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append events of the caller's own topics.

        personlog's own domain events are refused: they enter through the unit of work, which
        writes the lookup tables in the same transaction.
        """
        self._insert(stored_events, **kwargs)
        return None

    def _insert(
        self, events: Sequence[StoredEvent], tracking: Tracking | None = None, **_: Any
    ) -> list[int]:
        ours = next((event.topic for event in events if is_reserved(event.topic)), None)
        if ours is not None:
            raise ProgrammingError(f"{ours!r} is appended by personlog's unit of work alone.")
        with self._write() as (connection, head):
            positions = list(range(head.log_head + 1, head.log_head + len(events) + 1))
            rows = [
                (head.id, position, _bytes(e.originator_id), e.originator_version, e.topic, e.state)
                for position, e in zip(positions, events, strict=True)
            ]
            _leave_persons_alone(connection, head.id, [row[2] for row in rows])
            statements_on(connection, tables_of(metadata)).insert("stored_events", rows)
            head.log_head += len(rows)
            head.save(connection)
            if tracking is not None:
                _insert_tracking(connection, head.id, tracking)
        return positions

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Read the events of one stream."""
        c = stored_events.c
        query = sa.select(c.version, c.topic, c.state).where(c.stream == _bytes(originator_id))
        if gt is not None:
            query = query.where(c.version > gt)
        if lte is not None:
            query = query.where(c.version <= lte)
        query = query.order_by(c.version.desc() if desc else c.version).limit(limit)
        return [
            StoredEvent(originator_id, version, topic, state)
            for version, topic, state in self._rows(query, c.project)
        ]


class PersonlogApplicationRecorder(PersonlogAggregateRecorder, ApplicationRecorder):
    """Gives the project's log as the library's notification log; ids are log positions."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append events as :class:`PersonlogAggregateRecorder` does, and give their positions."""
        return self._insert(stored_events, **kwargs)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Read a stretch of the log."""
        c = stored_events.c
        query = sa.select(c.position, c.stream, c.version, c.topic, c.state)
        if start is not None:
            query = query.where(c.position >= start if inclusive_of_start else c.position > start)
        if stop is not None:
            query = query.where(c.position <= stop)
        if topics:
            query = query.where(c.topic.in_(topics))
        rows = self._rows(query.order_by(c.position).limit(limit), c.project)
        return [
            Notification(
                originator_id=UUID(bytes=stream),
                originator_version=version,
                topic=topic,
                state=state,
                id=position,
            )
            for position, stream, version, topic, state in rows
        ]

    def max_notification_id(self) -> int | None:
        """Give the head of the log; None while it is empty."""
        rows = self._rows(sa.select(sa.func.max(stored_events.c.position)), stored_events.c.project)
        return rows[0][0] if rows else None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Follow the log, new events included, by asking for them again and again."""
        return PollingSubscription(recorder=self, gt=gt, topics=topics)


class PollingSubscription(Subscription[ApplicationRecorder]):
    """Notifications behind a position, then those to come; ends when it is stopped."""

    def __init__(
        self, recorder: ApplicationRecorder, gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._stopping = Event()
        self._ready: list[Notification] = []

    def stop(self) -> None:
        """Let a waiting ``next`` end."""
        super().stop()
        self._stopping.set()

    def __next__(self) -> Notification:
        if self._has_been_stopped:
            raise StopIteration
        while not self._ready:
            page = self._recorder.select_notifications(
                self._last_notification_id or 0,
                _PAGE,
                topics=self._topics,
                inclusive_of_start=False,
            )
            self._ready = list(reversed(page))
            if not page and self._stopping.wait(_POLL_SECONDS):
                raise StopIteration
        found = self._ready.pop()
        self._last_notification_id = found.id
        return found


class PersonlogTrackingRecorder(_ProjectRecorder, TrackingRecorder):
    """Checkpoints: how far a named reader of the log has come."""

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move a checkpoint forward; a position that was passed is an integrity error."""
        with self._write() as (connection, head):
            _insert_tracking(connection, head.id, tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        """Give a checkpoint; None if there is none."""
        c = checkpoints.c
        rows = self._rows(sa.select(c.position).where(c.name == application_name), c.project)
        return rows[0][0] if rows else None


class PersonlogProcessRecorder(
    PersonlogTrackingRecorder, PersonlogApplicationRecorder, ProcessRecorder
):
    """Appends events and moves a checkpoint in one transaction."""


def _leave_persons_alone(connection: sa.Connection, project: int, streams: list[bytes]) -> None:
    """Refuse to append to the stream of a person, whose versions its own events count."""
    c = stored_events.c
    persons = sa.select(c.stream).where(
        c.project == project, c.stream.in_(streams), c.version == 1, c.topic == PersonCreated.TOPIC
    )
    found = connection.execute(persons.limit(1)).scalar()
    if found is not None:
        raise ProgrammingError(f"{UUID(bytes=found)} is a person: choose another stream.")


def _insert_tracking(connection: sa.Connection, project: int, tracking: Tracking) -> None:
    c = checkpoints.c
    here = (c.project == project, c.name == tracking.application_name)
    moved = connection.execute(
        sa.update(checkpoints)
        .where(*here, c.position < tracking.notification_id)
        .values(position=tracking.notification_id)
    )
    if moved.rowcount:
        return
    if connection.execute(sa.select(c.position).where(*here)).first() is not None:
        raise IntegrityError(
            f"{tracking.application_name!r} has already passed {tracking.notification_id}"
        )
    connection.execute(
        sa.insert(checkpoints).values(
            project=project, name=tracking.application_name, position=tracking.notification_id
        )
    )


def _bytes(originator_id: UUID | str) -> bytes:
    return originator_id.bytes if isinstance(originator_id, UUID) else UUID(originator_id).bytes
