"""JSON lines cut from a stream of bytes, with their offsets, in bounded memory."""

import sys
import zlib
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b, sha256
from pathlib import Path
from typing import BinaryIO

import msgspec

from ..domain.errors import UnreadableSource

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_LINE = 1024 * 1024
"""Bytes of a line without its end; a longer one is rejected, and no more of it is ever held."""

_LINE_LIMIT = MAX_LINE + len(b"\r\n")
BUFFER = 256 * 1024
DIGEST_SIZE = 16
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
    """Reads a source once, from its beginning. ``file`` is what its bytes are unpacked from."""

    def __init__(self, stream: BinaryIO, source: str, file: BinaryIO | None = None) -> None:
        self._stream = stream
        self._source = source
        self._file = file
        self._hash = sha256()
        self._unhashed: list[bytes] = []

    def prefix_hash(self) -> bytes:
        """Give the hash of all bytes up to the end of the last line given."""
        self._hash.update(b"".join(self._unhashed))
        self._unhashed.clear()
        return self._hash.digest()

    def consumed(self) -> int:
        """Give the bytes read so far, as they lie on disk."""
        return 0 if self._file is None else self._file.tell()

    def size(self) -> int | None:
        """Give the bytes there are, as they lie on disk; None if that is not known."""
        return None if self._file is None else Path(self._file.name).stat().st_size

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
                yield Line(number, offset, text[:MAX_LINE], line_digest(text))
            elif text[:1] == b"{" or (text and not text.isspace()):
                yield Line(number, offset, text)

    def _skip_line(self, head: bytes) -> tuple[int, bytes]:
        """Read past the end of a line that is too long; give the bytes read and its digest."""
        digest = blake2b(head, digest_size=DIGEST_SIZE)
        size = 0
        while part := self._read(BUFFER):
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


def line_digest(raw: bytes) -> bytes:
    """Give the hash by which equal rejected lines are one."""
    return blake2b(raw, digest_size=DIGEST_SIZE).digest()
