"""A project's heads: the last positions of both layers, and its clock.

Every decision was taken against the heads as they were read. :func:`save` moves them only if
they still are: the guard of every unit of work, held and refused events included. A rebuild of
lookup tables counts as a move, since decisions read those.
"""

from collections.abc import Iterable
from typing import Any, Self

import msgspec
import sqlalchemy as sa

from ..domain.errors import PersonlogError
from ..domain.project_names import MAX_PROJECT_NAME, is_project_name
from .schema import projects


class StaleRead(Exception):
    """Another writer moved a project's heads after they were read."""


class Head(msgspec.Struct):
    """The heads of one project. ``clock`` is in milliseconds, 0 before the first input."""

    id: int
    name: str
    input_head: int
    log_head: int
    clock: int
    rebuilds: int
    read_input_head: int
    read_log_head: int
    _is_locked: bool = False

    @classmethod
    def from_row(cls, row: Any) -> Self:
        """Take the heads as they are read."""
        project, name, input_head, log_head, clock, rebuilds = row
        return cls(project, name, input_head, log_head, clock, rebuilds, input_head, log_head)

    def state(self) -> tuple[int, int, int]:
        """Give what changes whenever a lookup table may have changed."""
        return self.input_head, self.log_head, self.rebuilds

    def lock(self, connection: sa.Connection) -> None:
        """Keep other writers and rebuilds out until the transaction ends.

        Called before anything of the project is written, so that all lock in one order: the
        head, then rows. Raises :class:`StaleRead` if the heads are not what they were.
        """
        if not self._is_locked:
            unmoved = sa.select(projects.c.id).where(*self._unmoved()).with_for_update()
            if connection.execute(unmoved).first() is None:
                raise StaleRead(self.name)
            self._is_locked = True

    def _unmoved(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            projects.c.id == self.id,
            projects.c.input_head == self.read_input_head,
            projects.c.log_head == self.read_log_head,
            projects.c.rebuilds == self.rebuilds,
        )

    def save(self, connection: sa.Connection) -> None:
        """Compare and set; raise :class:`StaleRead` if the heads are not what they were."""
        moved = connection.execute(
            sa.update(projects)
            .where(*self._unmoved())
            .values(input_head=self.input_head, log_head=self.log_head, clock=self.clock)
        )
        if moved.rowcount != 1:
            raise StaleRead(self.name)

    def count_rebuild(self, connection: sa.Connection) -> None:
        """Tell writers that lookup tables are not what they were."""
        connection.execute(
            sa.update(projects)
            .where(projects.c.id == self.id)
            .values(rebuilds=projects.c.rebuilds + 1)
        )


def read_heads(
    connection: sa.Connection, names: Iterable[str], *, lock: bool = False
) -> dict[str, Head]:
    """Read the heads of projects, in order of their names; those there are not are made."""
    wanted = sorted(set(names))
    query = sa.select(*_COLUMNS).where(projects.c.name == sa.bindparam("wanted"))
    if lock:
        query = query.with_for_update()
    heads: dict[str, Head] = {}
    for name in wanted:
        row = connection.execute(query, {"wanted": name}).first()
        if row is None:
            create_project(connection, name, token=None)
            row = connection.execute(query, {"wanted": name}).one()
        heads[name] = Head.from_row(row)
    return heads


_COLUMNS = (
    projects.c.id,
    projects.c.name,
    projects.c.input_head,
    projects.c.log_head,
    projects.c.clock,
    projects.c.rebuilds,
)


def create_project(connection: sa.Connection, name: str, token: str | None) -> bool:
    """Make a project unless there is one of this name; tell whether it was made.

    Raises :class:`PersonlogError` for a text that cannot name one.
    """
    if not is_project_name(name):
        raise PersonlogError(
            f"{name!r} cannot name a project: 1 to {MAX_PROJECT_NAME} printable characters."
        )
    values = {
        "name": name,
        "token": token,
        "input_head": 0,
        "log_head": 0,
        "clock": 0,
        "rebuilds": 0,
    }
    made = connection.execute(
        sa.text(
            "INSERT INTO projects (name, token, input_head, log_head, clock, rebuilds) VALUES"
            " (:name, :token, :input_head, :log_head, :clock, :rebuilds)"
            " ON CONFLICT (name) DO NOTHING"
        ),
        values,
    )
    return made.rowcount == 1


def list_heads(connection: sa.Connection) -> list[Head]:
    """Give every project's heads, by name."""
    rows = connection.execute(sa.select(*_COLUMNS).order_by(projects.c.name))
    return [Head.from_row(row) for row in rows]


def find_head(connection: sa.Connection, name: str) -> Head | None:
    """Give one project's heads, or None if there is no such project."""
    row = connection.execute(sa.select(*_COLUMNS).where(projects.c.name == name)).first()
    return None if row is None else Head.from_row(row)


def find_tokens(connection: sa.Connection) -> dict[str, str]:
    """Give the project's name of every token."""
    rows = connection.execute(
        sa.select(projects.c.token, projects.c.name).where(projects.c.token.is_not(None))
    )
    return {row.token: row.name for row in rows}
