"""One measurement, in this process, printed as one JSON object. See :mod:`benchmarks.table`.

python -m benchmarks.measure WHAT ...
"""

import gc
import json
import resource
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from personlog.adapters.event_log import read_log
from personlog.adapters.heads import list_heads
from personlog.adapters.sources import ObjectSource
from personlog.engine import Engine
from personlog.ingestion import IngestOptions
from personlog.operations import TABLES

Found = dict[str, Any]
_BATCH = 5_000


def ingest(url: str, file: str, durability: str = "full") -> Found:
    """Import a file as the command line does: read in a process of its own."""
    with Engine.open(url, create=True) as engine:
        counts = engine.ingest(
            [file], IngestOptions(apart=True, durable=durability == "full")
        ).counts
        domain_events = sum(each["domain_events"] for each in engine.list_projects())
        disk = _disk(engine)
    readers = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "events": counts["read"],
        "stored": counts["stored"],
        "seconds": counts["seconds"],
        "domain_events": domain_events,
        "disk": disk or Path(engine.database.url.database or "").stat().st_size,
        "reader_cpu_seconds": readers.ru_utime + readers.ru_stime,
        "reader_peak_mb": readers.ru_maxrss // 1024,
    }


def _disk(engine: Engine) -> int:
    """Give the size of a PostgreSQL database; SQLite's is known once it is closed."""
    if engine.database.is_sqlite:
        return 0
    with engine.database.read() as connection:
        size = connection.exec_driver_sql("SELECT pg_database_size(current_database())")
        return int(size.scalar_one())


def decode(url: str) -> Found:
    """Decode the log without folding it."""
    gc.disable()
    with Engine.open(url) as engine, engine.database.read() as connection:
        began = time.perf_counter()
        events = sum(
            len(page) for head in list_heads(connection) for page in read_log(connection, head.id)
        )
        return {"domain_events": events, "seconds": time.perf_counter() - began}


def replay(url: str) -> Found:
    """Fold the log in memory and compare it with the persons."""
    return _timed(url, lambda engine: engine.projections.replay(None)["equal"])


def rebuild(url: str, *names: str) -> Found:
    """Fold the log into emptied tables."""
    return _timed(url, lambda engine: bool(engine.projections.rebuild(None, names)))


def verify(url: str, *names: str) -> Found:
    """Prove tables equal to the log."""
    return _timed(url, lambda engine: engine.projections.verify(None, names)["equal"])


def _timed(url: str, work: Callable[[Engine], bool]) -> Found:
    with Engine.open(url) as engine:
        began = time.perf_counter()
        well = work(engine)
        return {"well": well, "seconds": time.perf_counter() - began}


def load(url: str) -> Found:
    """Load a person with 10 domain events, and one with 100,000; medians of 200 in microseconds."""
    with Engine.open(url, create=True) as engine:
        for name, sets in (("short", 8), ("long", 99_998)):
            lines = (_set(name, number) for number in range(sets))
            engine.ingest([ObjectSource(lines, name)])
        found: Found = {}
        for name in ("short", "long"):
            times = []
            for _ in range(200):
                began = time.perf_counter()
                with engine.read(None) as queries:
                    person = queries.person(name)
                times.append(time.perf_counter() - began)
            found[name] = {
                "domain_events": person["version"],
                "microseconds": statistics.median(times) * 1e6,
            }
    return found


def _set(name: str, number: int) -> Found:
    return {
        "event": "$set",
        "distinct_id": name,
        "uuid": f"{number:08x}-0000-4000-8000-{name.encode().hex():0>12}",
        "timestamp": 1_767_225_600_000 + number * 1_000,
        "properties": {"$device_id": name, "$set": {"n": number}},
    }


def executemany(source: str, target: str) -> Found:
    """Write the rows of a database into an empty one with the same tables: what SQLite takes.

    The rows are at hand already; they are committed as an import commits them.
    """
    with Engine.open(f"sqlite:///{target}", create=True):
        pass
    seconds, rows = 0.0, 0
    read = sqlite3.connect(source)
    write = sqlite3.connect(target, isolation_level=None)
    write.execute("PRAGMA synchronous = FULL")
    write.execute("PRAGMA wal_autocheckpoint = 8000")
    write.execute("PRAGMA cache_size = -65536")
    write.execute("DELETE FROM projects")
    pages = {name: _rows(read, name) for name in TABLES if name != "schema_versions"}
    while pages:
        began = time.perf_counter()
        write.execute("BEGIN IMMEDIATE")
        seconds += time.perf_counter() - began
        for name in list(pages):
            page = list(islice(pages[name], _BATCH))
            if not page:
                del pages[name]
                continue
            marks = ", ".join("?" * len(page[0]))
            began = time.perf_counter()
            write.executemany(f'INSERT INTO "{name}" VALUES ({marks})', page)
            seconds += time.perf_counter() - began
            rows += len(page)
        began = time.perf_counter()
        write.execute("COMMIT")
        seconds += time.perf_counter() - began
    return {"rows": rows, "seconds": seconds}


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    yield from connection.execute(f'SELECT * FROM "{table}"')


MEASUREMENTS: dict[str, Callable[..., Found]] = {
    each.__name__: each for each in (ingest, decode, replay, rebuild, verify, load, executemany)
}


def main() -> None:
    what, *arguments = sys.argv[1:]
    found = MEASUREMENTS[what](*arguments)
    used = resource.getrusage(resource.RUSAGE_SELF)
    found["cpu_seconds"] = used.ru_utime + used.ru_stime
    found["peak_mb"] = used.ru_maxrss // 1024
    print(json.dumps(found))


if __name__ == "__main__":
    main()
