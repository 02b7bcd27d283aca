"""The event buffer: captured events held until their window elapses.

It has no table of its own: an input is held while it has status ``held``, and its ``due_at``
says until when. So it survives restarts and moves in the transaction of every unit of work.
"""

from typing import NamedTuple

import sqlalchemy as sa

from ..domain.inputs import Input, Status
from .input_log import STREAMED, to_input
from .schema import inputs

_HELD = inputs.c.status == sa.literal_column(str(Status.HELD.value))


class HeldEvent(NamedTuple):
    """One event that is being held; ``due_at`` in milliseconds."""

    position: int
    uuid: bytes
    distinct_id: str
    due_at: int


class SqlEventBuffer:
    """The held events of one project."""

    def __init__(self, connection: sa.Connection, project: int) -> None:
        self._connection = connection
        self._project = project

    def due(self, until: int, limit: int, *, most_bytes: int) -> tuple[list[Input], bool]:
        """Give events due at or before ``until``, by due time, then position.

        At most ``limit``, and no more once they have ``most_bytes``; then the second value says
        that there may be others.
        """
        query = (
            sa.select(inputs)
            .where(inputs.c.project == self._project, _HELD, inputs.c.due_at <= until)
            .order_by(inputs.c.due_at, inputs.c.position)
            .limit(limit)
        )
        found: list[Input] = []
        size = 0
        with self._connection.execute(query, execution_options=STREAMED) as rows:
            for row in rows:
                found.append(to_input(row))
                size += len(row.body)
                if size >= most_bytes:
                    break
        return found, len(found) == limit or size >= most_bytes

    def nth_due(self, number: int) -> int | None:
        """Give the due time of the event that is released as the ``number``-th from now."""
        query = sa.select(inputs.c.due_at).where(inputs.c.project == self._project, _HELD)
        return self._connection.execute(
            query.order_by(inputs.c.due_at, inputs.c.position).offset(number - 1).limit(1)
        ).scalar()

    def first_due(self) -> int | None:
        """Give the earliest due time of all held events; None if none is held."""
        return self._of_all(sa.func.min(inputs.c.due_at))

    def last_due(self) -> int | None:
        """Give the latest due time of all held events; None if none is held."""
        return self._of_all(sa.func.max(inputs.c.due_at))

    def _of_all(self, wanted: sa.Function[int]) -> int | None:
        query = sa.select(wanted).where(inputs.c.project == self._project, _HELD)
        return self._connection.execute(query).scalar()

    def count(self) -> int:
        """Give how many events are held."""
        query = sa.select(sa.func.count()).select_from(inputs)
        return self._connection.execute(
            query.where(inputs.c.project == self._project, _HELD)
        ).scalar_one()

    def held(self) -> list[HeldEvent]:
        """List the held events by due time, then position."""
        rows = self._connection.execute(
            sa.select(inputs)
            .where(inputs.c.project == self._project, _HELD)
            .order_by(inputs.c.due_at, inputs.c.position)
        )
        found = map(to_input, rows)
        return [
            HeldEvent(each.position, each.uuid, each.event.distinct_id, each.due_at)
            for each in found
            if each.event is not None and each.due_at is not None
        ]
