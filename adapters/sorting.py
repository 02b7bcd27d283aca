"""A source whose lines are not in order of arrival, brought into it; on disk, in bounded memory.

Order decides merges, and exports are not in order.
"""

import heapq
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from tempfile import TemporaryFile
from typing import BinaryIO

import msgspec

from .json_lines import Line
from .sources import OpenSource, Source

SortKey = tuple[int, int, bytes]
"""Arrival and event time in milliseconds, then the uuid."""

RUN_BYTES = 64 * 1024 * 1024
"""Bytes of lines sorted in memory at a time."""

_LENGTH_BYTES = 4


class _Keyed(msgspec.Struct, array_like=True, order=True):
    key: SortKey
    number: int
    raw: bytes
    digest: bytes | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Keyed).decode


class SortedSource:
    """The lines of another source in the order of ``key``; equal ones stay as they were.

    Numbers of lines are those of the other source.
    """

    def __init__(self, source: Source, key: Callable[[Line], SortKey]) -> None:
        self.name = source.name
        self.resumable = source.resumable
        self._source = source
        self._key = key

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Read the whole of the other source and sort it.

        Raises :class:`UnreadableSource` where that breaks off: nothing of it is given then.
        """
        with ExitStack() as files, self._source.open() as opened:
            runs: list[BinaryIO] = []
            run: list[_Keyed] = []
            size = 0
            for line in opened.lines():
                run.append(_Keyed(self._key(line), line.number, line.raw, line.digest))
                size += len(line.raw)
                if size >= RUN_BYTES:
                    runs.append(_written(files, run))
                    run, size = [], 0
            run.sort()
            yield _SortedLines([*map(_read, runs), iter(run)], opened)


def _written(files: ExitStack, run: list[_Keyed]) -> BinaryIO:
    file = files.enter_context(TemporaryFile())  # noqa: SIM115 - the stack closes it
    for each in sorted(run):
        packed = _encode(each)
        file.write(len(packed).to_bytes(_LENGTH_BYTES, "big") + packed)
    file.seek(0)
    return file


def _read(file: BinaryIO) -> Iterator[_Keyed]:
    while length := file.read(_LENGTH_BYTES):
        yield _decode(file.read(int.from_bytes(length, "big")))


class _SortedLines:
    def __init__(self, runs: list[Iterator[_Keyed]], opened: OpenSource) -> None:
        self._runs = runs
        self._opened = opened
        self._hash = sha256()

    def lines(self) -> Iterator[Line]:
        end = 0
        for each in heapq.merge(*self._runs):
            end += len(each.raw) + 1
            self._hash.update(each.raw + b"\n")
            yield Line(each.number, end, each.raw, each.digest)

    def prefix_hash(self) -> bytes:
        return self._hash.digest()

    def consumed(self) -> int:
        return self._opened.consumed()

    def size(self) -> int | None:
        return self._opened.size()
