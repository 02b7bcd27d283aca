"""Set-based statements on PostgreSQL; see :mod:`.statements`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ..domain.ports import Row
from .database import driver
from .statements import names_of, on_conflict_update, split


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
        columns = split(target)[0]
        with (
            self._driver.cursor() as cursor,
            cursor.copy(
                f'COPY "{target.name}" ({names_of(columns)}) FROM STDIN (FORMAT BINARY)'
            ) as copy,
        ):
            copy.set_types([_type(target, name) for name in columns])
            for row in rows:
                copy.write_row(row)

    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows, or replace those with the same primary key."""
        target = self._tables[table]
        columns = split(target)[0]
        self._with_rows(
            f'INSERT INTO "{target.name}" ({names_of(columns)})'  # noqa: S608
            f" SELECT * FROM {{rows}}{on_conflict_update(target)}",
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
            f" FROM {{rows}} AS v({names_of(names)}) WHERE {where}",
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
            f"SELECT {names_of(columns, 't.')} FROM {{rows}} AS k({names_of(key)})"  # noqa: S608
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
