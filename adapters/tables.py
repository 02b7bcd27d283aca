"""Tables that fit the terminal: what does not fit is left out, shortened or folded, in this order.

Nothing here decides anything about persons.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from ..domain.json_values import JsonObject, compact

_GAP = 2
_LEAST_WIDTH = 12
_EASY_WIDTH = 24
"""Cells in which a text is easy to read: optional columns give way for it."""
_MIDDLE = "…"
_UNITS = re.compile(r"\\u[0-9a-f]{4}|\\[bfnrt]|.", re.DOTALL)
"""A character, or the escape of one: nothing is cut in the middle of it."""


class Column(NamedTuple):
    """A column of a table.

    An ``optional`` one is left out where the terminal is too narrow for all, the last of them
    first. An ``id`` is shortened in its middle, since both ends tell IDs apart; ``text`` folds.
    Columns of neither kind stay whole.
    """

    name: str
    kind: str = ""
    optional: bool = False


def columns(*described: str) -> tuple[Column, ...]:
    """Read columns from ``name``, ``name:id``, ``name:text``, each optional with a ``?`` behind."""
    found = []
    for each in described:
        name, _, kind = each.removesuffix("?").partition(":")
        found.append(Column(name, kind, each.endswith("?")))
    return tuple(found)


class Layout(NamedTuple):
    """The lines of a table, and the names of filled columns that there was no room for."""

    lines: list[str]
    left_out: list[str]


def layout(wanted: Sequence[Column], rows: Iterable[JsonObject], width: int) -> Layout:
    """Lay out a table that is at most ``width`` cells wide where that can be.

    A value that is a tuple is one line for each of its texts.
    """
    cells = [[_lines(row.get(column.name)) for column in wanted] for row in rows]
    natural = [
        max(cell_len(line) for line in [column.name, *(line for row in cells for line in row[n])])
        for n, column in enumerate(wanted)
    ]
    filled = [any(row[n] != [""] for row in cells) for n in range(len(wanted))]
    shown = _that_fit(wanted, natural, filled, width)
    widths = _shared([wanted[n] for n in shown], [natural[n] for n in shown], width)
    header = [[wanted[n].name] for n in shown]
    lines = _row_lines(header, widths)
    lines.append("─" * min(width, sum(widths) + _GAP * (len(widths) - 1)))
    for row in cells:
        fitted = [
            _fitted(row[n], wanted[n].kind, size) for n, size in zip(shown, widths, strict=True)
        ]
        lines += _row_lines(fitted, widths)
    left_out = [wanted[n].name for n in range(len(wanted)) if filled[n] and n not in shown]
    return Layout(lines, left_out)


def printable(value: object) -> str:
    """Write a value so that no control character reaches the terminal."""
    text = value if isinstance(value, str) else "" if value is None else compact(value)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def shortened(text: str, width: int) -> str:
    """Shorten a text in its middle to ``width`` cells."""
    if cell_len(text) <= width:
        return text
    units = _UNITS.findall(text)
    end = _begun(units[::-1], (width - 1) // 2)[::-1]
    begun = _begun(units, width - 1 - cell_len("".join(end)))
    return "".join(begun) + _MIDDLE + "".join(end)


def _begun(units: Sequence[str], width: int) -> list[str]:
    """Take as many units as ``width`` cells hold."""
    taken: list[str] = []
    for unit in units:
        width -= cell_len(unit)
        if width < 0:
            break
        taken.append(unit)
    return taken


def _lines(value: object) -> list[str]:
    """Write a value for a cell."""
    return [*map(printable, value)] if isinstance(value, tuple) else [printable(value)]


def _least(column: Column, natural: int) -> int:
    least = max(_LEAST_WIDTH, cell_len(column.name))
    return min(natural, least) if column.kind else natural


def _easy(column: Column, natural: int) -> int:
    easy = min(natural, _EASY_WIDTH) if column.kind == "text" else 0
    return max(easy, _least(column, natural))


def _that_fit(
    wanted: Sequence[Column], natural: Sequence[int], filled: Sequence[bool], width: int
) -> list[int]:
    """Leave out optional columns, the last one first, until the others can have their least.

    One that holds nothing needs no room at all.
    """
    shown = [n for n, column in enumerate(wanted) if filled[n] or not column.optional]
    while True:
        needed = sum(_easy(wanted[n], natural[n]) for n in shown) + _GAP * (len(shown) - 1)
        spare = [n for n in shown if wanted[n].optional]
        if needed <= width or not spare:
            return shown
        shown.remove(spare[-1])


def _shared(shown: Sequence[Column], natural: Sequence[int], width: int) -> list[int]:
    """Share the width: those that give way take no more of what is left than they need."""
    widths = [_least(column, size) for column, size in zip(shown, natural, strict=True)]
    left = width - sum(widths) - _GAP * (len(widths) - 1)
    while left > 0:
        narrow = [n for n, size in enumerate(natural) if widths[n] < size]
        if not narrow:
            break
        narrowest = min(narrow, key=lambda n: widths[n])
        widths[narrowest] += 1
        left -= 1
    return widths


def _fitted(lines: Sequence[str], kind: str, width: int) -> list[str]:
    if kind == "id":
        return [shortened(line, width) for line in lines]
    return [part for line in lines for part in _folded(line, width)]


def _folded(line: str, width: int) -> list[str]:
    """Break a line between words where it can be, else anywhere."""
    parts = [""]
    for word in line.split(" "):
        joined = f"{parts[-1]} {word}" if parts[-1] else word
        if cell_len(joined) <= width:
            parts[-1] = joined
            continue
        pieces = _chopped(word, width)
        if parts[-1]:
            parts += pieces
        else:
            parts[-1:] = pieces
    return parts


def _chopped(word: str, width: int) -> list[str]:
    """Cut a word that is too long into pieces."""
    units, pieces = _UNITS.findall(word), []
    while units:
        piece = _begun(units, width) or units[:1]
        pieces.append("".join(piece))
        units = units[len(piece) :]
    return pieces or [""]


def _row_lines(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    """Put cells side by side; a cell of several lines makes the row as high."""
    height = max((len(cell) for cell in cells), default=1)
    gap = " " * _GAP
    return [
        gap.join(
            set_cell_size(cell[n] if n < len(cell) else "", max(width, _needed(cell, n)))
            for cell, width in zip(cells, widths, strict=True)
        ).rstrip()
        for n in range(height)
    ]


def _needed(cell: Sequence[str], line: int) -> int:
    return cell_len(cell[line]) if line < len(cell) else 0
