"""The `eventsourcing` library's own recorder test cases, on both databases."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from eventsourcing.tests import persistence as library

from personlog.adapters.database import Database
from personlog.adapters.recorder import (
    PersonlogAggregateRecorder,
    PersonlogApplicationRecorder,
    PersonlogProcessRecorder,
    PersonlogTrackingRecorder,
)
from personlog.engine import Engine

PROJECT = "recorded"


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """Open a database; close it when the readers that the library does not join have ended."""
    before = set(threading.enumerate())
    with Engine.open(url, create=True) as engine:
        yield engine.database
        for thread in set(threading.enumerate()) - before:
            thread.join(timeout=10)


class OnSqlite:
    """Gives every test a fresh SQLite file."""

    database: Database

    @pytest.fixture(autouse=True)
    def _fresh_database(self, tmp_path: Path) -> Iterator[None]:
        with opened(f"sqlite:///{tmp_path / 'recorder.db'}") as self.database:
            yield


class OnPostgres:
    """Gives every test a fresh PostgreSQL database."""

    database: Database

    @pytest.fixture(autouse=True)
    def _fresh_database(self, new_postgres: Callable[[], str]) -> Iterator[None]:
        with opened(new_postgres()) as self.database:
            yield


class TestAggregateRecorderOnSqlite(OnSqlite, library.AggregateRecorderTestCase):
    def create_recorder(self) -> PersonlogAggregateRecorder:
        return PersonlogAggregateRecorder(self.database, PROJECT)


class TestAggregateRecorderOnPostgres(OnPostgres, library.AggregateRecorderTestCase):
    def create_recorder(self) -> PersonlogAggregateRecorder:
        return PersonlogAggregateRecorder(self.database, PROJECT)


class TestApplicationRecorderOnSqlite(
    OnSqlite, library.ApplicationRecorderTestCase[PersonlogApplicationRecorder]
):
    def create_recorder(self) -> PersonlogApplicationRecorder:
        return PersonlogApplicationRecorder(self.database, PROJECT)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestApplicationRecorderOnPostgres(
    OnPostgres, library.ApplicationRecorderTestCase[PersonlogApplicationRecorder]
):
    def create_recorder(self) -> PersonlogApplicationRecorder:
        return PersonlogApplicationRecorder(self.database, PROJECT)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestTrackingRecorderOnSqlite(OnSqlite, library.TrackingRecorderTestCase):
    def create_recorder(self) -> PersonlogTrackingRecorder:
        return PersonlogTrackingRecorder(self.database, PROJECT)


class TestTrackingRecorderOnPostgres(OnPostgres, library.TrackingRecorderTestCase):
    def create_recorder(self) -> PersonlogTrackingRecorder:
        return PersonlogTrackingRecorder(self.database, PROJECT)


class TestProcessRecorderOnSqlite(OnSqlite, library.ProcessRecorderTestCase):
    def create_recorder(self) -> PersonlogProcessRecorder:
        return PersonlogProcessRecorder(self.database, PROJECT)


class TestProcessRecorderOnPostgres(OnPostgres, library.ProcessRecorderTestCase):
    def create_recorder(self) -> PersonlogProcessRecorder:
        return PersonlogProcessRecorder(self.database, PROJECT)


class TestNotificationsDoNotInterleaveOnSqlite(
    OnSqlite, library.NonInterleavingNotificationIDsBaseCase
):
    def create_recorder(self) -> PersonlogApplicationRecorder:
        return PersonlogApplicationRecorder(self.database, PROJECT)


class TestNotificationsDoNotInterleaveOnPostgres(
    OnPostgres, library.NonInterleavingNotificationIDsBaseCase
):
    def create_recorder(self) -> PersonlogApplicationRecorder:
        return PersonlogApplicationRecorder(self.database, PROJECT)
