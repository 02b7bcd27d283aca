"""Reading a file in a process of its own, while this one decides and writes.

Python uses one core at a time; reading is a third of the work of an import and needs nothing of
the rest. The process runs the same :func:`~.line_batches.read_batches` and hands over its batches
through a pipe, each when it is asked for; it loads no database.
"""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from typing import IO

import msgspec

from ..domain.errors import PersonlogError, RejectedLine, UnreadableSource
from .clock import SystemClock
from .line_batches import LineBatch, Place, Reading, read_batches
from .sources import FileSource

_LENGTH_BYTES = 8
_PIPE_BYTES = 1024 * 1024
"""What the pipe holds, where that can be chosen: fewer changes between the processes."""
_ERRORS: dict[str, type[PersonlogError]] = {
    each.__name__: each for each in (RejectedLine, UnreadableSource)
}


class _Task(msgspec.Struct, array_like=True):
    """What is to be read."""

    file: str
    reading: Reading
    resume: Place | None


class _Frame(msgspec.Struct, array_like=True):
    """A batch, or the error that ended the reading."""

    batch: LineBatch | None = None
    error: str = ""
    message: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode_task = msgspec.msgpack.Decoder(_Task).decode
_decode_frame = msgspec.msgpack.Decoder(_Frame).decode


def read_batches_apart(
    source: FileSource, reading: Reading, resume: Place | None
) -> Generator[LineBatch, None, None]:
    """Do what :func:`~.line_batches.read_batches` does, in another process."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pipesize=_PIPE_BYTES
    ) as reader:
        assert reader.stdin is not None  # noqa: S101 - it was asked for
        assert reader.stdout is not None  # noqa: S101 - it was asked for
        try:
            with suppress(BrokenPipeError):  # told below
                _send(reader.stdin, _Task(source.name, reading, resume))
            while (packed := _receive(reader.stdout)) is not None:
                frame = _unpacked(packed, source)
                if frame.batch is None:
                    raise _ERRORS[frame.error](frame.message)
                yield frame.batch
                if frame.batch.at_end:
                    return
            raise UnreadableSource(
                f"The process that reads {source.name} ended before the file did, with status"
                f" {reader.wait()}; run the import again to go on."
            )
        finally:
            reader.kill()


def _send(stream: IO[bytes], value: object) -> None:
    packed = _encode(value)
    stream.write(len(packed).to_bytes(_LENGTH_BYTES, "big") + packed)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    """Read the next message; None where the other side has gone."""
    length = stream.read(_LENGTH_BYTES)
    if len(length) < _LENGTH_BYTES:
        return None
    size = int.from_bytes(length, "big")
    packed = stream.read(size)
    return packed if len(packed) == size else None


def _unpacked(packed: bytes, source: FileSource) -> _Frame:
    try:
        return _decode_frame(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableSource(
            f"What the process that reads {source.name} sent is damaged ({error}); run the import"
            " again to go on."
        ) from error


def main() -> None:
    """Read what the other process asks for."""
    # Ctrl-C is for the process that imports: it ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    try:
        # Not sys.stdout.buffer: with PYTHONUNBUFFERED that is the bare file, which may write less
        # than it is given when the process is stopped and goes on.
        with open(0, "rb", closefd=False) as orders, open(1, "wb", closefd=False) as batches:
            packed = _receive(orders)
            if packed is not None:
                _read_for(_decode_task(packed), batches)
    except BrokenPipeError:
        os._exit(0)  # the other process has gone, and with it whatever is still to be written


def _read_for(task: _Task, out: IO[bytes]) -> None:
    source = FileSource(task.file)
    try:
        for batch in read_batches(source, task.reading, SystemClock(), task.resume):
            _send(out, _Frame(batch))
    except (RejectedLine, UnreadableSource) as error:
        _send(out, _Frame(None, type(error).__name__, str(error)))


if __name__ == "__main__":
    main()
