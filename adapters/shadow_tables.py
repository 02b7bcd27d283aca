"""Temporary twins of lookup tables, to be filled from the log and compared with the tables."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from ..domain.json_values import JsonObject
from ..domain.uuids import uuid_text

_UUID_BYTES = 16


@contextmanager
def shadow_tables(
    connection: sa.Connection, tables: Sequence[sa.Table]
) -> Iterator[dict[str, sa.Table]]:
    """Make an empty temporary twin of each table, gone when the block ends.

    An error takes them with its transaction.
    """
    shadows: dict[str, sa.Table] = {}
    for table in tables:
        name = str(table.name)
        shadow = table.to_metadata(sa.MetaData(), name=f"{name}__replayed")
        connection.exec_driver_sql(
            f'CREATE TEMPORARY TABLE "{shadow.name}" AS SELECT * FROM "{name}" WHERE 1 = 0'  # noqa: S608
        )
        shadows[name] = shadow
        key = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
        connection.exec_driver_sql(
            f'CREATE UNIQUE INDEX "{shadow.name}_key" ON "{shadow.name}" ({key})'
            if connection.dialect.name != "sqlite"
            else f'CREATE UNIQUE INDEX temp."{shadow.name}_key" ON "{shadow.name}" ({key})'
        )
    yield shadows
    for shadow in shadows.values():
        connection.exec_driver_sql(f'DROP TABLE "{shadow.name}"')


def first_difference(
    connection: sa.Connection, project: int, table: sa.Table, shadow: sa.Table
) -> JsonObject | None:
    """Find the row with the smallest key that is not the same in both tables."""
    key = [str(column.name) for column in table.primary_key.columns]
    live = sa.select(*table.c).where(table.c.project == project)
    replayed = sa.select(*shadow.c)
    different: list[tuple[Any, ...]] = []
    for one, other in ((live, replayed), (replayed, live)):
        rows = sa.except_(one, other).subquery()
        row = connection.execute(
            sa.select(*(rows.c[name] for name in key))
            .order_by(*(rows.c[name] for name in key))
            .limit(1)
        ).first()
        if row is not None:
            different.append(tuple(row))
    if not different:
        return None
    values = min(different)
    return {
        "table": str(table.name),
        "key": {name: _shown(value) for name, value in zip(key, values, strict=True)},
        "stored": _row(connection, table, key, values),
        "replayed": _row(connection, shadow, key, values),
    }


def _row(
    connection: sa.Connection, table: sa.Table, key: Sequence[str], values: tuple[Any, ...]
) -> JsonObject | None:
    same = [table.c[name] == value for name, value in zip(key, values, strict=True)]
    row = connection.execute(sa.select(*table.c).where(*same)).first()
    if row is None:
        return None
    return {str(name): _shown(value) for name, value in row._mapping.items()}  # noqa: SLF001


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return uuid_text(value) if len(value) == _UUID_BYTES else value.decode(errors="replace")
    return value
