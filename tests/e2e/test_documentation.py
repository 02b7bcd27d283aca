"""Every command the documents show is run, and does what they say it does.

A fenced ``console`` or ``sh`` block holds commands, each after ``$``, and what they print. A line
``...`` stands for any number of lines; ``# exit status N`` behind a command tells one other than 0.
An ``sql`` or ``pgsql`` block is a query, and the ``text`` block behind it its rows.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from personlog.engine import Engine

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).with_name("personlog")
STAND_INS = {"make demo": f"{SCRIPT.name} demo"}
"""What to run instead of a command: its recipe, without the setting up."""

SKIPPED = {"make test"}
"""Commands that are not run here, each a target of the Makefile."""

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


class Shown(NamedTuple):
    """A command as a document shows it."""

    command: str
    status: int
    output: list[str]


def blocks(document: Path) -> list[tuple[str, str]]:
    return FENCE.findall(document.read_text(encoding="utf-8"))


def commands(document: Path) -> Iterator[Shown]:
    for language, text in blocks(document):
        if language in ("console", "sh"):
            for shown in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                first, *output = shown.splitlines()
                command, _, status = first.partition("  # exit status ")
                yield Shown(command, int(status or 0), output)


def as_shown(expected: Sequence[str]) -> re.Pattern[str]:
    lines = (r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n" for line in expected)
    return re.compile("".join(lines))


def trimmed(text: str) -> str:
    """Without the blanks that tables are filled up with."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n") + "\n"


def run(command: str, folder: Path) -> tuple[int, str]:
    told = ("PERSONLOG_DB", "COLUMNS", "LINES")
    environment = {name: value for name, value in os.environ.items() if name not in told}
    environment["PATH"] = f"{SCRIPT.parent}{os.pathsep}{environment['PATH']}"
    found = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return found.returncode, found.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_do_what_is_shown(document: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "demo.jsonl", tmp_path)
    for shown in commands(document):
        assert "postgresql" not in shown.command, f"{shown.command} cannot be run here"
        if shown.command in SKIPPED:
            continue
        status, output = run(STAND_INS.get(shown.command, shown.command), tmp_path)
        assert status == shown.status, f"{shown.command}: {output}"
        if shown.output:
            wanted = trimmed("\n".join(shown.output))
            assert as_shown(wanted.splitlines()).fullmatch(trimmed(output)), (
                f"$ {shown.command}\n{document.name} shows\n{wanted}\nbut it prints\n{output}"
            )


def test_make_targets_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in SKIPPED | STAND_INS.keys():
        assert f"\n{command.removeprefix('make ')}: $(READY)\n" in makefile
    assert "\ndemo: $(READY)\n\t@$(BIN)/personlog demo\n" in makefile


@pytest.mark.parametrize("language", ["sql", "pgsql"])
def test_queries_find_what_is_shown(
    language: str, tmp_path: Path, new_postgres: Callable[[], str]
) -> None:
    url = new_postgres() if language == "pgsql" else f"sqlite:///{tmp_path / 'personlog.db'}"
    with Engine.open(url, create=True) as engine:
        engine.ingest([str(ROOT / "demo.jsonl")])
        shown = [each for document in DOCUMENTS for each in pairwise(blocks(document))]
        queries = [(query, rows) for (kind, query), (_, rows) in shown if kind == language]
        assert queries
        with engine.database.read() as connection:
            for query, rows in queries:
                found = connection.exec_driver_sql(query).all()
                assert "".join(" | ".join(map(str, row)) + "\n" for row in found) == rows, query
