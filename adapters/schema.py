"""The tables of the two layers, and the making and checking of the whole schema.

Lookup tables are the projections' own; they are handed in.
"""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from ..domain.errors import StoreError
from .database import Database

SCHEMA_VERSION = 1
_SCHEMA_LOCK = 0x706572736F6E6C67  # "personlg": makers of the schema queue up on PostgreSQL

metadata = sa.MetaData()

Uuid = sa.LargeBinary(16)
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Moment = sa.BigInteger

schema_versions = sa.Table(
    "schema_versions",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)
"""``personlog`` for the layers, and each projection's name for its tables."""

projects = sa.Table(
    "projects",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("token", Text, unique=True),
    sa.Column("input_head", sa.BigInteger, nullable=False, default=0),
    sa.Column("log_head", sa.BigInteger, nullable=False, default=0),
    sa.Column("clock", Moment, nullable=False, default=0),
)

inputs = sa.Table(
    "inputs",
    metadata,
    sa.Column("project", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("uuid", Uuid, nullable=False),
    sa.Column("sent_timestamp", Moment, nullable=False),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("arrived_at", Moment, nullable=False),
    sa.Column("due_at", Moment),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("person", Uuid),
    sa.Column("body", sa.LargeBinary, nullable=False),
    # The time before the random uuid keeps inserts local: half the cost of a unique uuid alone.
    sa.UniqueConstraint("project", "sent_timestamp", "uuid", name="inputs_key"),
)
sa.Index(
    "inputs_held",
    inputs.c.project,
    inputs.c.due_at,
    inputs.c.position,
    sqlite_where=sa.text("status = 1"),
    postgresql_where=sa.text("status = 1"),
)

stored_events = sa.Table(
    "stored_events",
    metadata,
    sa.Column("project", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("stream", Uuid, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("project", "stream", "version", name="stored_events_stream"),
)

rejected = sa.Table(
    "rejected",
    metadata,
    sa.Column("hash", sa.LargeBinary(16), primary_key=True),
    sa.Column("project", Text),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("received_at", Moment),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("project", sa.Text, primary_key=True),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("prefix_hash", sa.LargeBinary, nullable=False),
    sa.Column("started_at", Moment, nullable=False),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("project", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
)

_VIEW = {
    "sqlite": """
CREATE VIEW IF NOT EXISTS domain_events AS
SELECT p.name AS project, e.position, {stream} AS stream, e.version, e.topic AS type,
       strftime('%Y-%m-%dT%H:%M:%fZ',
                json_extract(CAST(e.state AS TEXT), '$.recorded_at') / 1000.0,
                'unixepoch') AS recorded_at,
       json_extract(CAST(e.state AS TEXT), '$.cause.position') AS input_position,
       json_extract(CAST(e.state AS TEXT), '$.cause.uuid') AS input_uuid,
       json_extract(CAST(e.state AS TEXT), '$.rules') AS rules,
       CAST(e.state AS TEXT) AS state
FROM stored_events e JOIN projects p ON p.id = e.project
""".format(
        stream="lower(substr(hex(e.stream), 1, 8) || '-' || substr(hex(e.stream), 9, 4) || '-' ||"
        " substr(hex(e.stream), 13, 4) || '-' || substr(hex(e.stream), 17, 4) || '-' ||"
        " substr(hex(e.stream), 21))"
    ),
    "postgresql": """
CREATE OR REPLACE VIEW domain_events AS
SELECT p.name AS project, e.position, encode(e.stream, 'hex')::uuid AS stream, e.version,
       e.topic AS type,
       to_timestamp((convert_from(e.state, 'UTF8')::json ->> 'recorded_at')::bigint / 1000.0)
           AS recorded_at,
       (convert_from(e.state, 'UTF8')::json #>> '{cause,position}')::bigint AS input_position,
       (convert_from(e.state, 'UTF8')::json #>> '{cause,uuid}')::uuid AS input_uuid,
       (convert_from(e.state, 'UTF8')::json ->> 'rules')::int AS rules,
       convert_from(e.state, 'UTF8') AS state
FROM stored_events e JOIN projects p ON p.id = e.project
""",
}


def tables_of(*parts: sa.MetaData) -> dict[str, sa.Table]:
    """Give every table by its name."""
    return {name: table for part in parts for name, table in part.tables.items()}


def create_schema(
    database: Database, lookup_tables: Iterable[sa.MetaData], versions: Mapping[str, int]
) -> None:
    """Make what is missing of the schema; leave what is there alone.

    ``versions`` are the projections' versions by name. Raises :class:`StoreError` if the
    database was made by a newer personlog, or cannot hold every text.
    """
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
            if encoding != "UTF8":
                raise StoreError(
                    f"Database {database.label} has encoding {encoding}; make one with UTF8."
                )
        stored = stored_versions(connection)
        if stored:
            _check(database, stored)
            return
        for part in (metadata, *lookup_tables):
            part.create_all(connection)
        connection.exec_driver_sql(_VIEW["sqlite" if database.is_sqlite else "postgresql"])
        rows = [{"name": "personlog", "version": SCHEMA_VERSION}]
        rows += [{"name": name, "version": version} for name, version in versions.items()]
        connection.execute(sa.insert(schema_versions), rows)


def check_schema(database: Database) -> None:
    """Raise :class:`StoreError` unless the database holds a schema that this version reads."""
    with database.read() as connection:
        stored = stored_versions(connection)
    if not stored:
        raise StoreError(
            f"Database {database.label} holds no personlog tables; 'personlog init' makes them."
        )
    _check(database, stored)


def has_schema(database: Database) -> bool:
    """Tell whether any personlog has made its tables here."""
    with database.read() as connection:
        return bool(stored_versions(connection))


def stored_versions(connection: sa.Connection) -> dict[str, int]:
    """Give the versions of the schema and of the projections' tables; none without a schema."""
    if not sa.inspect(connection).has_table("schema_versions"):
        return {}
    rows = connection.execute(sa.select(schema_versions.c.name, schema_versions.c.version))
    return {row.name: row.version for row in rows}


def _check(database: Database, stored: Mapping[str, int]) -> None:
    found = stored.get("personlog", 0)
    if found > SCHEMA_VERSION:
        raise StoreError(
            f"Database {database.label} has schema version {found}, and this personlog knows"
            f" {SCHEMA_VERSION}; install a newer personlog."
        )
