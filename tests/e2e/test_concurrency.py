"""Two writers at once: nothing is lost or doubled, and no decision rests on what is no more."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, ClassVar, NamedTuple

import msgspec
import psycopg
import pytest
import sqlalchemy as sa

from personlog import operations
from personlog.adapters.arrivals import Arrival, Door
from personlog.adapters.clock import SystemClock
from personlog.adapters.database import is_conflict
from personlog.adapters.heads import StaleRead, find_head
from personlog.adapters.json_lines import Line
from personlog.adapters.project_unit import Known, Lookups, Outcome
from personlog.adapters.sources import ObjectSource
from personlog.adapters.unit_of_work import Batch, UnitOfWork
from personlog.domain.ports import Statements
from personlog.domain.recorded import Recorded
from personlog.engine import LOOKUPS, Engine
from personlog.ingestion import IngestOptions

SCRIPT = Path(sys.executable).with_name("personlog")
START = 1_767_225_600_000
LINES = 12_000
PROJECT = "stale"

# Two processes


def lines(file: int, projects: Sequence[str]) -> Iterator[bytes]:
    """Captured events over IDs that all files share; the uuid tells the file and the line."""
    random = Random(file)
    for number in range(LINES):
        device, user = f"device-{random.randrange(1_000)}", f"user-{random.randrange(300)}"
        sent: dict[str, Any] = {
            "uuid": f"{file:08x}-0000-4000-8000-{number:012x}",
            "received_at": START + number * 500,
            "project": projects[number % len(projects)],
        }
        kind = random.randrange(10)
        if kind == 0:
            sent |= {"event": "$identify", "distinct_id": user}
            sent["properties"] = {"$anon_distinct_id": device}
        elif kind == 1:
            sent |= {"event": "paid", "distinct_id": user, "$set": {"paid": number}}
        elif kind == 2:
            sent |= {"event": "$create_alias", "distinct_id": user}
            sent["properties"] = {"alias": f"crm-{random.randrange(1_000)}"}
        else:
            sent |= {"event": "$pageview", "distinct_id": device}
            sent["properties"] = {"$device_id": device, "$set": {"last": f"{file}/{number}"}}
        yield json.dumps(sent).encode() + b"\n"


def ingest_at_once(url: str, files: Sequence[Path]) -> None:
    processes = [
        subprocess.Popen(
            [str(SCRIPT), "--db", url, "ingest", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for file in files
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()


def select(engine: Engine, project: str, sql: str) -> Sequence[Any]:
    with engine.database.read() as connection:
        found = connection.execute(
            sa.text(f"SELECT {sql} AND p.name = :project ORDER BY 1"), {"project": project}
        )
        return found.all()


INPUTS = "i.position, i.uuid FROM inputs i JOIN projects p ON i.project = p.id WHERE true"
LOG = "e.position FROM stored_events e JOIN projects p ON e.project = p.id WHERE true"


def check(engine: Engine, project: str, expected: int) -> None:
    """Everything is there once, in each file's order, and all tables agree with the log."""
    rows = select(engine, project, INPUTS)
    assert [row[0] for row in rows] == list(range(1, expected + 1))
    places: dict[bytes, list[int]] = {}
    for _, uuid in rows:
        places.setdefault(bytes(uuid)[:4], []).append(int.from_bytes(bytes(uuid)[10:], "big"))
    assert len(places) == 2
    for numbers in places.values():
        assert numbers == sorted(set(numbers))
    log = [row[0] for row in select(engine, project, LOG)]
    assert log == list(range(1, len(log) + 1))
    with engine.read(project) as queries:
        held = [each for person in queries.persons() for each in person["distinct_ids"]]
        named = {each["distinct_id"] for each in queries.events() if each["status"] != "held"}
    assert len(held) == len(set(held))
    assert named <= set(held)
    assert engine.projections.verify(project, ()) == {"equal": True, "first_difference": None}
    assert engine.projections.replay(project)["equal"]


def test_two_processes_into_one_project(engine: Engine, url: str, tmp_path: Path) -> None:
    files = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for number, file in enumerate(files):
        file.write_bytes(b"".join(lines(number, ["shop"])))
    ingest_at_once(url, files)
    check(engine, "shop", 2 * LINES)


def test_two_processes_into_two_projects(engine: Engine, url: str, tmp_path: Path) -> None:
    files = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    files[0].write_bytes(b"".join(lines(0, ["alpha", "omega"])))
    files[1].write_bytes(b"".join(lines(1, ["omega", "alpha"])))
    ingest_at_once(url, files)
    for project in ("alpha", "omega"):
        check(engine, project, LINES)


# Two units of work


def arrival(number: int, name: str, distinct_id: str, **properties: Any) -> Arrival:
    sent = {
        "uuid": f"0190aaaa-0000-4000-8000-{number:012x}",
        "event": name,
        "distinct_id": distinct_id,
        "received_at": START + number * 1_000,
        "properties": properties,
    }
    (admitted,) = Door("stale", SystemClock(), {}, project=PROJECT).admit(
        Line(number, 0, json.dumps(sent).encode())
    )
    assert isinstance(admitted, Arrival)
    return admitted


def identify(number: int, distinct_id: str, other_id: str) -> Arrival:
    return arrival(number, "$identify", distinct_id, **{"$anon_distinct_id": other_id})


class Race(NamedTuple):
    """What is stored at first, who is late, and who overtakes; what the late one must decide."""

    before: list[Arrival]
    late: list[Arrival]
    faster: list[Arrival]
    decides: dict[str, int]
    would_have: dict[str, int]


RACES = {
    "create": Race(
        before=[],
        late=[arrival(9, "x", "ann", **{"$device_id": "ann"})],
        faster=[identify(3, "ann", "phone")],
        decides={},
        would_have={"persons_created": 1},
    ),
    "hold": Race(
        before=[],
        late=[arrival(9, "paid", "ann")],
        faster=[identify(3, "ann", "phone")],
        decides={},
        would_have={"held": 1},
    ),
    "refuse": Race(
        before=[identify(1, "ann", "phone"), identify(2, "bob", "tablet")],
        late=[identify(9, "ann", "bob")],
        faster=[arrival(3, "$merge_dangerously", "ann", alias="bob")],
        decides={},
        would_have={"refusals": 1},
    ),
    "merge": Race(
        before=[identify(1, "ann", "phone"), arrival(2, "x", "tablet", **{"$device_id": "tablet"})],
        late=[identify(9, "ann", "tablet")],
        faster=[identify(3, "bob", "tablet")],
        decides={"refusals": 1},
        would_have={"merges": 1},
    ),
    "count a duplicate": Race(
        before=[identify(1, "ann", "phone")],
        late=[identify(1, "ann", "phone")],
        faster=[identify(3, "bob", "tablet")],
        decides={"duplicates": 1},
        would_have={"duplicates": 1},
    ),
}


class Overtaken:
    """Lookups as ever, but at the first one of a kind another unit of work commits meanwhile."""

    def __init__(self, when: str, other: Callable[[], object]) -> None:
        self.when = when
        self.other = other
        self.times = 0

    def lookups(self) -> Lookups:
        hook = {"heads are read": "rules_in_force", "persons are read": "find_holders"}[self.when]
        return msgspec.structs.replace(LOOKUPS, **{hook: self.then(getattr(LOOKUPS, hook))})

    def then(self, look_up: Callable[..., Any]) -> Callable[..., Any]:
        def look_up_and_be_overtaken(*args: Any) -> Any:
            found = look_up(*args)
            self.times += 1
            if self.times == 1:
                self.other()
            return found

        return look_up_and_be_overtaken


@contextmanager
def unit_of_work(engine: Engine, lookups: Lookups = LOOKUPS) -> Iterator[UnitOfWork]:
    """A unit of work that has no lease, so that only its last statement keeps others out."""
    with UnitOfWork(engine.database, operations.TABLES, lookups) as opened:
        opened._lease = None
        yield opened


def store(engine: Engine, items: Sequence[Arrival]) -> Outcome:
    with unit_of_work(engine) as opened:
        return opened.store(Batch(items=items))


def decided(outcome: Outcome) -> dict[str, int]:
    names = ("persons_created", "merges", "refusals", "held", "duplicates")
    return {name: count for name in names if (count := getattr(outcome, name))}


def whole(engine: Engine) -> tuple[Any, ...]:
    with engine.read(PROJECT) as queries:
        return engine.digest(PROJECT), list(queries.events()), list(queries.warnings())


@pytest.fixture
def postgres(new_postgres: Callable[[], str]) -> Iterator[Engine]:
    with Engine.open(new_postgres(), create=True) as opened:
        opened.create_project(PROJECT)
        yield opened


races = pytest.mark.parametrize(
    ("race", "when"),
    [
        pytest.param(race, when, id=f"{name} when {when}")
        for name, race in RACES.items()
        for when in ("heads are read", "persons are read")
        # A duplicate looks nobody up.
        if (name, when) != ("count a duplicate", "persons are read")
    ],
)


@pytest.mark.parametrize("race", RACES.values(), ids=RACES)
def test_the_faster_one_changes_the_decision(sqlite_engine: Engine, race: Race) -> None:
    """That these are races at all."""
    store(sqlite_engine, race.before)
    assert decided(store(sqlite_engine, race.late)) == race.would_have


@races
def test_a_stale_attempt_is_not_committed(postgres: Engine, race: Race, when: str) -> None:
    store(postgres, race.before)
    overtaken = Overtaken(when, lambda: store(postgres, race.faster))
    with (
        unit_of_work(postgres, overtaken.lookups()) as late,
        pytest.raises((StaleRead, sa.exc.IntegrityError, psycopg.errors.UniqueViolation)) as ended,
        postgres.database.write(late._connection) as connection,
    ):
        late._attempt(connection, Batch(items=race.late), {PROJECT: Known()})
    assert isinstance(ended.value, StaleRead) or is_conflict(ended.value)
    with postgres.read(PROJECT) as queries:
        assert len(list(queries.events())) == len(race.before + race.faster)
    assert postgres.projections.verify(PROJECT, ())["equal"]


@races
def test_a_stale_decision_is_taken_anew(
    postgres: Engine, sqlite_engine: Engine, race: Race, when: str
) -> None:
    store(postgres, race.before)
    overtaken = Overtaken(when, lambda: store(postgres, race.faster))
    with unit_of_work(postgres, overtaken.lookups()) as late:
        assert decided(late.store(Batch(items=race.late))) == race.decides
    assert overtaken.times == 2
    for items in (race.before, race.faster, race.late):
        store(sqlite_engine, items)
    assert whole(postgres) == whole(sqlite_engine)
    assert postgres.projections.verify(PROJECT, ())["equal"]


@pytest.mark.parametrize("race", RACES.values(), ids=RACES)
def test_what_a_unit_of_work_remembers_is_not_decided_on_once_it_is_stale(
    engine: Engine, tmp_path: Path, race: Race
) -> None:
    with unit_of_work(engine) as late:
        late.store(Batch(items=race.before))
        store(engine, race.faster)
        assert decided(late.store(Batch(items=race.late))) == race.decides
    with Engine.open(f"sqlite:///{tmp_path / 'reference.db'}", create=True) as reference:
        for items in (race.before, race.faster, race.late):
            store(reference, items)
        assert whole(engine) == whole(reference)


def test_heads_that_have_moved_are_not_overwritten(engine: Engine) -> None:
    store(engine, [identify(1, "ann", "phone")])
    with engine.database.read() as connection:
        head = find_head(connection, PROJECT)
    assert head is not None
    head.input_head += 1
    store(engine, [identify(2, "bob", "tablet")])
    with pytest.raises(StaleRead), engine.database.write() as connection:
        head.save(connection)
    assert engine.list_projects()[0]["inputs"] == 2


def test_many_writers_without_a_lease(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody starves: who was overtaken once locks the head before deciding again."""
    monkeypatch.setattr("personlog.adapters.unit_of_work.MAX_ATTEMPTS", 2)

    def write(writer: int) -> None:
        with unit_of_work(engine) as opened:
            for number in range(writer, 100, 4):
                other = f"device-{number % 7}"
                opened.store(Batch(items=[identify(number, f"user-{number % 5}", other)]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    rows = select(engine, PROJECT, INPUTS)
    assert [row[0] for row in rows] == list(range(1, 101))
    assert {bytes(uuid)[-1] for _, uuid in rows} == set(range(100))
    assert engine.projections.verify(PROJECT, ())["equal"]


def test_a_second_writer_waits_for_the_lease_and_says_so(postgres: Engine) -> None:
    waited: list[str] = []
    is_waiting = threading.Event()

    def on_wait(name: str) -> None:
        waited.append(name)
        is_waiting.set()

    def write() -> Outcome:
        with UnitOfWork(postgres.database, operations.TABLES, LOOKUPS, on_wait=on_wait) as second:
            return second.store(Batch(items=[identify(2, "bob", "tablet")]))

    with ThreadPoolExecutor(1) as pool:
        with UnitOfWork(postgres.database, operations.TABLES, LOOKUPS) as first:
            first.store(Batch(items=[identify(1, "ann", "phone")]))
            second = pool.submit(write)
            assert is_waiting.wait(10)
            first.store(Batch(items=[identify(3, "eve", "laptop")]))
            assert not second.done()
        assert second.result(timeout=10).stored == 1
    assert waited == [PROJECT]


def test_an_order_does_not_wait_until_an_import_ends(postgres: Engine) -> None:
    with UnitOfWork(postgres.database, operations.TABLES, LOOKUPS) as importing:
        importing.store(Batch(items=[identify(1, "ann", "phone")]))
        with ThreadPoolExecutor(1) as pool:
            changed = pool.submit(postgres.set_rules, PROJECT, {"buffer_seconds": 5})
            assert changed.result(timeout=10)["buffer_seconds"] == 5
            assert pool.submit(postgres.release_buffer, PROJECT, None).result(timeout=10) == 0
        importing.store(Batch(items=[identify(2, "bob", "tablet")]))
    assert postgres.projections.verify(PROJECT, ())["equal"]


# A rebuild beside a writer


def test_an_import_reads_again_what_a_rebuild_repaired(engine: Engine) -> None:
    """Else it would go on deciding by the damage, which would then be in the log for good."""
    with unit_of_work(engine) as importing:
        importing.store(Batch(items=[identify(1, "ann", "phone"), identify(2, "bob", "tablet")]))
    damage = (
        "UPDATE distinct_ids SET person ="
        " (SELECT person FROM distinct_ids WHERE distinct_id = 'bob') WHERE distinct_id = 'ann'"
    )
    with engine.database.write() as connection:
        connection.exec_driver_sql(damage)
    with unit_of_work(engine) as importing:
        importing.store(Batch(items=[identify(3, "ann", "laptop")]))
        assert not engine.projections.verify(PROJECT, ())["equal"]
        engine.projections.rebuild(PROJECT, ())
        before = engine.digest(PROJECT)["log"]
        importing.store(Batch(items=[identify(4, "ann", "phone")]))
    assert engine.digest(PROJECT)["log"] == before, "ann and her phone are one person already"
    assert engine.projections.verify(PROJECT, ())["equal"]


class Pauses:
    """A projection that lets something else happen amid the append, once."""

    name: ClassVar[str] = "pauses"
    version: ClassVar[int] = 1
    tables: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] | None = None

    def apply(self, statements: Statements, recorded: Recorded) -> None:  # noqa: ARG002
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()


def until_it_waits(engine: Engine, task: "Future[Any]") -> None:
    """Return when some session waits for another's lock, or the task has ended."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while not task.done():
        with engine.database.read() as connection:
            if connection.exec_driver_sql(waiting).scalar():
                return
        time.sleep(0.01)


def test_a_merge_during_a_rebuild(postgres: Engine) -> None:
    store(postgres, [arrival(1, "x", "ann", **{"$device_id": "ann"}), identify(2, "bob", "phone")])
    with ThreadPoolExecutor(1) as pool:
        tasks: list[Future[Any]] = []

        def meanwhile(_at: int, _of: int) -> None:
            merge = arrival(3, "$merge_dangerously", "ann", alias="bob")
            tasks.append(pool.submit(store, postgres, [merge]))
            until_it_waits(postgres, tasks[0])

        postgres.projections.rebuild(PROJECT, ("id_history",), meanwhile)
        assert tasks[0].result(timeout=10).merges == 1
    assert postgres.projections.verify(PROJECT, ()) == {"equal": True, "first_difference": None}


def test_a_rebuild_during_a_merge(postgres: Engine) -> None:
    store(postgres, [arrival(1, "x", "ann", **{"$device_id": "ann"}), identify(2, "bob", "phone")])
    pauses = Pauses()
    lookups = msgspec.structs.replace(LOOKUPS, projections=(*LOOKUPS.projections, pauses))
    with ThreadPoolExecutor(1) as pool, unit_of_work(postgres, lookups) as writer:
        tasks: list[Future[Any]] = []

        def meanwhile() -> None:
            tasks.append(pool.submit(postgres.projections.rebuild, PROJECT, ()))
            until_it_waits(postgres, tasks[0])

        pauses.meanwhile = meanwhile
        merge = arrival(3, "$merge_dangerously", "ann", alias="bob")
        assert writer.store(Batch(items=[merge])).merges == 1
        tasks[0].result(timeout=10)
    assert postgres.projections.verify(PROJECT, ())["equal"]


def test_many_held_events_are_released_in_steps(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step is an order of its own; those due at one moment go together."""
    monkeypatch.setattr("personlog.engine._RELEASED_TOGETHER", 2)
    held = [
        {"event": "paid", "distinct_id": f"user-{n}", "received_at": START + n // 3 * 1_000}
        for n in range(8)
    ]
    engine.ingest([ObjectSource(held, "held")], IngestOptions(project=PROJECT))
    before = engine.list_projects()[0]["inputs"]
    assert engine.release_buffer(PROJECT, None) == len(held)
    assert engine.list_projects()[0]["inputs"] == before + 3
    assert engine.release_buffer(PROJECT, None) == 0
    assert engine.projections.verify(PROJECT, ())["equal"]
