"""Import cursors: where an interrupted import goes on. Deleted when an import ends."""

from pathlib import Path

import msgspec
import sqlalchemy as sa

from ..domain.json_values import clean_text
from .schema import cursors


class Cursor(msgspec.Struct, kw_only=True):
    """How far a source was stored: bytes, lines, and the hash of those bytes.

    ``started_at`` is when the import began, in milliseconds: the arrival of lines without any.
    """

    source: str
    project: str
    offset: int = 0
    line: int = 0
    prefix_hash: bytes = b""
    started_at: int = 0


def cursor_key(source: str, project: str | None) -> tuple[str, str]:
    """Tell imports apart: by the file, and by the project that overrides its lines'."""
    return clean_text(str(Path(source).absolute())), project or ""


def find_cursor(connection: sa.Connection, key: tuple[str, str]) -> Cursor | None:
    """Give the cursor that an interrupted import left."""
    row = connection.execute(
        sa.select(cursors).where(cursors.c.source == key[0], cursors.c.project == key[1])
    ).first()
    return None if row is None else Cursor(**row._mapping)  # noqa: SLF001 - its public name


def move_cursor(connection: sa.Connection, cursor: Cursor, *, at_end: bool) -> None:
    """Store the cursor, or delete it at the end of its source."""
    connection.execute(
        sa.delete(cursors).where(
            cursors.c.source == cursor.source, cursors.c.project == cursor.project
        )
    )
    if not at_end:
        connection.execute(sa.insert(cursors).values(msgspec.structs.asdict(cursor)))


def list_cursors(connection: sa.Connection) -> list[Cursor]:
    """Give every cursor there is, by source."""
    rows = connection.execute(sa.select(cursors).order_by(cursors.c.source, cursors.c.project))
    return [Cursor(**row._mapping) for row in rows]  # noqa: SLF001 - its public name
