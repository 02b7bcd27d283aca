"""Where lines come from: files, standard input, and what an application hands over."""

import gzip
import io
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import date, datetime
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Protocol, cast
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
    """A file, unpacked if its name ends in ``.gz`` or ``.zst``; ``-`` is standard input."""

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
        lines = LineReader(sys.stdin.buffer, self.name).lines()
        first = list(islice(lines, 1))
        self._read_ahead = _GivenLines(chain(first, lines))
        return first

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Open the file.

        Raises :class:`UnreadableSource` if it cannot be opened.
        """
        if not self.resumable:
            yield self._read_ahead or LineReader(sys.stdin.buffer, self.name)
            return
        try:
            file = Path(self.name).open("rb", buffering=BUFFER)  # noqa: SIM115 - closed below
        except OSError as error:
            raise UnreadableSource(f"{self.name} cannot be opened: {error.strerror}.") from error
        with file, ExitStack() as unpacking:
            stream: BinaryIO = file
            if self.name.endswith(".gz"):
                stream = _buffered(unpacking.enter_context(gzip.GzipFile(fileobj=file)))
            elif self.name.endswith(".zst"):
                stream = _buffered(unpacking.enter_context(zstd.ZstdFile(file)))
            yield LineReader(stream, self.name, file)


def _buffered(unpacked: object) -> BinaryIO:
    raw = cast("io.RawIOBase", unpacked)
    return cast("BinaryIO", io.BufferedReader(raw, BUFFER))


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
