"""Real terminals and pipes: progress where somebody looks, and nothing that harms a terminal."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(sys.executable).with_name("personlog")
DEMO = Path(__file__).parents[2] / "demo.jsonl"


def in_a_terminal(*command: str, **environment: str) -> str:
    """Run a command whose standard output and error are one terminal; give what that showed."""
    ours, theirs = pty.openpty()
    told = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment}
    with subprocess.Popen([str(SCRIPT), *command], stdout=theirs, stderr=theirs, env=told) as run:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:  # Linux tells the end of a terminal's other side as an error
                break
            if not part:
                break
            shown += part
    os.close(ours)
    assert run.returncode == 0, shown
    return shown.decode()


def piped(*command: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    told = {**os.environ, **environment}
    return subprocess.run([str(SCRIPT), *command], capture_output=True, env=told, check=False)


@pytest.fixture
def db(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'personlog.db'}"
    assert piped("--db", url, "ingest", str(DEMO)).returncode == 0
    return url


def test_an_import_shows_its_progress_on_a_terminal(tmp_path: Path) -> None:
    file = tmp_path / "many.jsonl"
    line = '{{"event":"x","distinct_id":"d{}","timestamp":"2026-01-01","uuid":"{:08}-0000-4000-8000-000000000000"}}'  # noqa: E501
    file.write_text("\n".join(line.format(n % 50, n) for n in range(12_000)))
    url = f"sqlite:///{tmp_path / 'personlog.db'}"
    shown = in_a_terminal("--db", url, "ingest", str(file))
    assert "many.jsonl" in shown
    assert "12,000 lines" in shown
    assert "/s" in shown
    assert piped("--db", url, "ingest", str(file)).stderr.count(b"lines") == 0


def test_colours_are_for_terminals_that_want_them(db: str) -> None:
    assert "\x1b[1m" in in_a_terminal("--db", db, "merges")
    assert "\x1b[" not in in_a_terminal("--db", db, "merges", NO_COLOR="1", TERM="dumb")
    assert b"\x1b" not in piped("--db", db, "merges").stdout


def test_control_characters_are_made_harmless(db: str, tmp_path: Path) -> None:
    distinct_id = "\x1b]0;owned\x07\u202e"
    sent: dict[str, Any] = {"event": "x", "distinct_id": distinct_id, "timestamp": "2026-04-01"}
    sent["$set"] = {"\x1b[31m": "\x9b2J"}
    file = tmp_path / "evil\x1b[2J.jsonl"
    file.write_text(json.dumps(sent) + "\n\x1b[31mno json\n")
    assert piped("--db", db, "ingest", str(file)).returncode == 0
    assert piped("--db", db, "buffer", "release", "--all").returncode == 0
    commands = [
        ["person", distinct_id],
        ["history", distinct_id],
        ["rejected", "list"],
        ["person", "\x1b[31m"],
        ["ingest", "\x1b[31m"],
    ]
    for command in commands:
        found = piped("--db", db, *command)
        for control in ("\x1b", "\x07", "\x9b", "\u202e"):
            assert control not in (found.stdout + found.stderr).decode(), command


def test_a_terminal_of_another_encoding_is_served(db: str) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    found = piped("--db", db, "history", "alice", **ascii_only)
    assert found.returncode == 0
    assert b"plan: free \\u2192 pro" in found.stdout


def test_json_is_utf_8_everywhere(db: str, tmp_path: Path) -> None:
    file = tmp_path / "names.jsonl"
    file.write_text('{"event":"x","distinct_id":"jos\u00e9","timestamp":"2026-04-01"}')
    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    assert piped("--db", db, "ingest", str(file)).returncode == 0
    found = piped("--db", db, "buffer", "list", "--json", **ascii_only)
    assert json.loads(found.stdout.decode("utf-8"))["distinct_id"] == "jos\u00e9"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database whose lists are longer than what a pipe holds."""
    folder = tmp_path_factory.mktemp("many")
    lines = [
        {
            "event": "$identify",
            "distinct_id": f"user-{n}",
            "timestamp": f"2026-01-01T00:{n % 60:02}:00Z",
            "properties": {"$anon_distinct_id": other, "$set": {"filler": "x" * 200}},
        }
        for n in range(2_000)
        for other in (f"phone-{n}", f"shared-{n // 2}")
    ]
    (folder / "many.jsonl").write_text("\n".join(map(json.dumps, lines)))
    db = f"sqlite:///{folder / 'many.db'}"
    assert piped("--db", db, "ingest", str(folder / "many.jsonl")).returncode == 0
    return db


@pytest.mark.parametrize(
    "shown", ["export events", "export persons", "merges --json", "warnings --json", "persons"]
)
def test_a_reader_that_goes_away_amid_a_long_list_is_no_error(many: str, shown: str) -> None:
    command = f"set -o pipefail; '{SCRIPT}' --db '{many}' {shown} | head -n 1"
    found = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert found.returncode == 0
    # What a list leaves out may be told before the reader is missed, or not.
    notes = ("There are more", "Not shown for want of room")
    assert all(line.startswith(notes) for line in found.stderr.decode().splitlines())
    assert len(found.stdout.splitlines()) == 1


def test_a_line_break_in_an_id_makes_no_row(many: str, tmp_path: Path) -> None:
    line = {
        "event": "$identify",
        "distinct_id": "mallory\nalice",
        "timestamp": "2026-02-01T00:00:00Z",
        "properties": {"$anon_distinct_id": "m", "$set": {"note": "1\nplan: pro"}},
    }
    file = tmp_path / "mallory.jsonl"
    file.write_text(json.dumps(line))
    assert piped("--db", many, "ingest", str(file)).returncode == 0
    for shown in (["persons", "--search", "mallory"], ["history", "m"], ["events", "m"]):
        text = piped("--db", many, *shown).stdout.decode()
        assert "\\nalice" in text, shown
        rows = [line.strip() for line in text.splitlines()]
        assert not any(row.startswith(("alice", "plan: pro")) for row in rows), shown


def test_the_persons_that_tables_show_can_be_asked_for(many: str) -> None:
    listed = piped("--db", many, "persons", "--limit", "1").stdout.decode().splitlines()
    short = listed[2].split()[0]
    found = json.loads(piped("--db", many, "person", short, "--json").stdout)
    assert found["person_id"].endswith(short)
    assert piped("--db", many, "history", f"person:{short}").returncode == 0
    searched = piped("--db", many, "persons", "--search", short, "--json").stdout
    assert json.loads(searched)["person_id"] == found["person_id"]


def test_a_reader_that_goes_away_is_no_error(db: str) -> None:
    for shown in ("export events", "events alice", "history alice"):
        command = f"set -o pipefail; '{SCRIPT}' --db '{db}' {shown} | head -n 1"
        found = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
        assert (found.returncode, found.stderr) == (0, b"")
        assert len(found.stdout.splitlines()) == 1
