"""The whole table of speed, memory and disk, in one run: `make bench`.

    python -m benchmarks.table [--events 1000000] [--rounds 3] [--write docs/performance.md]

Every figure that counts is a ratio of two measurements taken one after the other on the same file;
rounds alternate, and medians are shown. Machines are noisy, absolute figures say little.
"""

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .running import MEGABYTE, Found, Server, baseline, generate, measure, postgresql, wall_time
from .second_stream import write_second

GROWTH = 4
_BASELINE_EVENTS = 20_000
"""Captured events of the PostgreSQL baseline, which waits for every statement's round trip."""
_STARTS = 9
_TABLE = re.compile(r"(<!-- table -->\n).*?(<!-- end -->)", re.DOTALL)


class Row(NamedTuple):
    """One line of the table. ``wanted`` begins with ≥ or ≤."""

    what: str
    found: str
    wanted: str = ""
    aim: str = ""
    details: str = ""


class Bench:
    """Takes the measurements, each on databases of its own in ``folder``."""

    def __init__(self, folder: Path, events: int, rounds: int) -> None:
        self.folder = folder
        self.events = events
        self.rounds = rounds
        self.rows: list[Row] = []
        self.file = generate(events, folder / "stream.jsonl")
        self.kept = folder / "kept.db"

    def on_sqlite(self) -> None:
        """Compare imports with the baseline, and keep the last database."""
        ours, theirs = [], []
        for number in range(self.rounds):
            database = self.folder / f"sqlite-{number}.db"
            ours.append(measure("ingest", f"sqlite:///{database}", self.file))
            theirs.append(baseline("sqlite", self.file))
            self._drop(self.kept)
            database.rename(self.kept)
        self._compare("ingest into SQLite ÷ `upsert.py sqlite`", ours, theirs, ("≥ 1.0", "1.5"))
        disk = ours[-1]["disk"] / self.file.stat().st_size
        self._add("disk, all layers and indexes ÷ the JSON lines", f"{disk:.2f}", "≤ 2.0", "1.5")
        peaks = [each["peak_mb"] + each["reader_peak_mb"] for each in ours]
        self._add("peak memory of the import, both processes", f"{max(peaks)} MB")
        cpu = statistics.median(
            (each["cpu_seconds"] + each["reader_cpu_seconds"]) / each["seconds"] for each in ours
        )
        self._add("CPU seconds of the import ÷ wall seconds", f"{cpu:.2f}")
        self._first = ours[-1]

    def limits(self) -> None:
        """Compare with what SQLite takes for the rows alone, and with weaker durability."""
        target = self.folder / "raw.db"
        raw = measure("executemany", self.kept, target)
        self._drop(target)
        share = raw["seconds"] / self._first["seconds"]
        details = f"{raw['rows']:,} rows in {raw['seconds']:.1f} s"
        self._add("raw `executemany` of the same rows ÷ import", f"{share:.2f}", details=details)
        database = self.folder / "normal.db"
        normal = measure("ingest", f"sqlite:///{database}", self.file, "normal")
        self._drop(database)
        ratio = self._first["seconds"] / normal["seconds"]
        rate = normal["events"] / normal["seconds"]
        self._add(
            "import with synchronous=NORMAL ÷ FULL", f"{ratio:.2f}", details=f"{rate:,.0f} events/s"
        )

    def second_stream(self) -> None:
        """Import a second stream of the same persons into the database of the first."""
        second = write_second(self.file, self.folder / "second.jsonl")
        database = self.folder / "second.db"
        ours, theirs = [], []
        for _ in range(min(self.rounds, 2)):
            shutil.copyfile(
                self.kept, database
            )  # not through memory: children count that as theirs
            ours.append(measure("ingest", f"sqlite:///{database}", second))
            theirs.append(baseline("sqlite", second))
            self._drop(database)
        self._compare("a second stream of the same persons", ours, theirs, ("≥ 1.3", "2.0"))
        second.unlink()

    def folds(self) -> None:
        """Compare replay, rebuild and proof of the kept database."""
        url = f"sqlite:///{self.kept}"
        decoded, replayed, rebuilt = [], [], []
        for _ in range(self.rounds):
            decoded.append(measure("decode", url))
            replayed.append(measure("replay", url))
            rebuilt.append(measure("rebuild", url, "persons", "distinct_ids"))
        pairs = _ratios(replayed, decoded)
        rate = replayed[-1]["seconds"] and decoded[-1]["domain_events"] / replayed[-1]["seconds"]
        details = f"{rate:,.0f} domain events/s"
        self._add("replay ÷ decoding alone", f"{pairs:.2f}", "≥ 0.3", "0.45", details)
        pairs = _ratios(rebuilt, replayed)
        self._add("rebuild of `persons`, `distinct_ids` ÷ replay", f"{pairs:.2f}", "≥ 0.4", "0.6")
        proven, anew = measure("verify", url), measure("rebuild", url)
        if not (proven["well"] and all(each["well"] for each in replayed)):
            sys.exit("The tables do not equal the log.")
        pairs = _ratios([proven], [anew])
        self._add("verify ÷ rebuild, all projections", f"{pairs:.2f}", "≥ 0.5")
        most = max(each["peak_mb"] for each in (*replayed, *rebuilt, proven, anew))
        per_million = most / (self.events / 1e6)
        shown = f"{per_million:.0f} MB"
        self._add("memory of replay, verify, rebuild per 1,000,000", shown, "≤ 150 MB", "100 MB")

    def loads(self) -> None:
        """Compare the loading of a person with many domain events with one of few."""
        database = self.folder / "load.db"
        found = measure("load", f"sqlite:///{database}")
        self._drop(database)
        short, long = found["short"], found["long"]
        ratio = long["microseconds"] / short["microseconds"]
        details = f"{long['microseconds']:.0f} µs with {long['domain_events']:,} domain events"
        self._add(
            "load of a person: 100,000 domain events ÷ 10", f"{ratio:.2f}", "≤ 2", "1.2", details
        )

    def starts(self) -> None:
        """Compare the start of a command that reads with that of its libraries."""
        script = str(Path(sys.executable).with_name("personlog"))
        command = [script, "--db", f"sqlite:///{self.kept}", "rules", "show", "--json"]
        libraries = [sys.executable, "-c", "import click, sqlalchemy"]
        pairs = [wall_time(*command) / wall_time(*libraries) for _ in range(_STARTS)]
        ratio = statistics.median(pairs[1:])
        self._add("start of `rules show --json` ÷ its libraries", f"{ratio:.2f}", "≤ 1.6", "1.3")

    def on_postgresql(self, server: Server) -> None:
        """Compare imports with the baseline, on the first events of the stream."""
        ours, theirs = [], []
        for _ in range(min(self.rounds, 2)):
            with server.database() as url:
                ours.append(measure("ingest", url, self.file))
            with server.database() as url:
                theirs.append(baseline("pg", url, self.file, str(_BASELINE_EVENTS)))
        what = "ingest into PostgreSQL ÷ `upsert.py pg`"
        self._compare(what, ours, theirs, ("≥ 8", "12"))

    def growth(self) -> None:
        """Compare an import of four times as many events."""
        large = generate(GROWTH * self.events, self.folder / "large.jsonl")
        database = self.folder / "large.db"
        found = measure("ingest", f"sqlite:///{database}", large)
        self._drop(database)
        large.unlink()
        again = self.folder / "again.db"
        once = measure("ingest", f"sqlite:///{again}", self.file)
        self._drop(again)
        times = found["seconds"] / once["seconds"]
        memory = found["peak_mb"] / once["peak_mb"]
        counted = f"{GROWTH * self.events:,} ÷ {self.events:,}"
        self._add(f"growth in time, {counted}", f"{times:.2f}", "≤ 4.6", "4.2")
        self._add(f"growth in peak memory, {counted}", f"{memory:.2f}", "≤ 1.3", "1.1")

    def _compare(
        self, what: str, ours: list[Found], theirs: list[Found], wanted: tuple[str, str]
    ) -> None:
        pairs = [
            one["events"] / one["seconds"] / other["eps"]
            for one, other in zip(ours, theirs, strict=True)
        ]
        rate = statistics.median(each["events"] / each["seconds"] for each in ours)
        rates = statistics.median(each["eps"] for each in theirs)
        rounds = ", ".join(f"{pair:.2f}" for pair in pairs)
        details = f"{rate:,.0f} against {rates:,.0f} events/s; rounds {rounds}"
        self._add(what, f"{statistics.median(pairs):.2f}", *wanted, details)

    def _add(
        self, what: str, found: str, wanted: str = "", aim: str = "", details: str = ""
    ) -> None:
        row = Row(what, found, wanted, aim, details)
        self.rows.append(row)
        print(f"{what:52} {found:>9}  {wanted:9} {aim:7} {details}", flush=True)

    @staticmethod
    def _drop(database: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)


def _ratios(slower: list[Found], faster: list[Found]) -> float:
    """Give the median of the rates of the first against the second."""
    pairs = zip(slower, faster, strict=True)
    return statistics.median(float(two["seconds"] / one["seconds"]) for one, two in pairs)


def as_markdown(rows: Iterable[Row]) -> str:
    """Write the table for the documentation."""
    lines = ["| path | found | at least | aim | in figures |", "| --- | ---: | --- | --- | --- |"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="A document whose table is replaced.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TMPDIR"] = name
        bench = Bench(folder, args.events, args.rounds)
        size = bench.file.stat().st_size / MEGABYTE
        python = sys.version.split()[0]
        print(f"{args.events:,} captured events, {size:,.0f} MB of lines, Python {python}\n")
        bench.on_sqlite()
        bench.second_stream()
        bench.limits()
        bench.folds()
        bench.loads()
        bench.starts()
        with postgresql(folder) as server:
            bench.on_postgresql(server)
        bench.growth()
    if args.write is not None:
        text = args.write.read_text(encoding="utf-8")
        table = as_markdown(bench.rows).replace("\\", "\\\\")
        args.write.write_text(_TABLE.sub(rf"\1{table}\2", text), encoding="utf-8")


if __name__ == "__main__":
    main()
