"""Showing things to people: tables, trees of facts, progress. Nothing here decides anything."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ..domain.json_values import JsonObject
from .tables import Column, layout, printable, shortened

_PIPED_WIDTH = 160
_LONGEST_TASK = 24


class _Console(Console):
    """A console that leaves it to its caller that the reader of a pipe has gone."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Console:
    """Give a console; one that is piped is wide and without colour."""
    found = _Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not found.is_terminal:
        width = None if "COLUMNS" in os.environ else _PIPED_WIDTH
        found = _Console(stderr=stderr, highlight=False, width=width, no_color=True)
    return found


def show_what_the_terminal_can() -> None:
    """Let a terminal that is not of UTF-8 show other characters as escapes, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def forget_the_reader() -> None:
    """Let what is still to be written vanish: the reader of the pipe has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def print_json(value: object) -> None:
    """Print one JSON document on one line, as UTF-8 whatever the terminal is of."""
    print_json_lines([value])


def print_json_lines(values: Iterable[object]) -> None:
    """Print one JSON document a line, as UTF-8 whatever the terminal is of."""
    sys.stdout.flush()
    for value in values:
        sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


def print_table(
    shown: Sequence[Column], rows: Iterable[JsonObject], *, empty: str = "none"
) -> None:
    """Print objects as a table of some of their fields, no wider than the terminal."""
    found = list(rows)
    if not found:
        print_text(empty)
        return
    header, *rest = layout(shown, found, console().width)
    print_text(header, style="bold")
    for line in rest:
        print_text(line)


def print_text(text: str, style: str = "") -> None:
    """Print a line as it is; the terminal wraps it if it must."""
    console().print(Text(text, style=style), soft_wrap=True)


def print_facts(facts: JsonObject) -> None:
    """Print an object as one fact a line."""
    flat = [(printable(key), printable(value)) for key, value in _flat(facts)]
    width = max((len(key) for key, _ in flat), default=0)
    for key, value in flat:
        print_text(f"{key:{width}}  {value}")


def _flat(facts: JsonObject, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Give the facts there are, those of objects inside under ``outer.inner``."""
    for key, value in facts.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield prefix + key, value


def print_heading(text: str) -> None:
    """Print a heading, set off by an empty line."""
    print_text("")
    print_text(text, style="bold")
    print_text("")


def print_note(text: str) -> None:
    """Tell something on standard error."""
    console(stderr=True).print(Text(printable(text)), soft_wrap=True)


class ProgressBar:
    """A bar with rate and remaining time; moves only on a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def update(self, name: str, done: int, total: int | None, count: int, unit: str) -> None:
        """Show how far ``name`` has come, and at what rate its ``count`` grows."""
        if name not in self._tasks:
            described = shortened(printable(Path(name).name), _LONGEST_TASK)
            self._tasks[name] = self._progress.add_task(described, rate="")
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
