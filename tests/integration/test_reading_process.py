"""A file that is read in a process of its own gives the same, and no process stays behind."""

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from personlog.adapters import reading_process
from personlog.adapters.clock import SystemClock
from personlog.adapters.file_import import Progress
from personlog.adapters.line_batches import LineBatch, Reading, read_batches
from personlog.adapters.sources import FileSource
from personlog.domain.errors import RejectedLine, UnreadableSource
from personlog.engine import Engine
from personlog.ingestion import IngestOptions

SCRIPT = Path(sys.executable).with_name("personlog")
LINES = 50_000
APART = IngestOptions(apart=True)


def lines() -> Iterator[bytes]:
    """Of every kind that a batch can hold, and more than the least that is read apart."""
    for number in range(LINES):
        sent: dict[str, Any] = {"event": "$pageview", "distinct_id": f"device-{number % 500}"}
        sent["timestamp"] = (
            f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        )
        sent["properties"] = {"$device_id": sent["distinct_id"], "filler": "x" * 150}
        match number % 10:
            case 0:
                sent["properties"]["$set"] = {"n": number}
            case 1:
                sent["event"] = "$identify"
                sent["properties"]["$anon_distinct_id"] = f"phone-{number % 90}"
            case 2:
                sent["uuid"] = f"{number:08x}-0000-4000-8000-000000000000"
            case 3:
                sent["uuid"] = "none"
            case 4:
                sent["properties"]["$unset"] = ["n", 5]
                sent["$set_once"] = {"first": number}
            case 5:
                sent["sent_at"] = "nonsense"
            case 6 if number % 100 == 6:
                yield b"no json\n"
        yield json.dumps(sent).encode() + b"\n"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("apart") / "large.jsonl"
    found.write_bytes(b"".join(lines()))
    assert found.stat().st_size > 4 * 1024 * 1024
    return found


def test_the_same_batches_come_over(file: Path) -> None:
    source, reading = FileSource(str(file)), Reading(tokens={}, project="p")
    here = list(read_batches(source, reading, SystemClock(), None))
    apart = list(reading_process.read_batches_apart(source, reading, None))
    assert [each.at_end for each in apart] == [False] * 2 + [True]
    assert normal(apart) == normal(here)
    place = here[0].place
    again = list(reading_process.read_batches_apart(source, reading, place))
    assert [each.resumed for each in again] == [True] * 2
    assert [each.arrivals for each in again] == [each.arrivals for each in here[1:]]


def normal(batches: list[LineBatch]) -> list[Any]:
    """What counts of batches, as plain values: how far the file was read ahead does not."""
    return [msgspec.to_builtins(msgspec.structs.replace(each, consumed=0)) for each in batches]


def test_the_same_log_comes_of_it(file: Path, url: str, tmp_path: Path) -> None:
    with Engine.open(f"sqlite:///{tmp_path / 'here.db'}", create=True) as engine:
        here = engine.ingest([str(file)]).counts
        expected = engine.digest(None)
    with Engine.open(url, create=True) as engine:
        apart = engine.ingest([str(file)], APART).counts
        assert engine.digest(None) == expected
        assert engine.projections.verify(None, ())["equal"]
    assert {**here, "seconds": 0} == {**apart, "seconds": 0}


def test_a_strict_import_stops_at_the_same_line(file: Path, sqlite_engine: Engine) -> None:
    with pytest.raises(RejectedLine, match=r"Line 7 of .*invalid_json.* Nothing of its batch"):
        sqlite_engine.ingest([str(file)], IngestOptions(apart=True, strict=True))


def test_a_file_that_breaks_off(file: Path, sqlite_engine: Engine, tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(file.read_bytes(), 0)[:-100_000])
    with pytest.raises(UnreadableSource, match=r"cut\.jsonl\.gz breaks off"):
        sqlite_engine.ingest([str(cut)], APART)
    assert sqlite_engine.list_projects()[0]["inputs"] > 10_000


def test_a_reader_that_is_killed_is_told_and_the_import_can_go_on(
    file: Path, sqlite_engine: Engine, tmp_path: Path
) -> None:
    def kill(_: Progress) -> None:
        for child in children(os.getpid()):
            os.kill(child, signal.SIGKILL)

    with pytest.raises(UnreadableSource, match="run the import again"):
        sqlite_engine.ingest([str(file)], IngestOptions(apart=True, on_progress=kill))
    report = sqlite_engine.ingest([str(file)], APART)
    assert report.notes[0].endswith("resumed behind line 20,000.")
    with Engine.open(f"sqlite:///{tmp_path / 'whole.db'}", create=True) as engine:
        engine.ingest([str(file)])
        assert engine.digest(None) == sqlite_engine.digest(None)


def test_a_reader_that_is_stopped_for_a_while_loses_nothing(
    file: Path, sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe may take a part of what is written to it, whatever Python's own buffering is."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    done = threading.Event()

    def stop_and_go() -> None:
        while not done.wait(0.005):
            for child in children(os.getpid()):
                for sent in (signal.SIGSTOP, signal.SIGCONT):
                    with suppress(ProcessLookupError):
                        os.kill(child, sent)

    stopping = threading.Thread(target=stop_and_go)
    stopping.start()
    try:
        sqlite_engine.ingest([str(file)], APART)
    finally:
        done.set()
        stopping.join()
    with Engine.open(f"sqlite:///{tmp_path / 'whole.db'}", create=True) as engine:
        engine.ingest([str(file)])
        assert engine.digest(None) == sqlite_engine.digest(None)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_reader_outlives_its_import(file: Path, tmp_path: Path, sent: signal.Signals) -> None:
    command = [str(SCRIPT), "--db", f"sqlite:///{tmp_path / 'a.db'}", "ingest", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as importing:
        readers: list[int] = []
        while not readers:
            assert importing.poll() is None
            readers = children(importing.pid)
            time.sleep(0.005)
        time.sleep(0.2)
        importing.send_signal(sent)
        _, errors = importing.communicate(timeout=30)
    assert importing.returncode != 0
    assert b"Traceback" not in errors
    waited = time.monotonic() + 10
    while any(map(is_running, readers)) and time.monotonic() < waited:
        time.sleep(0.02)
    assert not any(map(is_running, readers))


def children(parent: int) -> list[int]:
    """The processes that read for another one."""
    found = subprocess.run(
        ["ps", "-Aww", "-o", "pid=,ppid=,args="], capture_output=True, encoding="utf-8", check=True
    )
    rows = [line.split(None, 2) for line in found.stdout.splitlines() if "reading_process" in line]
    return [int(pid) for pid, of, _ in rows if int(of) == parent]


def is_running(process: int) -> bool:
    command = ["ps", "-o", "stat=", "-p", str(process)]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    return found.stdout.strip()[:1] not in ("", "Z")
