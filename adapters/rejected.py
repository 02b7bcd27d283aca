"""Rejected lines: kept with their raw bytes, one row for equal bytes of a project."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

import sqlalchemy as sa

from ..domain.json_values import clean_text
from ..domain.ports import Statements
from .arrivals import Rejection
from .schema import rejected


class RejectedLineRow(NamedTuple):
    """A line that could not be read; ``received_at`` in milliseconds where the line told it."""

    source: str
    line: int
    reason: str
    raw: bytes
    received_at: int | None


def keep_rejected(statements: Statements, rejections: Sequence[Rejection]) -> None:
    """Keep lines; equal bytes are one row, which says where they were seen last."""
    rows = {}
    for each in rejections:
        project = b"\0" if each.project is None else each.project.encode()
        key = blake2b(project + b"\0" + each.digest, digest_size=16).digest()
        rows[key] = (
            key,
            each.project,
            clean_text(each.source),
            each.line,
            each.reason,
            each.raw,
            each.received_at,
        )
    statements.upsert("rejected", [rows[key] for key in sorted(rows)])


def select_rejected(connection: sa.Connection, project: str) -> Iterator[RejectedLineRow]:
    """Give a project's rejected lines, and those that told no project, by source and line."""
    c = rejected.c
    query = (
        sa.select(c.source, c.line, c.reason, c.raw, c.received_at)
        .where((c.project == project) | c.project.is_(None))
        .order_by(c.source, c.line, c.hash)
    )
    with connection.execute(query, execution_options={"yield_per": 1_000}) as rows:
        for row in rows:
            yield RejectedLineRow(*row)
