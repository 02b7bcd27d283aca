"""``ingestion_warnings``: what senders should be told, one row for each warning, unsampled."""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import msgspec
import sqlalchemy as sa

from ..domain.events import IngestionWarningRaised, MergeRefused
from ..domain.json_values import JsonObject
from ..domain.ports import Statements
from ..domain.recorded import Recorded
from .columns import Position, project_column

metadata = sa.MetaData()

ingestion_warnings = sa.Table(
    "ingestion_warnings",
    metadata,
    project_column(),
    sa.Column("position", Position, primary_key=True, autoincrement=False, comment="in the log"),
    sa.Column("input_position", Position, nullable=False, comment="of the captured event"),
    sa.Column("event_uuid", sa.Text, comment="of the captured event"),
    sa.Column("type", sa.Text, nullable=False, comment="of the warning"),
    sa.Column("details", sa.LargeBinary, nullable=False, comment="JSON"),
    comment="What senders should be told, unsampled.",
)

_encode = msgspec.json.Encoder(order="deterministic").encode


class WarningRow(NamedTuple):
    """One warning; ``position`` is that of the input it is about."""

    position: int
    event_uuid: str | None
    type: str
    details: JsonObject


class IngestionWarnings:
    """Warnings about inputs as they were raised, and one for each refused merge."""

    name: ClassVar[str] = "ingestion_warnings"
    version: ClassVar[int] = 1
    tables: ClassVar[tuple[str, ...]] = ("ingestion_warnings",)

    def apply(self, statements: Statements, recorded: Recorded) -> None:
        """Add a row for each warning."""
        rows = []
        for entry in recorded.of(IngestionWarningRaised, MergeRefused):
            kind, details = _warning(entry.event)
            cause = entry.event.cause
            place = (recorded.project, entry.position, cause.position, cause.uuid)
            rows.append((*place, kind, _encode(details)))
        statements.insert("ingestion_warnings", rows)


def _warning(event: Any) -> tuple[str, JsonObject]:
    if isinstance(event, IngestionWarningRaised):
        return event.type, event.details
    if event.reason == "already_identified":
        return "cannot_merge_already_identified", {
            "sourcePersonDistinctId": event.other_id,
            "targetPersonDistinctId": event.own_id,
            "eventUuid": event.cause.uuid,
        }
    illegal_is_own = event.illegal_id == event.own_id
    return "cannot_merge_with_illegal_distinct_id", {
        "illegalDistinctId": event.illegal_id,
        "otherDistinctId": event.other_id if illegal_is_own else event.own_id,
        "eventUuid": event.cause.uuid,
    }


def select_warnings(connection: sa.Connection, project: int) -> Iterator[WarningRow]:
    """Give warnings by position of their input, then in order of the log."""
    c = ingestion_warnings.c
    query = (
        sa.select(c.input_position, c.event_uuid, c.type, c.details)
        .where(c.project == project)
        .order_by(c.input_position, c.position)
    )
    with connection.execute(query, execution_options={"yield_per": 5_000}) as rows:
        for position, event_uuid, kind, details in rows:
            yield WarningRow(position, event_uuid, kind, msgspec.json.decode(details))
