"""The tables of the two layers, and the making and checking of the whole schema.

Lookup tables are the projections' own; they are handed in.
"""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from ..domain.errors import StoreError
from ..domain.json_values import JsonObject
from .database import Database
from .log_view import LOG_VIEW

SCHEMA_VERSION = 1
_SCHEMA_LOCK = 0x706572736F6E6C67  # "personlg": makers of the schema queue up on PostgreSQL

metadata = sa.MetaData()

Uuid = sa.LargeBinary(16)
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Moment = sa.BigInteger

schema_versions = sa.Table(
    "schema_versions",
    metadata,
    sa.Column("name", sa.Text, primary_key=True, comment="personlog, or the name of a projection"),
    sa.Column("version", sa.Integer, nullable=False, comment="of the layers, or of the projection"),
    comment="What the tables were made as: personlog for the two layers, and each projection.",
)
projects = sa.Table(
    "projects",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, comment="the project column of all other tables"),
    sa.Column("name", Text, nullable=False, unique=True, comment="what people call it"),
    sa.Column("token", Text, unique=True, comment="what senders send"),
    sa.Column(
        "input_head", sa.BigInteger, nullable=False, default=0, comment="position of the last input"
    ),
    sa.Column(
        "log_head",
        sa.BigInteger,
        nullable=False,
        default=0,
        comment="position of the last domain event",
    ),
    sa.Column(
        "clock",
        Moment,
        nullable=False,
        default=0,
        comment="latest arrival, in milliseconds since 1970; never runs backwards",
    ),
    sa.Column(
        "rebuilds",
        sa.BigInteger,
        nullable=False,
        default=0,
        comment="how often lookup tables were rebuilt; whoever read them before reads them again",
    ),
    comment="One row a project: the heads of its two layers, and its clock; moved last.",
)

inputs = sa.Table(
    "inputs",
    metadata,
    sa.Column("project", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column(
        "position",
        sa.BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="1, 2, 3, ... without gaps",
    ),
    sa.Column("uuid", Uuid, nullable=False, comment="as sent, or derived from the line"),
    sa.Column(
        "sent_timestamp",
        Moment,
        nullable=False,
        comment="timestamp as sent, in ms; 0 without one; with project and uuid the key",
    ),
    sa.Column("received_at", Moment, nullable=False, comment="arrival as it was, in ms"),
    sa.Column("arrived_at", Moment, nullable=False, comment="the same, never before the clock"),
    sa.Column("due_at", Moment, comment="end of the buffer window if the event was held"),
    sa.Column(
        "status",
        sa.SmallInteger,
        nullable=False,
        comment="0 attributed, 1 held, 2 personless, 3 dropped, 4 command",
    ),
    sa.Column("person", Uuid, comment="the stamp: the person it was tied to when it was processed"),
    sa.Column(
        "body", sa.LargeBinary, nullable=False, comment="the line as sent, or the command, as JSON"
    ),
    # The time before the random uuid keeps inserts local: half the cost of a unique uuid alone.
    sa.UniqueConstraint("project", "sent_timestamp", "uuid", name="inputs_key"),
    comment="Layer 1: captured events and commands, written once; status and person are filled in.",
)
# As DDL: options of a dialect would make SQLAlchemy load it, which takes every command a while.
sa.event.listen(
    inputs,
    "after_create",
    sa.DDL(  # type: ignore[no-untyped-call]
        "CREATE INDEX inputs_held ON inputs (project, due_at, position) WHERE status = 1"
    ),
)

stored_events = sa.Table(
    "stored_events",
    metadata,
    sa.Column("project", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column(
        "position",
        sa.BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="1, 2, 3, ... without gaps",
    ),
    sa.Column(
        "stream",
        Uuid,
        nullable=False,
        comment="the person, or a UUID of the input where no person is concerned",
    ),
    sa.Column("version", sa.BigInteger, nullable=False, comment="place in its stream, from 1"),
    sa.Column(
        "topic", sa.Text, nullable=False, comment="the type: person.created, person.absorbed, ..."
    ),
    sa.Column("state", sa.LargeBinary, nullable=False, comment="canonical JSON"),
    sa.UniqueConstraint("project", "stream", "version", name="stored_events_stream"),
    comment="Layer 2: the append-only log of domain events; see the view domain_events.",
)

rejected = sa.Table(
    "rejected",
    metadata,
    sa.Column(
        "hash",
        sa.LargeBinary(16),
        primary_key=True,
        comment="of the project and the bytes: equal lines are one row",
    ),
    sa.Column("project", Text, comment="name, null if the line tells none"),
    sa.Column("source", sa.Text, nullable=False, comment="file it was seen in last"),
    sa.Column("line", sa.BigInteger, nullable=False, comment="number in that file"),
    sa.Column("reason", sa.Text, nullable=False, comment="why it is not a captured event"),
    sa.Column("raw", sa.LargeBinary, nullable=False, comment="at most the first mebibyte"),
    sa.Column("received_at", Moment, comment="in ms, where the line tells it"),
    comment="Lines that are not captured events, kept as they came.",
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("source", sa.Text, primary_key=True, comment="path of the file"),
    sa.Column(
        "project", sa.Text, primary_key=True, comment="what overrides the projects of its lines"
    ),
    sa.Column("offset", sa.BigInteger, nullable=False, comment="bytes stored, unpacked"),
    sa.Column("line", sa.BigInteger, nullable=False, comment="lines stored"),
    sa.Column("prefix_hash", sa.LargeBinary, nullable=False, comment="SHA-256 of those bytes"),
    sa.Column(
        "started_at", Moment, nullable=False, comment="arrival of lines without any time, in ms"
    ),
    comment="How far interrupted imports have come; empty while none is interrupted or under way.",
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("project", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, primary_key=True, comment="of the reader"),
    sa.Column("position", sa.BigInteger, nullable=False, comment="the last one it has handled"),
    comment="How far readers of the log have come that keep their place here.",
)


def tables_of(*parts: sa.MetaData) -> dict[str, sa.Table]:
    """Give every table by its name."""
    return {name: table for part in parts for name, table in part.tables.items()}


def describe_tables(tables: Iterable[sa.Table]) -> list[JsonObject]:
    """Give every table with its columns and what they mean."""
    return [
        {
            "table": str(table.name),
            "meaning": table.comment,
            "columns": [
                {
                    "name": str(column.name),
                    "type": _TYPES[column.type.__class__.__name__],
                    "key": "primary" if column.primary_key else "",
                    "meaning": column.comment or "number of the project, see projects",
                }
                for column in table.columns
            ],
        }
        for table in tables
    ]


_TYPES = {
    "BigInteger": "integer",
    "Integer": "integer",
    "LargeBinary": "bytes",
    "SmallInteger": "integer",
    "Text": "text",
}


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
        connection.exec_driver_sql(LOG_VIEW["sqlite" if database.is_sqlite else "postgresql"])
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


def record_versions(connection: sa.Connection, versions: Mapping[str, int]) -> None:
    """Note by which versions of their code projections' tables have been filled."""
    for name, version in versions.items():
        connection.execute(
            sa.update(schema_versions).where(schema_versions.c.name == name).values(version=version)
        )


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
