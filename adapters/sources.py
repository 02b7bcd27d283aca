"""Where lines come from: files, standard input, and what an application hands over."""

import gzip
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import date, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast
from uuid import UUID

from ..domain.errors import UnreadableSource
from .json_lines import BUFFER, MAX_LINE, Line, LineReader, line_digest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STANDARD_INPUT = "-"
_HEAD = 10


class OpenSource(Protocol):
    """A source being read, from its beginning."""

    def lines(self) -> Iterator[Line]:
        """Give every line that is not blank."""

    def prefix_hash(self) -> bytes:
        """Give the hash of all bytes up to the end of the last line given."""

    def consumed(self) -> int:
        """Give the bytes read so far, as they lie on disk."""

    def size(self) -> int | None:
        """Give the bytes there are, as they lie on disk; None if that is not known."""


class Source(Protocol):
    """A source by its name. A ``resumable`` one gives the same lines when it is opened again."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def resumable(self) -> bool:
        """Whether an import that was interrupted can go on where it stopped."""

    def open(self) -> AbstractContextManager[OpenSource]:
        """Open it; raise :class:`UnreadableSource` if that cannot be done."""


class FileSource:
    """A file, unpacked if it is packed by gzip or Zstandard; ``-`` is standard input."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.resumable = name != STANDARD_INPUT
        self._read_ahead: _GivenLines | None = None

    def head(self) -> list[Line]:
        """Give the first lines, without taking them away; of standard input the first alone.

        Raises :class:`UnreadableSource` if it cannot be read.
        """
        if self.resumable:
            with self.open() as opened:
                return list(islice(opened.lines(), _HEAD))
        lines = self._standard_input().lines()
        first = list(islice(lines, 1))
        self._read_ahead = _GivenLines(chain(first, lines))
        return first

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Open the file.

        Raises :class:`UnreadableSource` if it cannot be opened.
        """
        if not self.resumable:
            yield self._read_ahead or self._standard_input()
            return
        try:
            file = Path(self.name).open("rb", buffering=BUFFER)  # noqa: SIM115 - closed below
        except OSError as error:
            raise UnreadableSource(f"{self.name} cannot be opened: {error.strerror}.") from error
        with file, ExitStack() as unpacking:
            yield LineReader(self._unpacked(file, unpacking), self.name, file)

    def _standard_input(self) -> LineReader:
        stream: BinaryIO = sys.stdin.buffer
        if not isinstance(stream, io.BufferedReader):
            stream = io.BufferedReader(cast("io.RawIOBase", stream))
        return LineReader(self._unpacked(stream, ExitStack()), self.name)

    def _unpacked(self, file: BinaryIO, unpacking: ExitStack) -> BinaryIO:
        """Unpack what begins as packed data does; the name alone does not tell of a pipe."""
        begins = cast("Any", file).peek(len(_ZSTANDARD))
        for packed, suffix, unpacker in _PACKED:
            if begins.startswith(packed):
                raw = cast("io.RawIOBase", unpacking.enter_context(unpacker(file)))
                return cast("BinaryIO", io.BufferedReader(raw, BUFFER))
            if begins and self.name.endswith(suffix):
                raise UnreadableSource(f"{self.name} is not {suffix} data, as its name says.")
        return file


def _gunzip(file: BinaryIO) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=file)


_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_PACKED: tuple[tuple[bytes, str, Callable[[BinaryIO], Any]], ...] = (
    (b"\x1f\x8b", ".gz", _gunzip),
    (_ZSTANDARD, ".zst", zstd.ZstdFile),
)


class ObjectSource:
    """What an application hands over: objects, or lines of JSON as text or bytes."""

    resumable = False

    def __init__(self, objects: Iterable[object], name: str) -> None:
        self.name = name
        self._objects = objects

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Begin to read them."""
        yield _GivenLines(self._lines())

    def _lines(self) -> Iterator[Line]:
        for number, given in enumerate(self._objects, 1):
            raw = _as_line(number, given)
            digest = line_digest(raw) if len(raw) > MAX_LINE else None
            yield Line(number, 0, raw[:MAX_LINE], digest)


class _GivenLines:
    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines

    def lines(self) -> Iterator[Line]:
        return self._lines

    def prefix_hash(self) -> bytes:
        return b""

    def consumed(self) -> int:
        return 0

    def size(self) -> int | None:
        return None


def _as_line(number: int, given: object) -> bytes:
    if isinstance(given, bytes | bytearray):
        return bytes(given)
    if isinstance(given, str):
        return given.encode(errors="surrogatepass")
    try:
        # Not msgspec: it writes infinity as null, and refuses lone surrogates.
        return json.dumps(given, default=_plain, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UnreadableSource(
            f"Captured event {number} of those handed over cannot be written as JSON: {error}."
        ) from error


def _plain(value: object) -> str:
    """Write what has one usual text: moments and UUIDs."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__}, {value!r}")
