"""Showing things to people: tables, trees of facts, progress. Nothing here decides anything."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ..domain.json_values import JsonObject, compact

_PIPED_WIDTH = 160


def console(*, stderr: bool = False) -> Console:
    """Give a console; one that is piped is wide and without colour."""
    found = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not found.is_terminal:
        width = None if "COLUMNS" in os.environ else _PIPED_WIDTH
        found = Console(stderr=stderr, highlight=False, width=width, no_color=True)
    return found


def print_json(value: object) -> None:
    """Print one JSON document on one line."""
    print(msgspec.json.encode(value).decode())  # noqa: T201 - this is the output


def print_json_lines(values: Iterable[object]) -> None:
    """Print one JSON document a line."""
    for value in values:
        print_json(value)


def printable(value: object) -> str:
    """Write a value so that no control character reaches the terminal."""
    text = value if isinstance(value, str) else "" if value is None else compact(value)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def print_table(
    columns: Sequence[str],
    rows: Iterable[JsonObject],
    *,
    wide: Sequence[str] = (),
    empty: str = "none",
) -> None:
    """Print objects as a table of some of their fields.

    Columns named in ``wide`` share the width that is left and fold; the others stay whole.
    """
    out = console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column not in wide, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    if table.row_count:
        with out.capture() as captured:
            out.print(table)
        lines = captured.get().splitlines()
        out.print(Text.from_ansi("\n".join(line.rstrip() for line in lines)))
    else:
        out.print(Text(empty))


def _cell(value: object) -> str:
    """Write a value for a table: its own line breaks stay."""
    text = value if isinstance(value, str) else "" if value is None else compact(value)
    return "\n".join(printable(line) for line in text.split("\n"))


def print_facts(facts: JsonObject) -> None:
    """Print an object as one fact a line."""
    out = console()
    flat = dict(_flat(facts))
    width = max(map(len, flat), default=0)
    for key, value in flat.items():
        out.print(Text(f"{key:{width}}  {printable(value)}"))


def _flat(facts: JsonObject, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Give the facts there are, those of objects inside under ``outer.inner``."""
    for key, value in facts.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield prefix + key, value


def print_heading(text: str) -> None:
    """Print a heading, set off by an empty line."""
    out = console()
    out.print()
    out.print(Text(text, style="bold"))
    out.print()


def print_note(text: str) -> None:
    """Tell something on standard error."""
    console(stderr=True).print(Text(printable(text)))


class ProgressBar:
    """A bar with rate and remaining time; moves only on a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def update(self, name: str, done: int, total: int | None, count: int, unit: str) -> None:
        """Show how far ``name`` has come, and at what rate its ``count`` grows."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(printable(name), rate="")
        task = self._tasks[name]
        elapsed = self._progress.tasks[task].elapsed or 0.0
        rate = f"{count:,} {unit}, {count / elapsed:,.0f}/s" if elapsed > 0 else ""
        self._progress.update(task, completed=done, total=total, rate=rate)


@contextmanager
def progress_bar() -> Iterator[ProgressBar]:
    """Show progress on standard error while the block runs."""
    columns: tuple[Any, ...] = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    error = Console(stderr=True)
    with Progress(*columns, console=error, transient=True, disable=not error.is_terminal) as shown:
        yield ProgressBar(shown)
