"""Reading a source into batches: lines cut, admitted, and where the source stands behind them."""

from collections.abc import Generator, Iterator, Mapping

import msgspec

from ..domain.errors import RejectedLine
from .arrivals import Arrival, Door, Rejection
from .clock import Clock
from .formats.ordering import in_order_of_arrival
from .formats.recognition import Format, translation
from .formats.segment import SegmentOptions
from .json_lines import Line
from .sources import OpenSource, Source

BATCH_LINES = 20_000
BATCH_BYTES = 16 * 1024 * 1024
_SHOWN = 80


class Place(msgspec.Struct, array_like=True):
    """A place in a source: bytes and lines before it, and the hash of those bytes."""

    offset: int = 0
    line: int = 0
    prefix_hash: bytes = b""


class Reading(msgspec.Struct, kw_only=True):
    """How lines are read.

    ``project`` overrides what lines say; ``tokens`` maps tokens to project names; ``strict``
    stops at the first line that is rejected; ``live`` takes arrivals from the clock;
    ``batch_lines`` are stored together: 1 for a pipe that may fall silent at any moment.
    """

    tokens: Mapping[str, str]
    project: str | None = None
    strict: bool = False
    live: bool = False
    format: Format = "personlog"
    segment: SegmentOptions = SegmentOptions()
    batch_lines: int = BATCH_LINES


class LineBatch(msgspec.Struct, array_like=True):
    """The lines of one batch. ``place`` is behind the last of them, None if there is none.

    ``resumed`` tells that the first batch is behind the place where reading was to go on, and
    ``at_end`` that this is the last one, which may be empty.
    """

    arrivals: list[Arrival] = []
    rejections: list[Rejection] = []
    lines: int = 0
    bytes: int = 0
    place: Place | None = None
    resumed: bool = False
    at_end: bool = False
    consumed: int = 0
    size: int | None = None


def read_batches(
    source: Source, reading: Reading, clock: Clock, resume: Place | None
) -> Generator[LineBatch, None, None]:
    """Read a source from its beginning, or behind ``resume`` if it still begins as it did.

    Raises :class:`UnreadableSource`, and :class:`RejectedLine` in a strict reading.
    """
    source = in_order_of_arrival(source, reading.format)

    def new_door() -> Door:
        return Door(
            source.name,
            clock,
            reading.tokens,
            project=reading.project,
            live=reading.live,
            translate=translation(reading.format, reading.segment),
        )

    if resume is not None:
        with source.open() as opened:
            lines, door = opened.lines(), new_door()
            if _skip(lines, opened, door, resume):
                yield from _Batches(opened, lines, door, reading, resumed=True)
                return
    with source.open() as opened:
        yield from _Batches(opened, opened.lines(), new_door(), reading, resumed=False)


def _skip(lines: Iterator[Line], opened: OpenSource, door: Door, resume: Place) -> bool:
    """Read up to a place; tell whether the bytes before it are those that were stored."""
    for line in lines:
        door.skip(line)
        if line.end >= resume.offset:
            return line.end == resume.offset and opened.prefix_hash() == resume.prefix_hash
    return False


class _Batches:
    """Collects lines into batches."""

    def __init__(
        self,
        opened: OpenSource,
        lines: Iterator[Line],
        door: Door,
        reading: Reading,
        *,
        resumed: bool,
    ) -> None:
        self._opened = opened
        self._lines = lines
        self._door = door
        self._reading = reading
        self._resumed = resumed

    def __iter__(self) -> Iterator[LineBatch]:
        most = self._reading.batch_lines
        batch, last = LineBatch(resumed=self._resumed), None
        for line in self._lines:
            for admitted in self._door.admit(line):
                if isinstance(admitted, Rejection):
                    self._reject(admitted, batch)
                else:
                    batch.arrivals.append(admitted)
            batch.bytes += len(line.raw)
            batch.lines += 1
            last = line
            if batch.lines >= most or batch.bytes >= BATCH_BYTES:
                yield self._ended(batch, last)
                batch, last = LineBatch(resumed=self._resumed), None
        batch.at_end = True
        yield self._ended(batch, last)

    def _reject(self, rejection: Rejection, batch: LineBatch) -> None:
        if self._reading.strict:
            raise RejectedLine(describe(rejection) + " Nothing of its batch is stored.")
        batch.rejections.append(rejection)

    def _ended(self, batch: LineBatch, last: Line | None) -> LineBatch:
        if last is not None:
            batch.place = Place(last.end, last.number, self._opened.prefix_hash())
        batch.consumed, batch.size = self._opened.consumed(), self._opened.size()
        return batch


def describe(rejection: Rejection) -> str:
    """Say in one sentence which line was rejected, and why."""
    shown = rejection.raw[:_SHOWN].decode(errors="replace") + "…" * (len(rejection.raw) > _SHOWN)
    return (
        f"Line {rejection.line} of {rejection.source} is rejected ({rejection.reason}): {shown!r}."
    )
