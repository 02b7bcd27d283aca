"""What a database says of itself: version, room on disk, who is writing, how durable it is."""

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec
import sqlalchemy as sa

from ..domain.json_values import JsonObject
from .cursors import list_cursors
from .database import Database
from .lease import lease_key

_WRITERS = sa.text(
    "SELECT (classid::bigint << 32) | objid::bigint AS key, a.pid, a.backend_start, a.client_addr"
    " FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")


class Disk(msgspec.Struct):
    """Bytes on disk; ``free`` is None where a server keeps them."""

    database_bytes: int
    wal_bytes: int | None = None
    free_bytes: int | None = None


def server(connection: sa.Connection) -> str:
    """Give the database's kind and version."""
    if connection.dialect.name == "sqlite":
        return f"SQLite {connection.exec_driver_sql('SELECT sqlite_version()').scalar()}"
    return f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar()}"


def disk(database: Database, connection: sa.Connection) -> Disk:
    """Measure what the database takes up, and what is left to it."""
    if not database.is_sqlite:
        size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar()
        return Disk(int(size or 0))
    file = Path(database.url.database or "")
    wal = file.with_name(f"{file.name}-wal")
    return Disk(
        file.stat().st_size,
        wal.stat().st_size if wal.exists() else 0,
        shutil.disk_usage(file.parent).free,
    )


def writers(
    database: Database, connection: sa.Connection, projects: Iterable[str]
) -> dict[str, str]:
    """Tell who holds each project's lease; on SQLite who writes at all cannot be named."""
    if database.is_sqlite:
        return dict.fromkeys(projects, "another process") if _is_locked(database) else {}
    holders = {row.key: row for row in connection.execute(_WRITERS)}
    found = {}
    for name in projects:
        row = holders.get(lease_key(name))
        if row is not None:
            told = f"server process {row.pid}"
            # What another role's session is and since when only that role may see, or a superuser.
            if row.client_addr is not None:
                told += f" at {row.client_addr}"
            if row.backend_start is not None:
                told += f", connected {row.backend_start:%F %T}"
            found[name] = told
    return found


def _is_locked(database: Database) -> bool:
    path = Path(database.url.database or "").absolute()
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            return "locked" in str(error)
        other.execute("ROLLBACK")
    return False


def unsafe_settings(connection: sa.Connection) -> list[str]:
    """Name the settings of a PostgreSQL server under which a commit may be lost."""
    if connection.dialect.name == "sqlite":
        return []
    return [
        name for name in _SETTINGS if connection.exec_driver_sql(f"SHOW {name}").scalar() == "off"
    ]


def corruption(connection: sa.Connection) -> str | None:
    """Let SQLite check the structure of its file, which takes a reading of all of it."""
    if connection.dialect.name != "sqlite":
        return None
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    return None if found == "ok" else str(found)


def imports(connection: sa.Connection) -> list[JsonObject]:
    """List the imports that are under way or were interrupted."""
    return [
        {"source": cursor.source, "lines_stored": cursor.line}
        for cursor in list_cursors(connection)
    ]
