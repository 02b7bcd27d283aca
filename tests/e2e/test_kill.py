"""An import that is killed at random moments, again and again, ends as one that never was."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from signal import SIGKILL
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from personlog import operations
from personlog.adapters.database import Database
from personlog.domain.errors import StoreError
from personlog.engine import Engine

SCRIPT = Path(sys.executable).with_name("personlog")
LINES = 30_000
START = 1_767_225_600_000
TABLES = (
    "projects",
    "inputs",
    "stored_events",
    "rejected",
    "distinct_ids",
    "persons",
    "id_history",
    "merges",
    "ingestion_warnings",
    "rule_sets",
    "cursors",
)
Dump = dict[str, list[tuple[Any, ...]]]


class Uninterrupted(NamedTuple):
    """A file, and what an import of it that nobody disturbs leaves behind in so many seconds."""

    file: Path
    digest: dict[str, Any]
    dump: Dump
    seconds: float


def stream(random: Random) -> Iterator[bytes]:
    """Page views, late identifies, aliases, merges and refusals; some lines are bad.

    Some have no uuid, and some of those come again, much later: they must stay two.
    """
    without_uuid: list[bytes] = []
    users = [f"user-{number}" for number in range(1_500)]
    now = START
    for number in range(LINES):
        now += random.randrange(3_000)
        device, user = f"device-{random.randrange(6_000)}", random.choice(users)
        sent: dict[str, Any] = {"uuid": f"0190aaaa-0000-4000-8000-{number:012x}"}
        sent |= {"event": "$pageview", "distinct_id": device, "received_at": now}
        properties: dict[str, Any] = {"$device_id": device, "$lib": "web"}
        kind = random.randrange(100)
        if kind < 12:
            sent |= {"event": "$identify", "distinct_id": user, "$set": {"plan": kind % 3}}
            properties["$anon_distinct_id"] = device
        elif kind < 24:
            sent |= {"event": "paid", "distinct_id": user}
            properties = {"$lib": "posthog-python", "$set": {"paid": number % 7}}
        elif kind < 27:
            sent |= {"event": "$create_alias", "distinct_id": user}
            properties = {"alias": random.choice([f"crm-{number}", random.choice(users), "null"])}
        elif kind < 40:
            sent["$set"] = {"theme": random.choice(["dark", "light"])}
            if kind < 33:
                del sent["uuid"]
        sent["properties"] = properties
        line = json.dumps(sent).encode() + b"\n"
        yield line
        if "uuid" not in sent:
            without_uuid.append(line)
        if kind == 30:
            yield random.choice(without_uuid)
        elif kind == 31 and number % 2:
            yield b"no line at all: %d\n" % number


def ingest(url: str, file: Path) -> "subprocess.Popen[bytes]":
    command = [str(SCRIPT), "--db", url, "ingest", str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process: "subprocess.Popen[bytes]") -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def dump(engine: Engine) -> Dump:
    """Every row of every table but those that hold versions, without the project's number.

    On PostgreSQL that comes from a sequence, which a transaction that is undone uses up as well.
    """
    with engine.database.read() as connection:
        return {name: rows(connection, operations.TABLES[name]) for name in TABLES}


def rows(connection: sa.Connection, table: sa.Table) -> list[tuple[Any, ...]]:
    number = "id" if table.name == "projects" else "project"
    columns = [
        each for each in table.c if each.name != number or not isinstance(each.type, sa.Integer)
    ]
    query = sa.select(*columns).order_by(*table.primary_key.columns)
    return [
        tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
        for row in connection.execute(query)
    ]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Uninterrupted:
    folder = tmp_path_factory.mktemp("uninterrupted")
    file, url = folder / "stream.jsonl", f"sqlite:///{folder / 'whole.db'}"
    file.write_bytes(b"".join(stream(Random(4))))
    began = time.monotonic()
    finish(ingest(url, file))
    seconds = time.monotonic() - began
    with Engine.open(url) as engine:
        return Uninterrupted(file, engine.digest(None), dump(engine), seconds)


def stored_lines(url: str) -> int:
    """The line of the import cursor; 0 if there is none, or no database yet."""
    query = sa.select(sa.func.max(operations.TABLES["cursors"].c.line))
    try:
        with closing(Database(url)) as database, database.read() as connection:
            return connection.execute(query).scalar() or 0
    except StoreError:
        return 0


def kill(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()


def check_round(url: str, expected: Uninterrupted, random: Random) -> None:
    """Kill amid the import, or early, when there may be no tables yet; kill again; finish."""
    process = ingest(url, expected.file)
    if random.random() < 0.7:
        lines = random.randrange(1, LINES // 2)
        while process.poll() is None and stored_lines(url) < lines:
            time.sleep(0.02)
        kill(process)
        assert process.returncode == -SIGKILL
        assert LINES > stored_lines(url) >= lines
    else:
        time.sleep(random.uniform(0, expected.seconds / 2))
        kill(process)

    process = ingest(url, expected.file)
    time.sleep(random.uniform(0, expected.seconds))
    kill(process)
    finish(ingest(url, expected.file))
    with Engine.open(url) as engine:
        assert engine.digest(None) == expected.digest
        found = dump(engine)
    assert found["cursors"] == []
    for name in TABLES:
        assert found[name] == expected.dump[name], name


def test_the_stream_is_worth_killing(uninterrupted: Uninterrupted) -> None:
    whole = uninterrupted.dump
    assert len(whole["inputs"]) > LINES
    assert len(whole["rejected"]) > 50
    outcomes = [row[1] for row in whole["merges"]]
    assert min(outcomes.count("merged"), outcomes.count("refused")) > 500
    with Engine.open(f"sqlite:///{uninterrupted.file.with_name('whole.db')}") as engine:
        assert engine.projections.verify(None, ())["equal"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_imports_on_sqlite(seed: int, tmp_path: Path, uninterrupted: Uninterrupted) -> None:
    check_round(f"sqlite:///{tmp_path / 'killed.db'}", uninterrupted, Random(seed))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_imports_on_postgresql(
    seed: int, new_postgres: Callable[[], str], uninterrupted: Uninterrupted
) -> None:
    check_round(new_postgres(), uninterrupted, Random(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 24))
def test_more_killed_imports_on_sqlite(
    seed: int, tmp_path: Path, uninterrupted: Uninterrupted
) -> None:
    check_round(f"sqlite:///{tmp_path / 'killed.db'}", uninterrupted, Random(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 24))
def test_more_killed_imports_on_postgresql(
    seed: int, new_postgres: Callable[[], str], uninterrupted: Uninterrupted
) -> None:
    check_round(new_postgres(), uninterrupted, Random(seed))
