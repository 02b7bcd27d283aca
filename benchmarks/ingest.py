"""Ingest speed on both databases, beside the fixed baseline on the same file, in the same run.

    python -m benchmarks.ingest --events 200000 [--rounds 3] [--only sqlite]

The baseline (``upsert.py``) is what a user would write instead: two tables of plain upserts, no
inputs, no history, no audit. Both sides read and parse the file inside their time and commit
durably. Machines are noisy: rounds alternate, and medians and the ratio are what counts.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from .running import MEGABYTE, Found, baseline, generate, measure, postgresql


def report(name: str, file: Path, runs: list[Found], base: list[Found]) -> None:
    """Print what the rounds on one database found."""
    rate = statistics.median(run["events"] / run["seconds"] for run in runs)
    base_rate = statistics.median(run["eps"] for run in base)
    pairs = [r["events"] / r["seconds"] / b["eps"] for r, b in zip(runs, base, strict=True)]
    last = runs[-1]
    cpu = statistics.median(
        (run["cpu_seconds"] + run["reader_cpu_seconds"]) / run["events"] for run in runs
    )
    peak = max(run["peak_mb"] + run["reader_peak_mb"] for run in runs)
    rounds = ", ".join(f"{pair:.2f}" for pair in pairs)
    print(f"\n{name}: {last['events']:,} captured events, medians of {len(runs)} rounds")
    print(f"  captured events/s        {rate:>12,.0f}")
    print(f"  domain events/s          {rate * last['domain_events'] / last['events']:>12,.0f}")
    print(f"  CPU microseconds/event   {cpu * 1e6:>12.1f}   (both processes)")
    print(f"  peak memory, MB          {peak:>12,}   (both processes)")
    print(f"  disk per byte of input   {last['disk'] / file.stat().st_size:>12.2f}")
    print(f"  baseline upsert.py, ev/s {base_rate:>12,.0f}   ({base[-1]['events']:,} events)")
    print(f"  ratio to the baseline    {statistics.median(pairs):>12.2f}   (rounds: {rounds})")


def on_sqlite(file: Path, folder: Path, rounds: int) -> None:
    """Import into fresh SQLite files, alternating with the baseline."""
    runs, base = [], []
    for number in range(rounds):
        database = folder / f"bench-{number}.db"
        runs.append(measure("ingest", f"sqlite:///{database}", file))
        database.unlink()
        base.append(baseline("sqlite", file))
    report("SQLite file, WAL, synchronous=FULL", file, runs, base)


def on_postgresql(file: Path, folder: Path, rounds: int, limit: int) -> None:
    """Import into fresh databases of a server of our own, alternating with the baseline."""
    runs, base = [], []
    with postgresql(folder) as server:
        for _ in range(rounds):
            with server.database() as url:
                runs.append(measure("ingest", url, file))
            with server.database() as url:
                base.append(baseline("pg", url, file, str(limit)))
    report("PostgreSQL, one ordered writer", file, runs, base)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--file", type=Path, help="Use this stream instead of generating one.")
    parser.add_argument(
        "--baseline-limit",
        type=int,
        default=20_000,
        help="Captured events of the PostgreSQL baseline, which takes a transaction's round trips.",
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TMPDIR"] = name
        file = args.file or generate(args.events, folder / "stream.jsonl")
        print(f"{file.stat().st_size / MEGABYTE:,.0f} MB of lines, Python {sys.version.split()[0]}")
        if args.only != "postgresql":
            on_sqlite(file, folder, args.rounds)
        if args.only != "sqlite":
            on_postgresql(file, folder, args.rounds, args.baseline_limit)


if __name__ == "__main__":
    main()
