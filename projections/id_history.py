"""``id_history``: who held a distinct ID from which log position to which: the as-of lookup."""

from typing import ClassVar

import sqlalchemy as sa

from ..domain.events import DistinctIdAdded, moved_ids
from ..domain.ports import Statements
from ..domain.recorded import Recorded
from .columns import Position, Text, Uuid, project_column

metadata = sa.MetaData()

id_history = sa.Table(
    "id_history",
    metadata,
    project_column(),
    sa.Column("distinct_id", Text, primary_key=True, comment="as senders send it"),
    sa.Column(
        "from_position",
        Position,
        primary_key=True,
        autoincrement=False,
        comment="where the holding began",
    ),
    sa.Column("to_position", Position, comment="where it ended, null while it lasts"),
    sa.Column("person", Uuid, nullable=False, comment="who held it"),
    sqlite_with_rowid=False,
    comment="Who held a distinct ID from which log position to which: answers as-of questions.",
)


class IdHistory:
    """Each holding is one row; ``to_position`` is where it ended, null while it lasts."""

    name: ClassVar[str] = "id_history"
    version: ClassVar[int] = 1
    tables: ClassVar[tuple[str, ...]] = ("id_history",)

    def apply(self, statements: Statements, recorded: Recorded) -> None:
        """Begin and end holdings."""
        project = recorded.project
        began: list[tuple[int, str, int, int | None, bytes]] = []
        current: dict[str, int] = {}
        ended: list[tuple[int, str, int]] = []
        for entry in recorded.moves():
            is_new = isinstance(entry.event, DistinctIdAdded)
            for moved in moved_ids(entry.event):
                if moved in current:
                    row = began[current[moved]]
                    began[current[moved]] = (*row[:3], entry.position, row[4])
                elif not is_new:
                    ended.append((project, moved, entry.position))
                current[moved] = len(began)
                began.append((project, moved, entry.position, None, entry.stream))
        statements.update(
            "id_history",
            ("project", "distinct_id"),
            ("to_position",),
            ended,
            where_null="to_position",
        )
        statements.insert("id_history", began)
