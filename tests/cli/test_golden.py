"""What each command prints, compared whole: JSON, and text in terminals of 80 and 140 columns.

``pytest tests/cli --update-golden`` writes the files anew; read what changed before you commit.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from personlog.cli import main

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).with_name("golden")
FORMS = {"json": "", "80.txt": "80", "140.txt": "140"}

COMMANDS = [
    ("ingest", "ingest demo.jsonl"),
    ("ingest-again", "ingest demo.jsonl"),
    ("person", "person alice"),
    ("person-absorbed", "person person:019cab0a-39a0-8262-8a9d-b4dff93b35a7"),
    ("persons", "persons --limit 3"),
    ("persons-searched", "persons --search TABLET --property plan=team --sort version --desc"),
    ("history", "history alice"),
    ("events", "events bob"),
    ("merges", "merges"),
    ("merges-refused", "merges --refused"),
    ("warnings", "warnings"),
    ("rejected-list", "rejected list"),
    ("buffer-list-empty", "buffer list"),
    ("buffer-status-empty", "buffer status"),
    ("ingest-held", "ingest held.jsonl"),
    ("buffer-list", "buffer list"),
    ("buffer-status", "buffer status"),
    ("buffer-release", "buffer release --until 2026-03-03T08:01:20Z"),
    ("buffer-release-all", "buffer release --all"),
    ("rules-show", "rules show"),
    ("rules-set", "rules set buffer_seconds=120 'name=\"patient\"'"),
    ("projections-list", "projections list"),
    ("projections-status", "projections status"),
    ("projections-rebuild", "projections rebuild merges persons"),
    ("projections-verify", "projections verify --all"),
    ("replay", "replay"),
    ("digest", "digest"),
    ("project-create", "project create shop --token phc_shop"),
    ("project-list", "project list"),
    ("doctor", "doctor"),
    ("schema", "schema"),
    ("compare", "compare answers.jsonl"),
]
"""Run in this order on one database; each prints JSON with ``--json`` and text without."""

JSON_LINES = [("export-persons", "export persons"), ("export-events", "export events")]

STATUS = {"compare": 3}
"""Exit statuses other than 0."""

ANSWERS = """
{"distinct_id": "alice", "person_id": "p-1"}
{"distinct_id": "crm-1042", "person_id": "p-2"}
{"distinct_id": "kiosk-4", "person_id": "p-3"}
{"distinct_id": "kiosk-9", "person_id": "p-3"}
{"distinct_id": "never-seen", "person_id": "p-4"}
"""

HELD = """
{"event": "paid", "distinct_id": "dave", "received_at": "2026-03-03T08:00:00Z", "uuid": "019cb2b6-6800-7000-8000-000000000001"}
{"event": "paid", "distinct_id": "erin", "received_at": "2026-03-03T08:00:40Z", "uuid": "019cb2b7-0440-7000-8000-000000000002"}
"""  # noqa: E501 - each is a line


VARYING = (
    r'(?m)(^seconds  +|"seconds":)[\d.]+',
    r'(?m)(_bytes(?:  +|":))\d+',
    r"(?m)(^disk\.\w+ +)[\d,.]+",
    r"(SQLite )[\d.]+",
)


def check(name: str, found: str, update: bool) -> None:
    file = GOLDEN / name
    if update:
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8"), f"{name} has changed: --update-golden"


def run(command: str, columns: str, status: int = 0) -> str:
    found = CliRunner().invoke(main, shlex.split(command), env={"COLUMNS": columns or None})
    assert found.exit_code == status, found.output
    assert not found.stdout.startswith("{") or "\x1b" not in found.stdout
    printed = found.stdout + "".join(f"(stderr) {line}\n" for line in found.stderr.splitlines())
    for varying in VARYING:
        printed = re.sub(varying, r"\1N", printed)
    return printed


@pytest.mark.parametrize("form", FORMS)
def test_commands_print_what_they_printed(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    update = request.config.getoption("--update-golden")
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "demo.jsonl", tmp_path)
    (tmp_path / "held.jsonl").write_text(HELD.lstrip())
    (tmp_path / "answers.jsonl").write_text(ANSWERS)
    is_json = form == "json"
    for name, command in COMMANDS:
        shown = f"{command} --json" if is_json else command
        found = run(shown, FORMS[form], STATUS.get(name, 0))
        check(f"{name}.{form}", found, update)
    for name, command in JSON_LINES if is_json else ():
        check(f"{name}.{form}", run(command, ""), update)


APART = ("init", "demo", "completion")
"""Commands that are tested elsewhere, or by their examples."""


def test_every_command_has_its_golden_files() -> None:
    shown = {command.partition(" --")[0] for _, command in COMMANDS + JSON_LINES}
    for path in all_commands():
        assert any(each.startswith(path) for each in shown) or path in APART, path
    files = {file.name for file in GOLDEN.iterdir()}
    expected = {f"{name}.{form}" for name, _ in COMMANDS for form in FORMS}
    assert files == expected | {f"{name}.json" for name, _ in JSON_LINES}


def all_commands() -> list[str]:
    """Every command by its path, groups left out."""
    found = []
    for name, command in main.commands.items():
        inner = getattr(command, "commands", None)
        found += [name] if inner is None else [f"{name} {each}" for each in inner]
    return found


def commands_of(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{path}{name} ")
        else:
            yield path + name, command


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*each, id=each[0]) for each in commands_of(main)]
)
def test_every_command_is_explained_by_examples_that_work(
    path: str, command: click.Command, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "demo.jsonl", tmp_path)
    (tmp_path / "export.jsonl").write_text('{"distinct_id": "alice", "person_id": "p-1"}')
    shown = [line.strip() for line in (command.epilog or "").splitlines()[2:]]
    assert shown, path
    personlog = f"{sys.executable} -m personlog"
    subprocess.run([*shlex.split(personlog), "ingest", "demo.jsonl"], cwd=tmp_path, check=True)
    told = {**os.environ, "HOME": str(tmp_path)}
    for example in shown:
        assert path in example
        line = example.replace("personlog", personlog, 1).replace("fish | source", "fish")
        found = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], cwd=tmp_path, env=told, check=False
        )
        assert found.returncode == 0, example
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help or parameter.name in ("sort", "limit", "offset"), parameter.name
