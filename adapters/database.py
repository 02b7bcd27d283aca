"""One database, SQLite file or PostgreSQL: connections, transactions, errors in one sentence."""

import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event

from ..domain.errors import StoreError

BUSY_TIMEOUT_SECONDS = 30.0
"""How long a writer waits for another one on SQLite."""

_READING_CACHE, _WRITING_CACHE = -8_192, -65_536
"""SQLite's page cache in kibibytes; importing finds its rows in it."""

_SQLITE_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 8000",
    f"PRAGMA cache_size = {_READING_CACHE}",
    "PRAGMA temp_store = FILE",
)
_ON_BEGIN = "personlog_on_begin"


class Database:
    """Opens read and write transactions on the database at ``url``.

    A read transaction is a snapshot. A write transaction on SQLite takes the write lock at its
    beginning, so that what it reads is still true when it commits. Errors of the driver become
    :class:`StoreError`; broken constraints are left to the caller.
    """

    def __init__(self, url: str, *, create: bool = False) -> None:
        self.url = _parse(url)
        self._is_closed = False
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.label = sa.make_url(url).render_as_string(hide_password=True)
        self._engine = self._sqlite(create) if self.is_sqlite else self._postgresql()

    def _sqlite(self, create: bool) -> sa.Engine:  # noqa: FBT001
        path = Path(self.url.database or "")
        if path.is_dir():
            raise StoreError(f"{self.label} is a directory; name a file in it.")
        if not create and not path.exists():
            raise StoreError(
                f"There is no database {self.label}; 'personlog init' or 'personlog ingest'"
                " makes one."
            )
        mode = "rwc" if create else "rw"

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=BUSY_TIMEOUT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute("PRAGMA page_size = 8192")
            _switch_to_wal(connection)
            for pragma in _SQLITE_PRAGMAS:
                connection.execute(pragma)
            return connection

        engine = sa.create_engine(self.url, creator=connect)

        @sa_event.listens_for(engine, "begin")
        def on_begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql(connection.get_execution_options().get(_ON_BEGIN, "BEGIN"))

        return engine

    def _postgresql(self) -> sa.Engine:
        return sa.create_engine(
            self.url,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": 10,
                "keepalives": 1,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
            },
        )

    @contextmanager
    def connect(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """Keep one connection for writing; its session, and its locks, last until the block ends.

        What it commits survives a crash of the machine; unless ``durable``, only one of the
        process, and a crash of the machine may undo the last transactions, whole ones.
        """
        with self._one_sentence(), self._engine.connect() as connection:
            settings, usual = self._writing(durable=durable)
            _set(connection, settings)
            try:
                yield connection
            finally:
                # A connection that was lost has no settings, and must not hide why it was lost.
                if not connection.invalidated and not getattr(driver(connection), "broken", False):
                    _set(connection, usual)

    def _writing(self, *, durable: bool) -> tuple[list[str], list[str]]:
        """Give the settings of a writing session, and those to go back to."""
        if self.is_sqlite:
            wanted = [f"PRAGMA cache_size = {_WRITING_CACHE}"]
            usual = [f"PRAGMA cache_size = {_READING_CACHE}", "PRAGMA synchronous = FULL"]
            return wanted + ["PRAGMA synchronous = NORMAL"] * (not durable), usual
        if durable:
            return [], []
        return ["SET synchronous_commit TO off"], ["RESET synchronous_commit"]

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Read in one snapshot."""
        with self._one_sentence(), self._engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def write(self, connection: sa.Connection | None = None) -> Iterator[sa.Connection]:
        """Write in one transaction, on ``connection`` if one is kept; an error undoes it all."""
        if connection is None:
            with self._one_sentence(), self._engine.connect() as fresh, self.write(fresh):
                yield fresh
            return
        with self._one_sentence():
            if self.is_sqlite:
                connection = connection.execution_options(**{_ON_BEGIN: "BEGIN IMMEDIATE"})
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close every connection."""
        self._is_closed = True
        self._engine.dispose()

    @contextmanager
    def _one_sentence(self) -> Iterator[None]:
        if self._is_closed:
            raise StoreError(f"Database {self.label} was closed; open it again.")
        try:
            yield
        except sa.exc.DBAPIError as error:
            if isinstance(error, sa.exc.IntegrityError) or is_retryable(error.orig):
                raise
            raise StoreError(self._sentence(error.orig)) from error
        except sa.exc.TimeoutError as error:
            raise StoreError(
                f"All connections to database {self.label} are in use: iterators of the Python API"
                " that are not used up keep theirs; close them."
            ) from error
        except Exception as error:
            if not _is_of_driver(error) or is_conflict(error) or is_retryable(error):
                raise
            raise StoreError(self._sentence(error)) from error

    def _sentence(self, error: BaseException | None) -> str:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        for pattern, sentence in _SENTENCES:
            if re.search(pattern, text):
                return sentence.format(db=self.label)
        return f"Database {self.label}: {text}."


_SENTENCES = (
    (
        r"database is locked",
        "Database {db} is locked by another process; run the command again when it has finished.",
    ),
    (
        r"readonly database",
        "Database {db} is read-only; make the file and its folder writable.",
    ),
    (
        r"disk is full|No space left",
        "The disk of database {db} is full; free some space and run the command again.",
    ),
    (
        r"unable to open database file",
        "Database {db} cannot be opened; check that its folder exists and is writable.",
    ),
    (r"file is not a database", "{db} is not a SQLite database."),
    (
        r"no such table|relation .* does not exist",
        "Database {db} holds no personlog tables; 'personlog init' makes them.",
    ),
)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Switch a file to write-ahead logging; SQLite does not wait for the lock that this needs."""
    give_up = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.02)


def _set(connection: sa.Connection, settings: list[str]) -> None:
    """Change settings of a session, outside any transaction."""
    if not settings:
        return
    cursor = driver(connection).cursor()
    for setting in settings:
        cursor.execute(setting)
    cursor.close()
    if connection.dialect.name != "sqlite":
        driver(connection).commit()


def is_conflict(error: BaseException | None) -> bool:
    """Tell whether another writer was first: a unique key was taken."""
    if isinstance(error, sa.exc.DBAPIError):
        error = error.orig
    return isinstance(error, sqlite3.IntegrityError) or _is_of(error, "UniqueViolation")


def is_retryable(error: BaseException | None) -> bool:
    """Tell whether PostgreSQL ended the transaction only because of another one."""
    if isinstance(error, sa.exc.DBAPIError):
        error = error.orig
    return _is_of(error, "SerializationFailure", "DeadlockDetected")


def _is_of_driver(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) or _is_of(error, "Error")


def _is_of(error: BaseException | None, *names: str) -> bool:
    """Tell whether an error is of one of psycopg's classes; it is loaded only if it is used."""
    psycopg = sys.modules.get("psycopg")
    return psycopg is not None and isinstance(
        error, tuple(getattr(psycopg.errors, name) for name in names)
    )


def driver(connection: sa.Connection) -> Any:
    """Give the driver's own connection, inside SQLAlchemy's transaction."""
    return connection.connection.driver_connection


def _parse(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        raise StoreError(
            f"{text!r} is not a database URL; write sqlite:///{text or 'personlog.db'} or"
            " postgresql://user@host/name."
        ) from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise StoreError(f"{text!r} names no file; write sqlite:///personlog.db.")
        return url
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise StoreError(f"{backend!r} databases are not supported; use sqlite or postgresql.")
