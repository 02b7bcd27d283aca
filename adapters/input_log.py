"""The inputs as stored: written once, found by their key, read by position."""

import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
import sqlalchemy as sa

from ..domain.captured_event import NotACapturedEvent, read_captured_event
from ..domain.errors import StoreError
from ..domain.inputs import Command, Input, Status
from ..domain.json_values import JsonObject
from ..domain.ports import Statements
from ..domain.stamping import Stamp
from ..domain.uuids import PersonId
from .captured_json import Unreadable, decode_object
from .schema import inputs

_PAGE = 5_000
STREAMED = {"yield_per": 100}
"""A body may have a mebibyte: so many rows are in memory at one time."""

_BODIES = 200
_encode_command = msgspec.json.Encoder(order="deterministic").encode
_decode_command: Any = msgspec.json.Decoder(Command).decode


class UnreadableInput(StoreError):
    """A stored input is not what personlog stores."""


InputKey = tuple[int, bytes]
"""Timestamp as sent, 0 if none, and uuid: what makes two captured events of a project one."""

_COLUMNS = (
    inputs.c.position,
    inputs.c.uuid,
    inputs.c.sent_timestamp,
    inputs.c.received_at,
    inputs.c.arrived_at,
    inputs.c.due_at,
    inputs.c.status,
    inputs.c.person,
    inputs.c.body,
)


def encode_command(command: Command) -> bytes:
    """Write a command as the body of its input."""
    return _encode_command(command)


def find_bodies(
    statements: Statements, project: int, keys: Iterable[InputKey]
) -> Iterator[tuple[InputKey, bytes]]:
    """Give the bodies of those inputs that are stored already, few at a time."""
    columns = ["sent_timestamp", "uuid", "body"]
    rest = iter(keys)
    while chunk := list(islice(rest, _BODIES)):
        rows = statements.lookup("inputs", project, columns[:2], columns, chunk)
        for sent_timestamp, uuid, body in rows:
            yield (sent_timestamp, uuid), body


def newest_timestamp(connection: sa.Connection, project: int) -> int:
    """Give the latest timestamp as sent: a later one cannot be stored already."""
    newest = connection.execute(
        sa.select(sa.func.max(inputs.c.sent_timestamp)).where(inputs.c.project == project)
    ).scalar()
    return -1 if newest is None else newest


def read_properties(of: Input) -> JsonObject:
    """Read a captured event's own properties from its body, as they were sent."""
    found: JsonObject | None = decode_object(of.body).get("properties")
    return {} if found is None else found


def insert_inputs(statements: Statements, project: int, new: Sequence[Input]) -> None:
    """Write new inputs, each once.

    Bytes go as ``bytearray``, which sqlite3 binds without asking for an adapter of the value.
    """
    statements.insert(
        "inputs",
        [
            (
                project,
                each.position,
                bytearray(each.uuid),
                each.sent_timestamp,
                each.received_at,
                each.arrived_at,
                each.due_at,
                int(each.status),
                None if each.person is None else bytearray(each.person),
                bytearray(each.body),
            )
            for each in new
        ],
    )


def stamp_inputs(
    statements: Statements, project: int, stamped: Sequence[Input] | Sequence[Stamp]
) -> None:
    """Fill in what became of inputs that are stored already."""
    statements.update(
        "inputs",
        ("project", "position"),
        ("status", "person"),
        [(project, each.position, each.status.value, each.person) for each in stamped],
    )


def read_inputs(
    connection: sa.Connection, project: int, *, only_status: Status | None = None
) -> Iterator[Input]:
    """Read a project's inputs by position, decoded and normalised."""
    query = sa.select(*_COLUMNS).where(inputs.c.project == project).order_by(inputs.c.position)
    if only_status is not None:
        query = query.where(inputs.c.status == only_status.value)
    with connection.execute(query, execution_options=STREAMED) as rows:
        yield from map(to_input, rows)


def read_inputs_of(
    connection: sa.Connection, project: int, persons: Collection[bytes]
) -> Iterator[Input]:
    """Read by position what is stamped with one of ``persons``, or with nobody.

    One scan, without an index that every import would have to keep.
    """
    c = inputs.c
    stamped = c.person.in_(persons) if len(persons) <= _PAGE else c.person.is_not(None)
    query = sa.select(*_COLUMNS).where(c.project == project, sa.or_(stamped, c.person.is_(None)))
    with connection.execute(query.order_by(c.position), execution_options=STREAMED) as rows:
        for row in rows:
            if row.person is None or row.person in persons:
                yield to_input(row)


def read_in_order_of_processing(connection: sa.Connection, project: int) -> Iterator[Input]:
    """Read a project's inputs in order of processing, held ones at their due time.

    Positions follow arrivals, so two sorted reads are merged rather than one of everything sorted.
    """
    c = inputs.c
    query = sa.select(*_COLUMNS).where(c.project == project)
    arrived = query.where(c.due_at.is_(None)).order_by(c.position)
    released = query.where(c.due_at.is_not(None)).order_by(c.due_at, c.position)
    with (
        connection.execute(arrived, execution_options=STREAMED) as first,
        connection.execute(released, execution_options=STREAMED) as second,
    ):
        yield from map(to_input, heapq.merge(first, second, key=_place))


def _place(row: Any) -> tuple[int, bool, int]:
    if row.due_at is None:
        return row.arrived_at, True, row.position
    return row.due_at, False, row.position


def arrivals_of(
    connection: sa.Connection, project: int, positions: Sequence[int]
) -> dict[int, int]:
    """Give the arrival of inputs by position, in milliseconds."""
    found: dict[int, int] = {}
    for start in range(0, len(positions), _PAGE):
        rows = connection.execute(
            sa.select(inputs.c.position, inputs.c.received_at).where(
                inputs.c.project == project,
                inputs.c.position.in_(positions[start : start + _PAGE]),
            )
        )
        found.update({row.position: row.received_at for row in rows})
    return found


_STATUSES = {status.value: status for status in Status}


def to_input(row: Any) -> Input:
    """Read a stored row."""
    found = Input(
        position=row.position,
        uuid=row.uuid,
        sent_timestamp=row.sent_timestamp,
        received_at=row.received_at,
        arrived_at=row.arrived_at,
        body=row.body,
        due_at=row.due_at,
        person=None if row.person is None else PersonId(row.person),
    )
    if row.status not in _STATUSES or not isinstance(row.body, bytes):
        raise UnreadableInput(
            f"The stored input {found.position} has status {row.status!r} and a body of type"
            f" {type(row.body).__name__}; nothing of personlog wrote that."
        )
    found.status = _STATUSES[row.status]
    try:
        if found.status is Status.COMMAND:
            found.command = _decode_command(found.body)
        else:
            found.event = read_captured_event(
                decode_object(found.body), lambda: found.uuid, found.received_at
            )
    except (msgspec.MsgspecError, Unreadable, NotACapturedEvent) as error:
        raise UnreadableInput(
            f"The stored input {found.position} cannot be read as it is marked"
            f" ({found.status.text}): {error}."
        ) from error
    return found
