"""The domain log as stored: appended by the unit of work, read in pages or by stream."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from ..domain.errors import BrokenLog
from ..domain.events import RecordedEvent
from ..domain.ports import Statements
from .event_codec import decode_event, encode_event
from .schema import stored_events

_PAGE = 5_000
_PAGE_BYTES = 16 * 1024 * 1024
_ROWS = 200
"""Fetched at one time; a state may have a mebibyte."""
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
    query = query.where(c.project == project, c.position > after)
    with connection.execute(query, execution_options={"yield_per": _ROWS}) as rows:
        page: list[RecordedEvent] = []
        size = 0
        for row in rows:
            page.append(_recorded(row))
            size += len(row.state)
            if len(page) == _PAGE or size >= _PAGE_BYTES:
                yield page
                page, size = [], 0
        if page:
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
        found += map(_recorded, rows.all())
    return sorted(found, key=lambda each: each.position)


def _recorded(row: Any) -> RecordedEvent:
    position, stream, version, topic, state = row
    try:
        return RecordedEvent(position, stream, version, decode_event(topic, state))
    except msgspec.MsgspecError as error:
        raise BrokenLog(
            f"The domain event at position {position} cannot be read as {topic!r}: {error}."
        ) from error
