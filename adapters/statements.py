"""Set-based statements: whole batches in one call, past SQLAlchemy's work on every parameter.

Tables are described by SQLAlchemy; rows go to the driver's own cursor inside its transaction.
Two classes of one interface, :class:`~personlog.domain.ports.Statements`, one a dialect.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ..domain.ports import Row, Statements
from .database import driver

_SQLITE_VARIABLES = 30_000
"""Bound values in one statement; SQLite's limit is 32,766."""


def statements_on(connection: sa.Connection, tables: Mapping[str, sa.Table]) -> Statements:
    """Give the statements of the connection's dialect; ``tables`` maps names to what they mean."""
    if connection.dialect.name == "sqlite":
        return SqliteStatements(connection, tables)
    return PostgresStatements(connection, tables)


def _names(columns: Iterable[str], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{name}"' for name in columns)


def _split(table: sa.Table) -> tuple[list[str], list[str], list[str]]:
    """Give all columns, those of the primary key, and the rest."""
    key = [column.name for column in table.primary_key.columns]
    columns = [column.name for column in table.columns]
    return columns, key, [name for name in columns if name not in key]


def _on_conflict(table: sa.Table) -> str:
    _, key, rest = _split(table)
    change = ", ".join(f'"{name}" = excluded."{name}"' for name in rest)
    return f"ON CONFLICT ({_names(key)}) DO UPDATE SET {change}"


class SqliteStatements:
    """``executemany`` for writing, a join with ``VALUES`` for reading."""

    def __init__(self, connection: sa.Connection, tables: Mapping[str, sa.Table]) -> None:
        self._driver = driver(connection)
        self._tables = tables

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows that are not there yet."""
        self._insert(self._tables[table], rows, "")

    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows, or replace those with the same primary key."""
        self._insert(self._tables[table], rows, _on_conflict(self._tables[table]))

    def _insert(self, table: sa.Table, rows: Sequence[Row], on_conflict: str) -> None:
        if rows:
            columns = _split(table)[0]
            marks = ", ".join("?" * len(columns))
            self._driver.executemany(
                f'INSERT INTO "{table.name}" ({_names(columns)}) VALUES ({marks}) {on_conflict}',  # noqa: S608
                rows,
            )

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
                f" SELECT {_names(columns, 't.')} FROM k CROSS JOIN"
                f' "{self._tables[table].name}" t ON t."project" = {int(project)} AND {join}'
            )
            found += self._driver.execute(sql, [value for row in chunk for value in row]).fetchall()
        return found


class PostgresStatements:
    """Binary ``COPY`` for inserting, ``unnest`` of whole columns for the rest."""

    def __init__(self, connection: sa.Connection, tables: Mapping[str, sa.Table]) -> None:
        self._driver = driver(connection)
        self._tables = tables

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows that are not there yet."""
        if not rows:
            return
        target = self._tables[table]
        columns = _split(target)[0]
        with (
            self._driver.cursor() as cursor,
            cursor.copy(
                f'COPY "{target.name}" ({_names(columns)}) FROM STDIN (FORMAT BINARY)'
            ) as copy,
        ):
            copy.set_types([_type(target, name) for name in columns])
            for row in rows:
                copy.write_row(row)

    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows, or replace those with the same primary key."""
        target = self._tables[table]
        columns = _split(target)[0]
        self._with_rows(
            f'INSERT INTO "{target.name}" ({_names(columns)})'  # noqa: S608
            f" SELECT * FROM {{rows}} {_on_conflict(target)}",
            [_type(target, name) for name in columns],
            rows,
        )

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
        target = self._tables[table]
        names = [*key, *change]
        new = ", ".join(f'"{name}" = v."{name}"' for name in change)
        where = " AND ".join(f't."{name}" = v."{name}"' for name in key)
        if where_null is not None:
            where += f' AND t."{where_null}" IS NULL'
        self._with_rows(
            f'UPDATE "{target.name}" t SET {new}'  # noqa: S608
            f" FROM {{rows}} AS v({_names(names)}) WHERE {where}",
            [_type(target, name) for name in names],
            rows,
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
        target = self._tables[table]
        join = " AND ".join(f't."{name}" = k."{name}"' for name in key)
        return self._with_rows(
            f"SELECT {_names(columns, 't.')} FROM {{rows}} AS k({_names(key)})"  # noqa: S608
            f' JOIN "{target.name}" t ON t."project" = {int(project)} AND {join}',
            [_type(target, name) for name in key],
            list(keys),
            fetch=True,
        )

    def _with_rows(
        self, sql: str, types: Sequence[str], rows: Sequence[Row], *, fetch: bool = False
    ) -> list[Row]:
        if not rows:
            return []
        arrays = ", ".join(f"%b::{name}[]" for name in types)
        with self._driver.cursor() as cursor:
            cursor.execute(
                sql.format(rows=f"unnest({arrays})"),
                [list(column) for column in zip(*rows, strict=True)],
                # A prepared plan made for few rows turns into a scan for many.
                prepare=False,
            )
            return list(cursor.fetchall()) if fetch else []


_DIALECT: Any = postgresql.dialect()  # type: ignore[no-untyped-call]


def _type(table: sa.Table, column: str) -> str:
    kind = table.c[column].type
    if isinstance(kind, sa.LargeBinary):
        return "bytea"
    if isinstance(kind, sa.Text):
        return "text"
    return str(kind.compile(_DIALECT)).lower()
