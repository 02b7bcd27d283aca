"""``merges``: the audit of every merge and every refusal, with its reason."""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import sqlalchemy as sa

from ..domain.events import MergeRefused, PersonAbsorbed, RecordedEvent
from ..domain.ports import Statements
from ..domain.recorded import Recorded
from ..domain.uuids import parse_uuid
from .columns import Moment, Position, Text, Uuid, project_column

metadata = sa.MetaData()

merges = sa.Table(
    "merges",
    metadata,
    project_column(),
    sa.Column("position", Position, primary_key=True, autoincrement=False, comment="in the log"),
    sa.Column("outcome", sa.Text, nullable=False, comment="merged or refused"),
    sa.Column(
        "reason",
        sa.Text,
        nullable=False,
        comment="the kind of link that merged, or the rule that refused",
    ),
    sa.Column("own_id", Text, nullable=False, comment="own ID of the captured event"),
    sa.Column("other_id", Text, nullable=False, comment="the ID it named"),
    sa.Column("survivor", Uuid, comment="who stayed; null for a refusal"),
    sa.Column("absorbed", Uuid, comment="who went; null for a refusal"),
    sa.Column("uuid", sa.Text, comment="of the captured event"),
    sa.Column("at", Moment, nullable=False, comment="processed, in ms"),
    sa.Column("rules", sa.Integer, nullable=False, comment="version of the rule set that decided"),
    comment="The audit: every merge and every refusal, with its reason.",
)


class MergeRow(NamedTuple):
    """One merge or refusal. ``at`` is in milliseconds; a refusal has no survivor."""

    position: int
    outcome: str
    reason: str
    own_id: str
    other_id: str
    survivor: bytes | None
    absorbed: bytes | None
    uuid: str | None
    at: int
    rules: int


class Merges:
    """The reason of a merge is the kind of link that made it; that of a refusal, the rule."""

    name: ClassVar[str] = "merges"
    version: ClassVar[int] = 1
    tables: ClassVar[tuple[str, ...]] = ("merges",)

    def apply(self, statements: Statements, recorded: Recorded) -> None:
        """Add a row for each merge and each refusal."""
        told = recorded.of(PersonAbsorbed, MergeRefused)
        statements.insert("merges", [(recorded.project, *_row(entry)) for entry in told])


def _row(entry: RecordedEvent) -> MergeRow:
    event: Any = entry.event
    survivor: bytes | None = None
    absorbed: bytes | None = None
    if isinstance(event, PersonAbsorbed):
        outcome, reason = "merged", str(event.link)
        survivor, absorbed = entry.stream, parse_uuid(event.absorbed)
    else:
        outcome, reason = "refused", str(event.reason)
    return MergeRow(
        entry.position,
        outcome,
        reason,
        event.own_id,
        event.other_id,
        survivor,
        absorbed,
        event.cause.uuid,
        event.recorded_at,
        event.rules,
    )


def select_merges(
    connection: sa.Connection, project: int, *, refused_only: bool = False
) -> Iterator[MergeRow]:
    """Give merges and refusals in order of the log."""
    query = sa.select(*[merges.c[field] for field in MergeRow._fields])
    query = query.where(merges.c.project == project).order_by(merges.c.position)
    if refused_only:
        query = query.where(merges.c.outcome == "refused")
    with connection.execute(query, execution_options={"yield_per": 5_000}) as rows:
        for row in rows:
            yield MergeRow(*row)


def survivors(connection: sa.Connection, project: int) -> dict[bytes, bytes]:
    """Give the survivor of every absorbed person, which may itself have been absorbed later."""
    c = merges.c
    rows = connection.execute(
        sa.select(c.absorbed, c.survivor).where(c.project == project, c.outcome == "merged")
    )
    return {row.absorbed: row.survivor for row in rows}
