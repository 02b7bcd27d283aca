"""Showing things to people: text, tables, progress. Nothing here decides anything."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..domain.json_values import JsonObject
from .tables import Column, layout, printable, shortened

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PIPED_WIDTH = 160
_LONGEST_TASK = 24


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


def print_text(text: str) -> None:
    """Print a line as it is; the terminal wraps it if it must."""
    print(text)  # noqa: T201 - this is the output


def print_bold(text: str) -> None:
    """Print a line that stands out where colours are wanted."""
    print_text(f"\x1b[1m{text}\x1b[0m" if text and _is_coloured() else text)


def print_heading(text: str) -> None:
    """Print a heading, set off by empty lines."""
    print_text("")
    print_bold(text)
    print_text("")


def print_note(text: str) -> None:
    """Tell something on standard error, behind what was printed before."""
    sys.stdout.flush()
    print(printable(text), file=sys.stderr)  # noqa: T201 - this is the output


def print_table(
    shown: Sequence[Column], rows: Iterable[JsonObject], *, empty: str = "none"
) -> None:
    """Print objects as a table of some of their fields, no wider than the terminal."""
    found = list(rows)
    if not found:
        print_text(empty)
        return
    (header, *rest), left_out = layout(shown, found, _width())
    print_bold(header)
    for line in rest:
        print_text(line)
    if left_out:
        print_note(f"Not shown for want of room: {', '.join(left_out)}; see --json.")


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


def _width() -> int:
    """Give the columns of the terminal; what is piped has many."""
    fallback = 80 if sys.stdout.isatty() else _PIPED_WIDTH
    return shutil.get_terminal_size((fallback, 24)).columns


def _is_coloured() -> bool:
    """Tell whether colours are wanted: https://no-color.org, https://force-color.org."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


class ProgressBar:
    """A bar with rate and remaining time; None moves nothing."""

    def __init__(self, progress: "Progress | None") -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def update(self, name: str, done: int, total: int | None, count: int, unit: str) -> None:
        """Show how far ``name`` has come, and at what rate its ``count`` grows."""
        if self._progress is None:
            return
        if name not in self._tasks:
            described = shortened(printable(Path(name).name), _LONGEST_TASK)
            self._tasks[name] = self._progress.add_task(described, rate="")
        task = self._tasks[name]
        elapsed = self._progress.tasks[task].elapsed or 0.0
        rate = f"{count:,} {unit}, {count / elapsed:,.0f}/s" if elapsed > 0 else ""
        self._progress.update(task, completed=done, total=total, rate=rate)


@contextmanager
def progress_bar() -> Iterator[ProgressBar]:
    """Show progress on standard error while the block runs, if that is a terminal."""
    if not sys.stderr.isatty():
        yield ProgressBar(None)
        return
    # Loaded when somebody looks: it takes a while.
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    columns = (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TextColumn("{task.percentage:>3.0f}%"),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield ProgressBar(shown)
