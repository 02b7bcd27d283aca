"""Writes the pages of the documentation that follow from the code.

    python docs/generate.py [--check]

``events.md`` from the domain events, ``commands.md`` from the commands, ``tables.md`` from the
schema, the picture of a terminal in the README, and copies of ``CONTRIBUTING.md`` and
``CHANGELOG.md`` for the site. With ``--check`` nothing is written, and the exit status is 1 if
anything would be.
"""

import inspect
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import get_type_hints

import click
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from personlog.cli import main as cli
from personlog.domain.events import EVENT_TYPES, DomainEvent
from personlog.engine import Engine

HERE = Path(__file__).parent
WIDTH = 110
ROOT = HERE.parent


def prose(docstring: str | None) -> str:
    """Turn a docstring into Markdown."""
    text = inspect.cleandoc(docstring or "")
    text = re.sub(r":class:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


def events_page() -> str:
    """Describe every domain event: topic, meaning, fields."""
    lines = [
        "# Domain events",
        "",
        "Every kind of decision, as it is stored in the log. This page is generated from"
        " `domain/events.py`. Topics are part of the stored data and never change.",
        "",
        "All domain events have these fields:",
        "",
        "| field | type | |",
        "| --- | --- | --- |",
        "| `recorded_at` | integer | when the input was processed, in milliseconds since 1970;"
        " never wall time |",
        "| `cause` | object | `position` of the input, with `uuid` of the captured event or"
        " `command` |",
        "| `rules` | integer | version of the rule set that decided |",
        "",
        "`personlog history` shows times in ISO 8601, and the rule set with its name.",
    ]
    for event in EVENT_TYPES:
        lines += ["", f"## `{event.TOPIC}`", "", prose(event.__doc__), ""]
        lines.append(f"Class `{event.__name__}`, version {event.class_version}.")
        fields = [name for name in event.__struct_fields__ if name not in shared_fields()]
        if fields:
            lines += ["", "| field | type |", "| --- | --- |"]
            hints = get_type_hints(event)
            lines += [f"| `{name}` | {described(hints[name])} |" for name in fields]
    return "\n".join(lines) + "\n"


def shared_fields() -> tuple[str, ...]:
    return DomainEvent.__struct_fields__


def described(hint: object) -> str:
    """Say a type as JSON has it."""
    text = str(hint).replace("typing.", "")
    if text.startswith("Literal["):
        return " or ".join(f"`{each.strip()}`" for each in re.findall(r"'([^']*)'", text))
    for found, said in (
        (r"<class 'str'>", "text"),
        (r"<class 'int'>", "integer"),
        (r"list\[str\]", "list of text"),
        (r"dict\[str, .*\]", "object"),
        (r"str \| None", "text or null"),
    ):
        if re.fullmatch(found, text):
            return said
    raise ValueError(text)


def commands_page() -> str:
    """Describe every command by its help."""
    lines = [
        "# Commands",
        "",
        "This page is generated from the commands: `personlog COMMAND --help` prints the same."
        " [JSON of the commands](rules.md#json-of-the-commands) describes their JSON and exit"
        " statuses.",
        "",
        "```text",
        help_of(cli, "personlog"),
        "```",
    ]
    for path, command in commands(cli):
        lines += ["", f"## `{path}`", "", "```text", help_of(command, f"personlog {path}"), "```"]
    return "\n".join(lines) + "\n"


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name in sorted(group.commands):
        command = group.commands[name]
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


def help_of(command: click.Command, path: str) -> str:
    context = click.Context(
        command,
        info_name=path,
        terminal_width=100,
        max_content_width=100,
        help_option_names=["-h", "--help"],
    )
    return command.get_help(context)


def tables_page() -> str:
    """Describe every table and column."""
    lines = [
        "# Tables",
        "",
        "What is stored, as `personlog schema` shows it. Inputs and domain events are written by"
        " the unit of work alone; lookup tables are folds of the log and can be rebuilt from it."
        " Read all tables freely, but write to none.",
    ]
    for table in Engine.describe_tables():
        lines += ["", f"## `{table['table']}`", "", f"{table['meaning']}", ""]
        lines += ["| column | type | | meaning |", "| --- | --- | --- | --- |"]
        lines += [
            f"| `{each['name']}` | {each['type']} | {each['key']} | {each['meaning']} |"
            for each in table["columns"]
        ]
    return "\n".join(lines) + "\n"


def copied(name: str) -> str:
    """Give a page of the root for the site, where the other pages lie beside it."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
    for other in COPIES:
        text = text.replace(f"]({other})", f"]({other.lower()})")
    return text


COPIES = ("CONTRIBUTING.md", "CHANGELOG.md")


THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
)


SHOWN = ("person alice", "merges")


def picture() -> str:
    """Draw what commands really print about the demo, in a terminal of 110 columns."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor")
    script = Path(sys.executable).with_name("personlog")
    told = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    told.pop("NO_COLOR", None)
    with tempfile.TemporaryDirectory() as folder:
        command = [str(script), "--db", f"sqlite:///{Path(folder) / 'demo.db'}"]
        subprocess.run(
            [*command, "ingest", str(ROOT / "demo.jsonl")], capture_output=True, check=True
        )
        for shown in SHOWN:
            printed = subprocess.run(
                [*command, *shown.split()],
                env=told,
                capture_output=True,
                encoding="utf-8",
                check=True,
            ).stdout
            console.print(Text(f"$ personlog {shown}", style="bold green"))
            console.print(Text.from_ansi(printed))
    return console.export_svg(title="personlog", theme=THEME, unique_id="personlog")


PAGES = {
    HERE / "events.md": events_page,
    HERE / "commands.md": commands_page,
    HERE / "tables.md": tables_page,
    HERE / "pictures" / "terminal.svg": picture,
    **{HERE / name.lower(): partial(copied, name) for name in COPIES},
}


def said(page: str) -> str:
    """Give what a page says: of a picture its words, however they are drawn."""
    return re.sub(r"<[^>]*>", " ", page) if page.startswith("<svg") else page


def main() -> int:
    check = "--check" in sys.argv
    stale = []
    for file, make in PAGES.items():
        made = make()
        if not file.exists() or said(file.read_text(encoding="utf-8")) != said(made):
            stale.append(file.name)
            if not check:
                file.write_text(made, encoding="utf-8")
    print("\n".join(f"{name} {'is out of date' if check else 'written'}" for name in stale))
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
