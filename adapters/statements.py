"""Set-based statements: whole batches in one call, past SQLAlchemy's work on every parameter.

Tables are described by SQLAlchemy; rows go to the driver's own cursor inside its transaction.
One class a dialect, of one interface: :class:`~personlog.domain.ports.Statements`.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice

import sqlalchemy as sa

from ..domain.ports import Row, Statements
from .database import driver

_SQLITE_VARIABLES = 30_000
"""Bound values in one statement; SQLite's limit is 32,766."""

_ROWS = 100
"""Rows that one statement inserts: it saves a third of the time that single ones take."""


def statements_on(connection: sa.Connection, tables: Mapping[str, sa.Table]) -> Statements:
    """Give the statements of the connection's dialect; ``tables`` maps names to what they mean."""
    if connection.dialect.name == "sqlite":
        return SqliteStatements(connection, tables)
    # Loaded when it is needed: SQLAlchemy's dialect takes a while.
    from .postgres_statements import PostgresStatements  # noqa: PLC0415

    return PostgresStatements(connection, tables)


def names_of(columns: Iterable[str], prefix: str = "") -> str:
    """Write names of columns one behind the other."""
    return ", ".join(f'{prefix}"{name}"' for name in columns)


def split(table: sa.Table) -> tuple[list[str], list[str], list[str]]:
    """Give all columns, those of the primary key, and the rest."""
    key = [column.name for column in table.primary_key.columns]
    columns = [column.name for column in table.columns]
    return columns, key, [name for name in columns if name not in key]


def on_conflict_update(table: sa.Table) -> str:
    """Write what makes an insert replace the row with the same primary key."""
    _, key, rest = split(table)
    change = ", ".join(f'"{name}" = excluded."{name}"' for name in rest)
    return f" ON CONFLICT ({names_of(key)}) DO UPDATE SET {change}"


class SqliteStatements:
    """Many rows in one statement: ``VALUES`` for writing, a join with them for reading."""

    def __init__(self, connection: sa.Connection, tables: Mapping[str, sa.Table]) -> None:
        self._driver = driver(connection)
        self._tables = tables

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows that are not there yet."""
        self._insert(self._tables[table], rows, "")

    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows, or replace those with the same primary key."""
        self._insert(self._tables[table], rows, on_conflict_update(self._tables[table]))

    def _insert(self, table: sa.Table, rows: Sequence[Row], on_conflict: str) -> None:
        columns = split(table)[0]
        marks = f"({', '.join('?' * len(columns))})"
        head = f'INSERT INTO "{table.name}" ({names_of(columns)}) VALUES '  # noqa: S608
        whole = len(rows) // _ROWS * _ROWS
        if whole:
            sql = head + ", ".join([marks] * _ROWS) + on_conflict
            for start in range(0, whole, _ROWS):
                self._driver.execute(sql, list(chain.from_iterable(rows[start : start + _ROWS])))
        # The rest one by one: a statement of each length would have to be parsed anew.
        if whole < len(rows):
            self._driver.executemany(f"{head}{marks}{on_conflict}", rows[whole:])

    def update(
        self,
        table: str,
        key: Sequence[str],
        change: Sequence[str],
        rows: Sequence[Row],
        *,
        where_null: str | None = None,
    ) -> None:
        """Set the ``change`` columns of the rows whose ``key`` columns match."""
        if not rows:
            return
        new = ", ".join(f'"{name}" = ?' for name in change)
        where = " AND ".join(f'"{name}" = ?' for name in key)
        if where_null is not None:
            where += f' AND "{where_null}" IS NULL'
        self._driver.executemany(
            f'UPDATE "{self._tables[table].name}" SET {new} WHERE {where}',  # noqa: S608
            [(*row[len(key) :], *row[: len(key)]) for row in rows],
        )

    def lookup(
        self,
        table: str,
        project: int,
        key: Sequence[str],
        columns: Sequence[str],
        keys: Iterable[Row],
    ) -> list[Row]:
        """Select ``columns`` of a project's rows whose ``key`` columns are among ``keys``."""
        found: list[Row] = []
        rest = iter(keys)
        join = " AND ".join(f't."{name}" = k.column{n}' for n, name in enumerate(key, 1))
        while chunk := list(islice(rest, _SQLITE_VARIABLES // len(key))):
            marks = f"({', '.join('?' * len(key))})"
            # CROSS JOIN makes SQLite walk the keys and look each of them up in the index.
            sql = (
                f"WITH k AS (VALUES {', '.join([marks] * len(chunk))})"  # noqa: S608
                f" SELECT {names_of(columns, 't.')} FROM k CROSS JOIN"
                f' "{self._tables[table].name}" t ON t."project" = {int(project)} AND {join}'
            )
            found += self._driver.execute(sql, [value for row in chunk for value in row]).fetchall()
        return found
