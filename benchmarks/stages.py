"""Where the time of an import goes: the stages of the writing process, in microseconds an event.

    python -m benchmarks.stages FILE [URL]

Functions that do a whole batch's work are timed from outside; what they call is taken off them.
"""

import functools
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from personlog.adapters import file_import, project_unit, statements, unit_of_work
from personlog.engine import Engine
from personlog.ingestion import IngestOptions
from personlog.projections import registry

_LEAST = 0.005
_taken: dict[str, float] = defaultdict(float)
_inner: list[float] = []


def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Count the time of a function, without that of stages inside it."""

    @functools.wraps(function)
    def counting(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        _inner.append(0.0)
        try:
            return function(*args, **kwargs)
        finally:
            whole = time.perf_counter() - began
            _taken[stage] += whole - _inner.pop()
            if _inner:
                _inner[-1] += whole

    return counting


def timed_steps(stage: str, function: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    """Count the time that a generator takes for its steps."""

    def counting(*args: Any, **kwargs: Any) -> Iterator[Any]:
        steps = function(*args, **kwargs)
        step = timed(stage, lambda: next(steps, None))
        try:
            while (found := step()) is not None:
                yield found
        finally:
            steps.close()

    return counting


def watch() -> None:
    """Put a clock on every stage."""
    watched: list[tuple[Any, str, str]] = [
        (project_unit, "insert_inputs", "rows of inputs"),
        (project_unit, "append_events", "domain events to bytes and rows"),
        (project_unit.ProjectUnit, "_stored_already", "duplicates: keys"),
        (project_unit.ProjectUnit, "_find_holders", "holders: keys and states"),
        (project_unit.ProjectUnit, "_run_page", "walk: decide and evolve"),
        (project_unit.ProjectUnit, "_count", "counting"),
        (project_unit.ProjectUnit, "run", "positions and arrivals"),
        (file_import.FileImport, "_store", "commit, with its checkpoints"),
        (unit_of_work.UnitOfWork, "_attempt", "heads, cursor, grouping"),
    ]
    watched += [
        (type(projection), "apply", f"projection {projection.name}: rows")
        for projection in registry.INLINE
    ]
    for owner, name, stage in watched:
        setattr(owner, name, timed(stage, getattr(owner, name)))
    name = "read_batches_apart"
    stage = "waiting for the reading process, decoding"
    setattr(file_import, name, timed_steps(stage, getattr(file_import, name)))
    for name in ("insert", "upsert", "update", "lookup"):
        call = getattr(statements.SqliteStatements, name)

        def by_table(
            self: Any, table: str, *args: Any, _call: Any = call, _name: str = name, **kwargs: Any
        ) -> Any:
            return timed(f"SQL: {_name} {table}", _call)(self, table, *args, **kwargs)

        setattr(statements.SqliteStatements, name, by_table)


def main() -> None:
    watch()
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[2] if sys.argv[2:] else f"sqlite:///{Path(folder) / 'stages.db'}"
        with Engine.open(url, create=True) as engine:
            counts = engine.ingest([sys.argv[1]], IngestOptions(apart=True)).counts
    events = counts["read"]
    whole = sum(_taken.values()) / events * 1e6
    print(f"{events:,} captured events, {whole:.1f} µs each in the writing process\n")
    print("| stage | µs | share |\n| --- | ---: | ---: |")
    for stage, seconds in sorted(_taken.items(), key=lambda each: -each[1]):
        each = seconds / events * 1e6
        if each >= _LEAST:
            print(f"| {stage} | {each:.2f} | {each / whole:.0%} |")


if __name__ == "__main__":
    main()
