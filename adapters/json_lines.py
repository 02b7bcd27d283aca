"""Files of JSON lines, plain, gzip or Zstandard: lines with their offsets, in bounded memory."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b, sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import msgspec

from ..domain.errors import UnreadableSource

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_LINE = 1024 * 1024
"""Bytes of a line without its end; a longer one is rejected, and no more of it is ever held."""

STANDARD_INPUT = "-"
_LINE_LIMIT = MAX_LINE + len(b"\r\n")
_BUFFER = 256 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Line(msgspec.Struct, gc=False):
    """A line without its end; ``end`` is the offset behind it, in unpacked bytes.

    A line that is too long comes as its first :data:`MAX_LINE` bytes, with the ``digest`` of the
    whole of it.
    """

    number: int
    end: int
    raw: bytes
    digest: bytes | None = None


class LineReader:
    """Reads a source once, from its beginning."""

    def __init__(self, stream: BinaryIO, source: str) -> None:
        self._stream = stream
        self._source = source
        self._hash = sha256()
        self._unhashed: list[bytes] = []

    def prefix_hash(self) -> bytes:
        """Give the hash of all bytes up to the end of the last line given."""
        self._hash.update(b"".join(self._unhashed))
        self._unhashed.clear()
        return self._hash.digest()

    def lines(self) -> Iterator[Line]:
        """Give every line that is not blank.

        Raises :class:`UnreadableSource` where the source breaks off.
        """
        number = offset = 0
        read, keep = partial(self._read, _LINE_LIMIT), self._unhashed.append
        while raw := read():
            number += 1
            offset += len(raw)
            keep(raw)
            text = raw.rstrip(b"\r\n")
            if number == 1:
                text = text.removeprefix(_BYTE_ORDER_MARK)
            if len(raw) == _LINE_LIMIT and not raw.endswith(b"\n"):
                skipped, digest = self._skip_line(raw)
                offset += skipped
                yield Line(number, offset, text[:MAX_LINE], digest)
            elif len(text) > MAX_LINE:
                yield Line(number, offset, text[:MAX_LINE], _digest(text).digest())
            elif text[:1] == b"{" or (text and not text.isspace()):
                yield Line(number, offset, text)

    def _skip_line(self, head: bytes) -> tuple[int, bytes]:
        """Read past the end of a line that is too long; give the bytes read and its digest."""
        digest = _digest(head)
        size = 0
        while part := self._read(_BUFFER):
            size += len(part)
            digest.update(part)
            self._unhashed.append(part)
            self.prefix_hash()
            if part.endswith(b"\n"):
                break
        return size, digest.digest()

    def _read(self, limit: int) -> bytes:
        try:
            return self._stream.readline(limit)
        except (OSError, EOFError, zlib.error, zstd.ZstdError) as error:
            raise UnreadableSource(f"{self._source} breaks off: {error}.") from error


def _digest(head: bytes) -> "blake2b":
    return blake2b(head, digest_size=16)


class Source(NamedTuple):
    """An open source: its unpacked bytes, and how far its file has been read."""

    stream: BinaryIO
    file: BinaryIO | None = None

    def size(self) -> int | None:
        """Give the bytes of the file as it lies on disk; None for standard input."""
        return None if self.file is None else Path(self.file.name).stat().st_size

    def consumed(self) -> int:
        """Give the bytes of the file read so far."""
        return 0 if self.file is None else self.file.tell()


@contextmanager
def open_source(name: str) -> Iterator[Source]:
    """Open a file, unpacking ``.gz`` and ``.zst``; ``-`` is standard input.

    Raises :class:`UnreadableSource` if it cannot be opened.
    """
    if name == STANDARD_INPUT:
        yield Source(sys.stdin.buffer)
        return
    try:
        file = Path(name).open("rb", buffering=_BUFFER)  # noqa: SIM115 - closed below
    except OSError as error:
        raise UnreadableSource(f"{name} cannot be opened: {error.strerror}.") from error
    with file:
        if name.endswith(".gz"):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield Source(cast("BinaryIO", io.BufferedReader(unpacked, _BUFFER)), file)
        elif name.endswith(".zst"):
            with zstd.ZstdFile(file) as unpacked:
                yield Source(cast("BinaryIO", io.BufferedReader(unpacked, _BUFFER)), file)
        else:
            yield Source(file, file)
