"""What the two layers promise of themselves, checked with a few queries: no fold is needed."""

import sqlalchemy as sa

from ..domain.errors import BrokenLog
from ..domain.inputs import Input
from ..domain.uuids import uuid_text
from .heads import Head
from .schema import inputs, projects, stored_events


def broken_inputs(connection: sa.Connection, head: Head) -> str | None:
    """Say where a project's inputs are not what they promise; None if they are.

    Positions run from 1 to the head, times of arrival never backwards nor past the clock, and a
    held event falls due after it arrived.
    """
    c = inputs.c
    mine = c.project == head.id
    first, last, count = connection.execute(
        sa.select(sa.func.min(c.position), sa.func.max(c.position), sa.func.count()).where(mine)
    ).one()
    if count != head.input_head:
        return f"There are {count} inputs, and their head is {head.input_head}."
    if count and (first, last) != (1, count):
        return f"The {count} inputs have positions from {first} to {last}, with gaps."
    before = sa.func.lag(c.arrived_at, 1, 0).over(order_by=c.position)
    times = sa.select(c.position, c.received_at, c.arrived_at, c.due_at, before.label("before"))
    t = times.where(mine).subquery().c
    wrong = connection.execute(
        sa.select(t.position)
        .where(
            sa.or_(
                t.arrived_at < t.before,
                t.arrived_at < t.received_at,
                t.arrived_at > head.clock,
                t.due_at <= t.arrived_at,
            )
        )
        .order_by(t.position)
        .limit(1)
    ).scalar()
    if wrong is None:
        return None
    return f"The times of input {wrong} contradict each other, those before it, or the clock."


def broken_key(stored: Input) -> str | None:
    """Say so if an input's key is not that of its body."""
    event = stored.event
    if event is None or (event.uuid, event.sent_timestamp) == (stored.uuid, stored.sent_timestamp):
        return None
    return f"Input {stored.position} is not stored under the uuid and timestamp of its body."


def check_streams(connection: sa.Connection, head: Head) -> None:
    """Raise :class:`BrokenLog` if a stream of a project's log has a gap in its versions."""
    c = stored_events.c
    gap = connection.execute(
        sa.select(c.stream)
        .where(c.project == head.id)
        .group_by(c.stream)
        .having(sa.or_(sa.func.min(c.version) != 1, sa.func.max(c.version) != sa.func.count()))
        .limit(1)
    ).scalar()
    if gap is not None:
        raise BrokenLog(f"The versions of stream {uuid_text(gap)} do not run from 1 on.")


def foreign_rows(connection: sa.Connection, table: sa.Table) -> int | None:
    """Give the number of a project that a table has rows of and that does not exist."""
    if "project" not in table.c or not isinstance(table.c.project.type, sa.Integer):
        return None
    known = sa.select(projects.c.id)
    found: int | None = connection.execute(
        sa.select(table.c.project).where(table.c.project.not_in(known)).limit(1)
    ).scalar()
    return found
