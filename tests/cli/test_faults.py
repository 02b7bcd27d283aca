"""What goes wrong is told in one sentence, with exit status 1 and no traceback."""

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from personlog.adapters import database
from personlog.cli import main

DEMO = str(Path(__file__).parents[2] / "demo.jsonl")
SCRIPT = Path(sys.executable).with_name("personlog")


def personlog(*command: str) -> Result:
    return CliRunner().invoke(main, command)


def sentence(found: Result) -> str:
    """The one sentence of a command that failed."""
    assert (found.exit_code, found.stdout) == (1, ""), found.output
    (line,) = found.stderr.splitlines()
    assert line.startswith("Error: ")
    assert line.endswith(".")
    return line


@pytest.fixture
def filled(tmp_path: Path) -> str:
    """The URL of a SQLite file that holds the demo."""
    url = f"sqlite:///{tmp_path / 'filled.db'}"
    assert personlog("--db", url, "ingest", DEMO).exit_code == 0
    return url


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


READING = ["person alice", "export events", "projections verify", "digest", "rejected list"]


@pytest.mark.parametrize("command", READING)
def test_a_missing_database_is_not_made_by_reading(command: str, tmp_path: Path) -> None:
    file = tmp_path / "none.db"
    assert "There is no database" in sentence(
        personlog("--db", f"sqlite:///{file}", *command.split())
    )
    assert not file.exists()


@pytest.mark.parametrize("command", ["person alice", f"ingest {DEMO}"])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:////nowhere/at/all/x.db", "/nowhere/at/all/x.db"),
        ("sqlite://", "names no file"),
        ("mysql://x/y", "'mysql' databases are not supported"),
        ("personlog.db", "sqlite:///personlog.db"),
        ("postgresql://x@localhost:1/y", "Connection refused"),
        ("postgresql://x@nowhere.invalid/y", "nowhere.invalid"),
    ],
)
def test_a_database_that_cannot_be_reached(url: str, told: str, command: str) -> None:
    assert told in sentence(personlog("--db", url, *command.split()))


def test_a_postgresql_database_that_is_not_there(new_postgres: Callable[[], str]) -> None:
    url = new_postgres().replace("/personlog_", "/no_personlog_", 1)
    assert "does not exist" in sentence(personlog("--db", url, "ingest", DEMO))


def test_a_password_is_not_shown() -> None:
    url = "postgresql://x:secret@localhost:1/y"
    assert "secret" not in sentence(personlog("--db", url, "person", "alice"))


@pytest.mark.parametrize("command", ["person alice", f"ingest {DEMO}", "init"])
def test_a_file_that_is_no_database(command: str, tmp_path: Path) -> None:
    file = tmp_path / "text.db"
    file.write_text("This is no database, but it is long enough to be looked at." * 20)
    before = file.read_bytes()
    told = sentence(personlog("--db", f"sqlite:///{file}", *command.split()))
    assert "is not a SQLite database" in told
    assert file.read_bytes() == before


def test_a_database_without_our_tables(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    sqlite3.connect(file).executescript("CREATE TABLE theirs (x)").close()
    assert "holds no personlog tables" in sentence(
        personlog("--db", f"sqlite:///{file}", "person", "alice")
    )


@pytest.mark.parametrize("command", ["person alice", f"ingest {DEMO}", "init"])
def test_a_database_of_a_newer_personlog(command: str, filled: str) -> None:
    with sqlite3.connect(file_of(filled)) as connection:
        connection.execute("UPDATE schema_versions SET version = 99 WHERE name = 'personlog'")
    told = sentence(personlog("--db", filled, *command.split()))
    assert "schema version 99" in told
    assert "install a newer personlog" in told


def test_a_database_that_another_process_has_locked(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 0.1)
    other = sqlite3.connect(file_of(filled), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    told = sentence(personlog("--db", filled, "rules", "set", "buffer_seconds=0"))
    assert "is locked by another process" in told
    assert personlog("--db", filled, "person", "alice").exit_code == 0
    other.close()


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'full.db'}"
    assert personlog("--db", url, "init").exit_code == 0
    pages = sqlite3.connect(file_of(url)).execute("PRAGMA page_count").fetchone()[0]
    limit = f"PRAGMA max_page_count = {pages}"
    with monkeypatch.context() as limited:
        limited.setattr(database, "_SQLITE_PRAGMAS", (*database._SQLITE_PRAGMAS, limit))
        big = tmp_path / "big.jsonl"
        line = (
            '{{"event":"x","distinct_id":"d{}","timestamp":"2026-01-01","properties":{{"a":"{}"}}}}'
        )
        big.write_text("\n".join(line.format(n, "a" * 500) for n in range(2_000)))
        assert "is full" in sentence(personlog("--db", url, "ingest", str(big)))
    assert personlog("--db", url, "ingest", str(big), "--json").stdout.startswith(
        '{"read":2000,"stored":2000,'
    )


def test_a_file_of_captured_events_that_is_not_there(filled: str) -> None:
    told = sentence(personlog("--db", filled, "ingest", DEMO, "missing.jsonl"))
    assert "missing.jsonl does not exist" in told


def test_a_folder_is_no_file_of_captured_events(filled: str, tmp_path: Path) -> None:
    told = sentence(personlog("--db", filled, "ingest", str(tmp_path)))
    assert "is a directory; nothing was imported" in told


def test_a_database_is_not_made_for_a_file_that_is_not_there(tmp_path: Path) -> None:
    sentence(personlog("--db", f"sqlite:///{tmp_path / 'new.db'}", "ingest", "missing.jsonl"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    assert "is a directory" in sentence(personlog("--db", f"sqlite:///{tmp_path}", "persons"))


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_that_is_not_packed_as_its_name_says(
    filled: str, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"events.jsonl{suffix}"
    file.write_text("{}")
    assert f"is not {suffix} data" in sentence(personlog("--db", filled, "ingest", str(file)))


def test_packed_data_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(gzip.compress(Path(DEMO).read_bytes()))
    db = f"sqlite:///{tmp_path / 'new.db'}"
    assert '"stored":23,' in personlog("--db", db, "ingest", str(file), "--json").stdout
    command = [str(SCRIPT), "--db", db, "ingest", "-", "--json"]
    found = subprocess.run(command, input=file.read_bytes(), capture_output=True, check=True)
    assert b'"stored":0,"duplicates":24,' in found.stdout


def test_lines_that_are_rejected_are_told(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are\nno events\n")
    found = personlog("--db", f"sqlite:///{tmp_path / 'new.db'}", "ingest", str(file))
    assert found.exit_code == 0
    assert "rejected: 2; 'personlog rejected list' shows them. That is every line" in found.stderr


@pytest.mark.parametrize("option", ["--project=shop", "--db=sqlite:///a.db", "--debug"])
def test_an_option_that_stands_before_the_command(filled: str, option: str) -> None:
    found = personlog("--db", filled, "persons", option)
    assert found.exit_code == 2
    assert f"{option.partition('=')[0]} stands before the command" in found.stderr


def test_a_database_without_projects_is_empty(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'new.db'}"
    personlog("--db", db, "init")
    lists = ["persons", "merges", "warnings", "rejected list", "buffer list", "export persons"]
    for command in [*lists, "export events", "project list", "projections status"]:
        found = personlog("--db", db, *command.split())
        assert (found.exit_code, found.stderr) == (0, ""), command
    for command in ("digest", "rules show", "buffer status", "projections verify", "replay"):
        assert personlog("--db", db, *command.split()).exit_code == 0, command
    assert "'alice'" in sentence(personlog("--db", db, "person", "alice"))


def test_a_project_is_to_be_chosen_among_several(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'new.db'}"
    for name in ("shop", "blog"):
        personlog("--db", db, "project", "create", name)
    told = sentence(personlog("--db", db, "persons"))
    assert "2 projects, and none is called 'default'; choose one with --project" in told
    assert "'no'" in sentence(personlog("--db", db, "--project", "no", "doctor"))


def test_comparing_with_a_file_that_names_no_persons(filled: str) -> None:
    told = sentence(personlog("--db", filled, "compare", DEMO))
    assert "names no persons: there is nothing to compare" in told


def without_privileges(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command whose user is held to the permissions of files, even if that is root."""
    prefix: list[str] = []
    if os.geteuid() == 0 and (setpriv := shutil.which("setpriv")):
        prefix = [setpriv, "--bounding-set=-dac_override,-dac_read_search"]
    return subprocess.run(
        [*prefix, str(SCRIPT), *command], capture_output=True, encoding="utf-8", check=False
    )


def test_a_read_only_database_can_be_read_but_not_written(filled: str) -> None:
    file_of(filled).chmod(0o444)
    assert without_privileges("--db", filled, "person", "alice").returncode == 0
    found = without_privileges("--db", filled, "ingest", DEMO)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.splitlines() == [
        f"Error: Database {filled} is read-only; make the file and its folder writable."
    ]


def test_a_file_that_may_not_be_read(filled: str, tmp_path: Path) -> None:
    file = tmp_path / "secret.jsonl"
    file.write_text("{}")
    file.chmod(0)
    found = without_privileges("--db", filled, "ingest", str(file))
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.splitlines() == [f"Error: {file} cannot be opened: Permission denied."]


def test_a_read_only_postgresql_session(new_postgres: Callable[[], str]) -> None:
    url = new_postgres()
    assert personlog("--db", url, "init").exit_code == 0
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "read-only" in sentence(personlog("--db", url, "ingest", DEMO))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("person nobody", "'nobody'"),
        ("history nobody", "'nobody'"),
        ("--project no person alice", "'no'"),
        ("--project no projections verify", "'no'"),
        ("rules set no=1", "Rule 'no' cannot be set"),
        ("rules set buffer_seconds=-1", "buffer_seconds cannot be -1"),
        ("rules set buffer_seconds=soon", 'buffer_seconds cannot be "soon"'),
        ("buffer release --until 2999-01-01", "more than 24 hours ahead"),
        ("projections verify no", "'no'; there are distinct_ids"),
        ("projections rebuild no", "'no'; there are distinct_ids"),
        ("project create default", "'default' already"),
        ("project create a --token=", "cannot be blank"),
    ],
)
def test_what_is_asked_for_is_named(command: str, told: str, filled: str) -> None:
    assert told in sentence(personlog("--db", filled, *command.split()))


@pytest.mark.parametrize(
    "command",
    ["ingest", "person", "buffer release", "buffer release --until soon", "rules set x", "nothing"],
)
def test_wrong_usage(command: str, filled: str) -> None:
    found = personlog("--db", filled, *command.split())
    assert (found.exit_code, found.stdout) == (2, "")
    assert "Usage: " in found.stderr


def test_a_difference_has_a_status_of_its_own(filled: str) -> None:
    with sqlite3.connect(file_of(filled)) as connection:
        connection.execute("UPDATE persons SET version = version + 1")
    for command in ("projections verify", "replay"):
        found = personlog("--db", filled, *command.split(), "--json")
        assert found.exit_code == 3
        assert found.stdout.startswith('{"equal":false,"first_difference":{')


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM stored_events WHERE position = 38",
        "DELETE FROM stored_events WHERE position = 7",
        "UPDATE stored_events SET version = 99 WHERE position = 7",
        "UPDATE stored_events SET state = CAST('{}' AS BLOB) WHERE position = 7",
        "UPDATE stored_events SET topic = 'foo' WHERE position = 7",
        "UPDATE projects SET log_head = 39",
    ],
)
def test_a_damaged_log_is_a_difference(damage: str, filled: str) -> None:
    with sqlite3.connect(file_of(filled)) as connection:
        connection.execute(damage)
    for command in ("projections verify", "replay"):
        found = personlog("--db", filled, *command.split(), "--json")
        assert found.exit_code == 3, found.output
        difference = json.loads(found.stdout)["first_difference"]
        assert (difference["what"], difference["project"]) == ("log", "default")


def test_arguments_that_are_no_utf_8(filled: str, tmp_path: Path) -> None:
    file = os.fsencode(tmp_path) + b"/b\xff.jsonl"
    Path(os.fsdecode(file)).write_bytes(b'{"event":"x","distinct_id":"a"}\nbad\n')
    for command, status in (
        ([b"person", b"\xff"], 1),
        ([b"--project", b"\xff", b"rules", b"set", b"buffer_seconds=0"], 0),
        ([b"ingest", file], 0),
        ([b"rejected", b"list"], 0),
    ):
        whole = [str(SCRIPT).encode(), b"--db", filled.encode(), *command]
        found = subprocess.run(whole, capture_output=True, check=False)
        assert found.returncode == status, found.stderr
        assert b"Traceback" not in found.stderr


def test_a_long_id_is_found_by_what_it_was_cut_to(filled: str, tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    sent = {"event": "x", "distinct_id": "a" * 300, "timestamp": "2026-04-01"}
    file.write_text(json.dumps({**sent, "properties": {"$device_id": "a" * 200}}))
    assert personlog("--db", filled, "ingest", str(file)).exit_code == 0
    found = personlog("--db", filled, "person", "a" * 300, "--json")
    assert json.loads(found.stdout)["distinct_ids"] == ["a" * 200]


def test_commands_without_a_project_are_about_the_one_that_reading_shows(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    personlog("--db", url, "--project", "shop", "ingest", DEMO)
    assert personlog("--db", url, "rules", "set", "buffer_seconds=5").exit_code == 0
    assert [each["name"] for each in json_lines("--db", url, "project", "list")] == ["shop"]
    assert json_lines("--db", url, "rules", "show")[0]["buffer_seconds"] == 5


def json_lines(*command: str) -> list[dict[str, Any]]:
    found = personlog(*command, "--json")
    assert found.exit_code == 0, found.output
    return [json.loads(line) for line in found.stdout.splitlines()]


@pytest.mark.parametrize("name", ["a\nb", "x" * 201, ""])
def test_no_command_makes_a_project_of_an_unfit_name(name: str, filled: str) -> None:
    for command in ("rules set buffer_seconds=0", f"ingest {DEMO}"):
        told = sentence(personlog("--db", filled, "--project", name, *command.split()))
        assert "cannot name a project" in told


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    command = ["--debug", "--db", f"sqlite:///{tmp_path / 'no.db'}", "person", "alice"]
    found = subprocess.run([str(SCRIPT), *command], capture_output=True, check=False)
    assert found.returncode == 1
    assert found.stderr.startswith(b"Traceback")


def test_a_release_of_nothing_tells_where_the_clock_stands(filled: str) -> None:
    found = personlog("--db", filled, "buffer", "release", "--until", "2020-01-01")
    assert found.stdout.split() == ["released", "0"]
    assert "Nothing fell due; the project's clock stands at 2026-03-02T" in found.stderr
