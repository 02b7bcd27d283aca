"""What each command prints, compared whole: JSON, and text in terminals of 80 and 140 columns.

``pytest tests/cli --update-golden`` writes the files anew; read what changed before you commit.
"""

import re
import shlex
import shutil
from pathlib import Path

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
    ("history", "history alice"),
    ("merges", "merges"),
    ("merges-refused", "merges --refused"),
    ("warnings", "warnings"),
    ("rejected-list", "rejected list"),
    ("buffer-list-empty", "buffer list"),
    ("ingest-held", "ingest held.jsonl"),
    ("buffer-list", "buffer list"),
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
]
"""Run in this order on one database; each prints JSON with ``--json`` and text without."""

JSON_LINES = [("export-persons", "export persons"), ("export-events", "export events")]

HELD = """
{"event": "paid", "distinct_id": "dave", "received_at": "2026-03-03T08:00:00Z", "uuid": "019cb2b6-6800-7000-8000-000000000001"}
{"event": "paid", "distinct_id": "erin", "received_at": "2026-03-03T08:00:40Z", "uuid": "019cb2b7-0440-7000-8000-000000000002"}
"""  # noqa: E501 - each is a line


def check(name: str, found: str, update: bool) -> None:
    file = GOLDEN / name
    if update:
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8"), f"{name} has changed: --update-golden"


def run(command: str, columns: str) -> str:
    found = CliRunner().invoke(main, shlex.split(command), env={"COLUMNS": columns or None})
    assert found.exit_code == 0, found.output
    assert not found.stdout.startswith("{") or "\x1b" not in found.stdout
    printed = found.stdout + "".join(f"(stderr) {line}\n" for line in found.stderr.splitlines())
    return re.sub(r'(?m)(^seconds  +|"seconds":)[\d.]+', r"\1N", printed)


@pytest.mark.parametrize("form", FORMS)
def test_commands_print_what_they_printed(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    update = request.config.getoption("--update-golden")
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "demo.jsonl", tmp_path)
    (tmp_path / "held.jsonl").write_text(HELD.lstrip())
    is_json = form == "json"
    for name, command in COMMANDS:
        found = run(f"{command} --json" if is_json else command, FORMS[form])
        check(f"{name}.{form}", found, update)
    for name, command in JSON_LINES if is_json else ():
        check(f"{name}.{form}", run(command, ""), update)


def test_every_command_has_its_golden_files() -> None:
    shown = {command.partition(" --")[0] for _, command in COMMANDS + JSON_LINES}
    for path in all_commands():
        assert any(each.startswith(path) for each in shown) or path in ("init", "demo"), path
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
