"""``doctor``: is all well with a database, and if not, what to do."""

from collections.abc import Iterator

import sqlalchemy as sa

from .adapters import vitals
from .adapters.database import Database
from .adapters.event_buffer import SqlEventBuffer
from .adapters.heads import Head, list_heads
from .adapters.schema import inputs, stored_events, stored_versions
from .domain.json_values import JsonObject
from .domain.times import format_time
from .projection_operations import ProjectionOperations, find_project

_LEAST_FREE = 256 * 1024 * 1024
_MOST_WAL = 1024 * 1024 * 1024


def diagnose(database: Database, project: str | None, *, deep: bool = False) -> JsonObject:
    """Look at everything that can be looked at quickly; with ``deep`` at the file's structure too.

    Of all projects, unless one is given.

    ``problems`` are what is wrong, each with what to do.
    """
    with database.read() as connection:
        heads = list_heads(connection) if project is None else [find_project(connection, project)]
        writers = vitals.writers(database, connection, [head.name for head in heads])
        disk = vitals.disk(database, connection)
        projections = ProjectionOperations(database).versions()
        found: JsonObject = {
            "database": database.label,
            "server": vitals.server(connection),
            "schema_version": stored_versions(connection).get("personlog"),
            "disk": {
                "database_bytes": disk.database_bytes,
                "wal_bytes": disk.wal_bytes,
                "free_bytes": disk.free_bytes,
            },
            "projects": [_project(connection, head, writers.get(head.name)) for head in heads],
            "projections": projections,
            "imports": vitals.imports(connection),
        }
        problems = [
            *_disk_problems(disk),
            *(problem for head in heads for problem in _head_problems(connection, head)),
            *_projection_problems(projections),
            *_server_problems(connection, deep=deep),
        ]
    found["problems"] = problems
    return found


def _project(connection: sa.Connection, head: Head, writer: str | None) -> JsonObject:
    return {
        "name": head.name,
        "inputs": head.input_head,
        "domain_events": head.log_head,
        "clock": format_time(head.clock) if head.clock else None,
        "held": SqlEventBuffer(connection, head.id).count(),
        "writer": writer,
    }


def _problem(what: str, do: str) -> JsonObject:
    return {"what": what, "do": do}


def _disk_problems(disk: vitals.Disk) -> Iterator[JsonObject]:
    if disk.free_bytes is not None and disk.free_bytes < max(
        _LEAST_FREE, disk.database_bytes // 10
    ):
        yield _problem(
            f"Only {disk.free_bytes:,} bytes are free on the disk of the database.",
            "Free some space: an import that finds none stops, and goes on when it is run again.",
        )
    if disk.wal_bytes is not None and disk.wal_bytes > _MOST_WAL:
        yield _problem(
            f"The write-ahead log has grown to {disk.wal_bytes:,} bytes.",
            "A program has kept a read transaction open for long; end it, and the next import"
            " writes the log back.",
        )


def _head_problems(connection: sa.Connection, head: Head) -> Iterator[JsonObject]:
    """Compare the heads with the last rows: after a restore of only a part they differ."""
    for table, what, position in (
        (inputs, "inputs", head.input_head),
        (stored_events, "domain events", head.log_head),
    ):
        newest = sa.select(sa.func.max(table.c.position)).where(table.c.project == head.id)
        last = connection.execute(newest).scalar() or 0
        if last != position:
            yield _problem(
                f"Project {head.name!r} has {what} up to position {last:,}, and its head says"
                f" {position:,}.",
                "The database was changed from outside or restored in part: restore a whole"
                " backup, then run 'personlog projections verify'.",
            )


def _projection_problems(projections: list[JsonObject]) -> Iterator[JsonObject]:
    for each in projections:
        if each["state"] == "outdated":
            yield _problem(
                f"The tables of projection {each['name']} were made by version"
                f" {each['stored_version']} of its code, and this personlog has"
                f" {each['version']}.",
                f"Run 'personlog projections rebuild {each['name']}'.",
            )


def _server_problems(connection: sa.Connection, *, deep: bool) -> Iterator[JsonObject]:
    for setting in vitals.unsafe_settings(connection):
        yield _problem(
            f"The server runs with {setting} = off: what was committed may be lost in a crash.",
            f"Set {setting} to on.",
        )
    if deep and (damage := vitals.corruption(connection)) is not None:
        yield _problem(
            f"The file is damaged: {damage}.",
            "Restore a backup, then run 'personlog projections verify' and import again what"
            " came after it: what is stored already is not stored twice.",
        )
