"""The domain log as stored: appended by the unit of work, read in pages or by stream."""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from ..domain.events import RecordedEvent
from ..domain.ports import Statements
from .event_codec import decode_event, encode_event
from .schema import stored_events

_PAGE = 5_000
_STREAMS = 10_000


def append_events(statements: Statements, project: int, recorded: Sequence[RecordedEvent]) -> None:
    """Append domain events at their places; a taken position or version is a broken key."""
    statements.insert(
        "stored_events",
        [
            (
                project,
                each.position,
                bytearray(each.stream),
                each.version,
                event.TOPIC,
                bytearray(encode_event(event)),
            )
            for each in recorded
            for event in (each.event,)
        ],
    )


def read_log(
    connection: sa.Connection, project: int, *, after: int = 0
) -> Iterator[list[RecordedEvent]]:
    """Read a project's log in pages, in order, from the position behind ``after``."""
    c = stored_events.c
    query = sa.select(c.position, c.stream, c.version, c.topic, c.state).order_by(c.position)
    while True:
        page = [
            RecordedEvent(position, stream, version, decode_event(topic, state))
            for position, stream, version, topic, state in connection.execute(
                query.where(c.project == project, c.position > after).limit(_PAGE)
            )
        ]
        if not page:
            return
        after = page[-1].position
        yield page


def read_streams(
    connection: sa.Connection, project: int, streams: Sequence[bytes]
) -> list[RecordedEvent]:
    """Read whole streams, in the order of the log."""
    c = stored_events.c
    found: list[RecordedEvent] = []
    for start in range(0, len(streams), _STREAMS):
        rows = connection.execute(
            sa.select(c.position, c.stream, c.version, c.topic, c.state).where(
                c.project == project, c.stream.in_(streams[start : start + _STREAMS])
            )
        )
        found += [
            RecordedEvent(position, stream, version, decode_event(topic, state))
            for position, stream, version, topic, state in rows
        ]
    return sorted(found, key=lambda each: each.position)
