"""The traps of `eventsourcing.md` that could bite us: each has a test that falls into it."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Timer
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa
from eventsourcing.persistence import ProgrammingError, StoredEvent

from personlog import operations
from personlog.adapters import event_codec
from personlog.adapters.arrivals import Arrival, Door
from personlog.adapters.clock import SystemClock
from personlog.adapters.database import driver
from personlog.adapters.event_log import read_log
from personlog.adapters.json_lines import Line
from personlog.adapters.recorder import PersonlogApplicationRecorder
from personlog.adapters.statements import statements_on
from personlog.adapters.unit_of_work import Batch, UnitOfWork
from personlog.domain.errors import StoreError
from personlog.domain.events import EVENT_TYPES, DomainEvent
from personlog.domain.ports import Statements
from personlog.domain.recorded import Recorded
from personlog.engine import LOOKUPS, Engine

PROJECT = "traps"
START = 1_767_225_600_000
TOPICS = {
    "input.warning_raised": "IngestionWarningRaised",
    "person.absorbed": "PersonAbsorbed",
    "person.created": "PersonCreated",
    "person.distinct_id_added": "DistinctIdAdded",
    "person.identified": "PersonIdentified",
    "person.merge_refused": "MergeRefused",
    "person.merged_into": "MergedInto",
    "person.properties_set": "PropertiesSet",
    "project.rules_set": "RulesSet",
}
"""Part of every stored log: a topic here never changes."""


class FailsWhenTold:
    """A projection that fails in the transaction of the append, after all others."""

    name: ClassVar[str] = "fails_when_told"
    version: ClassVar[int] = 1
    tables: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.told = False

    def apply(self, statements: Statements, recorded: Recorded) -> None:  # noqa: ARG002
        if self.told:
            raise RuntimeError("told to fail")


FAILING = FailsWhenTold()


@contextmanager
def unit_of_work(engine: Engine) -> Iterator[UnitOfWork]:
    """A unit of work that fails while `FAILING.told`."""
    lookups = msgspec.structs.replace(LOOKUPS, projections=(*LOOKUPS.projections, FAILING))
    with UnitOfWork(engine.database, operations.TABLES, lookups) as opened:
        yield opened


def fail(opened: UnitOfWork, *items: Arrival) -> None:
    FAILING.told = True
    try:
        with pytest.raises(RuntimeError, match="told to fail"):
            opened.store(Batch(items=items))
    finally:
        FAILING.told = False


def arrival(number: int, name: str, distinct_id: str, **properties: Any) -> Arrival:
    """The captured event `number`, so many seconds after the start."""
    sent = {
        "uuid": str(UUID(int=number)),
        "event": name,
        "distinct_id": distinct_id,
        "received_at": START + number * 1000,
        "properties": {"$device_id": distinct_id, **properties},
    }
    (admitted,) = Door("traps", SystemClock(), {}, project=PROJECT).admit(
        Line(number, 0, json.dumps(sent).encode())
    )
    assert isinstance(admitted, Arrival)
    return admitted


def view(number: int, distinct_id: str, **properties: Any) -> Arrival:
    return arrival(number, "$pageview", distinct_id, **properties)


def identify(number: int, distinct_id: str, other_id: str) -> Arrival:
    return arrival(number, "$identify", distinct_id, **{"$anon_distinct_id": other_id})


def select(engine: Engine, sql: str) -> Sequence[Any]:
    with engine.database.read() as connection:
        return connection.exec_driver_sql(sql).all()


def positions(engine: Engine, table: str) -> list[int]:
    return [row[0] for row in select(engine, f"SELECT position FROM {table} ORDER BY position")]


def test_positions_are_not_used_up_by_a_rollback(engine: Engine) -> None:
    with unit_of_work(engine) as opened:
        opened.store(Batch(items=[view(1, "a")]))
        fail(opened, view(2, "b"), identify(3, "c", "b"))
        opened.store(Batch(items=[view(4, "d")]))
    assert positions(engine, "inputs") == [1, 2]
    assert positions(engine, "stored_events") == [1, 2, 3, 4]
    assert engine.projections.verify(None, ())["equal"]


def test_positions_are_not_used_again_after_a_deletion(engine: Engine) -> None:
    with unit_of_work(engine) as opened:
        opened.store(Batch(items=[view(1, "a"), view(2, "b")]))
        with engine.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM inputs WHERE position = 2")
            connection.exec_driver_sql("DELETE FROM stored_events WHERE position > 2")
        assert not engine.projections.verify(None, ())["equal"]
        opened.store(Batch(items=[view(3, "c")]))
    assert positions(engine, "inputs") == [1, 3]
    assert positions(engine, "stored_events") == [1, 2, 5, 6]


@pytest.mark.parametrize("topic", TOPICS)
def test_the_recorder_refuses_our_own_topics(sqlite_engine: Engine, topic: str) -> None:
    recorder = PersonlogApplicationRecorder(sqlite_engine.database, PROJECT)
    foreign = StoredEvent(UUID(int=1), 1, "foreign", b"{}")
    with pytest.raises(ProgrammingError, match=topic):
        recorder.insert_events([foreign, StoredEvent(UUID(int=1), 2, topic, b"{}")])
    assert recorder.max_notification_id() is None


def test_topics_of_an_application_live_in_the_log_beside_ours(engine: Engine) -> None:
    recorder = PersonlogApplicationRecorder(engine.database, PROJECT)
    foreign = [StoredEvent(UUID(int=1), n, "shop.order_placed", b"\xff no json") for n in (1, 2)]
    with unit_of_work(engine) as opened:
        opened.store(Batch(items=[view(1, "a")]))
        assert recorder.insert_events(foreign) == [3, 4]
        opened.store(Batch(items=[identify(2, "b", "a")]))
    assert engine.projections.verify(PROJECT, ()) == {"equal": True, "first_difference": None}
    assert engine.projections.replay(PROJECT)["equal"]
    assert engine.projections.rebuild(PROJECT, ())[0]["domain_events"] == 6
    before = engine.digest(PROJECT)
    assert sorted(positions(engine, "domain_events")) == [1, 2, 5, 6]
    recorder.insert_events([StoredEvent(UUID(int=1), 3, "shop.order_placed", b"{}")])
    after = engine.digest(PROJECT)
    assert (before["state"], before["log"]) == (after["state"], before["log"])
    assert before["log"] != after["log"]


def test_an_application_does_not_append_to_a_persons_stream(engine: Engine) -> None:
    with unit_of_work(engine) as opened:
        opened.store(Batch(items=[view(1, "a")]))
    with engine.read(PROJECT) as queries:
        person = UUID(queries.person("a")["person_id"])
    recorder = PersonlogApplicationRecorder(engine.database, PROJECT)
    with pytest.raises(ProgrammingError, match=str(person)):
        recorder.insert_events([StoredEvent(person, 3, "shop.order_placed", b"{}")])
    for topic in ("person.of_tomorrow", "input.of_tomorrow", "project.of_tomorrow"):
        with pytest.raises(ProgrammingError, match=topic):
            recorder.insert_events([StoredEvent(UUID(int=1), 1, topic, b"{}")])


def test_one_arrival_twice_in_a_batch_is_a_duplicate(engine: Engine) -> None:
    item = view(1, "a")
    with unit_of_work(engine) as opened:
        assert opened.store(Batch(items=[item, item])).duplicates == 1


def test_a_key_that_keeps_refusing_is_not_called_another_writer(engine: Engine) -> None:
    with unit_of_work(engine) as opened:
        opened.store(Batch(items=[view(1, "a")]))
        with engine.database.write() as connection:
            connection.exec_driver_sql("UPDATE projects SET log_head = 0")
        with pytest.raises(StoreError, match="projections verify"):
            opened.store(Batch(items=[view(2, "b")]))


def test_a_failed_unit_leaves_nothing_in_memory(engine: Engine) -> None:
    first = [view(1, "phone"), identify(2, "ann", "phone")]
    failed = [view(3, "tablet"), identify(4, "bob", "tablet"), identify(5, "ann", "tablet")]
    later = [view(6, "tablet"), identify(7, "ann", "tablet"), identify(8, "eve", "ann")]
    with unit_of_work(engine) as opened:
        opened.store(Batch(items=first))
        fail(opened, *failed)
        opened.store(Batch(items=later))
    undisturbed = f"{PROJECT} undisturbed"
    with UnitOfWork(engine.database, operations.TABLES, LOOKUPS) as opened:
        for items in (first, later):
            moved = [msgspec.structs.replace(item, project=undisturbed) for item in items]
            opened.store(Batch(items=moved))
    assert engine.projections.verify(PROJECT, ())["equal"]
    assert shape(engine, PROJECT) == shape(engine, undisturbed)


def shape(engine: Engine, project: str) -> list[Any]:
    """What was decided, without the person ids, which differ between projects."""
    with engine.read(project) as queries:
        persons = [
            (each["distinct_ids"], each["is_identified"], queries.person(each["distinct_ids"][0]))
            for each in queries.persons()
        ]
        merges = [
            (each["position"], each["outcome"], each["own_id"], each["other_id"])
            for each in queries.merges()
        ]
    return [*merges, *sorted((ids, is_, person["version"]) for ids, is_, person in persons)]


def test_ids_that_a_merge_moves_need_not_be_named_by_it(engine: Engine) -> None:
    with unit_of_work(engine) as opened:
        opened.store(Batch(items=[identify(1, "phone", "tablet"), view(2, "ann")]))
    with unit_of_work(engine) as opened:
        opened.store(Batch(items=[arrival(3, "$merge_dangerously", "ann", alias="phone")]))
    with engine.read(PROJECT) as queries:
        assert queries.person("tablet")["distinct_ids"] == ["ann", "phone", "tablet"]
    assert engine.projections.verify(None, ())["equal"]


def test_a_writer_on_sqlite_holds_the_write_lock_while_it_reads(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "personlog.db", timeout=0, isolation_level=None)
    with sqlite_engine.database.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()


def test_connections_to_sqlite_are_durable_and_let_readers_be(sqlite_engine: Engine) -> None:
    assert select(sqlite_engine, "PRAGMA journal_mode") == [("wal",)]
    assert select(sqlite_engine, "PRAGMA synchronous") == [(2,)]


def test_writers_in_turn_never_see_a_stale_snapshot(engine: Engine) -> None:
    """On SQLite reading before locking fails at once with SQLITE_BUSY_SNAPSHOT."""

    def write(start: int) -> None:
        with unit_of_work(engine) as opened:
            for number in range(start, start + 100, 4):
                opened.store(Batch(items=[view(number, f"device {number}")]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, (1, 2, 3, 4)))
    assert positions(engine, "inputs") == list(range(1, 101))
    assert positions(engine, "stored_events") == list(range(1, 201))
    assert engine.projections.verify(None, ())["equal"]


def test_a_reader_that_follows_the_log_misses_nothing(engine: Engine) -> None:
    """Positions from a sequence become visible out of order; ours come from the head."""
    recorder = PersonlogApplicationRecorder(engine.database, PROJECT)
    finished = Event()

    def append(stream: int) -> None:
        for version in range(1, 31):
            recorder.insert_events([StoredEvent(UUID(int=stream), version, "foreign", b"{}")])

    def follow() -> list[int]:
        seen: list[int] = []
        while True:
            is_last = finished.is_set()
            seen += [
                each.id
                for each in recorder.select_notifications(
                    seen[-1] if seen else None, 1_000, inclusive_of_start=False
                )
            ]
            if is_last:
                return seen

    with ThreadPoolExecutor(4) as pool:
        followed = pool.submit(follow)
        list(pool.map(append, (1, 2, 3)))
        finished.set()
        assert followed.result() == list(range(1, 91))


def test_one_project_after_the_other_on_one_connection(engine: Engine) -> None:
    """SQLAlchemy's options of a connection, such as `yield_per`, last as long as it does."""
    with unit_of_work(engine) as opened:
        for project in ("one", "two"):
            item = msgspec.structs.replace(view(1, "a"), project=project)
            opened.store(Batch(items=[item]))
    assert len(engine.projections.rebuild(None, ())) == 2
    assert engine.projections.verify(None, ())["equal"]


STARTER = """
import sys
from personlog.engine import Engine
for line in sys.stdin:
    with Engine.open(line.strip(), create=True) as engine:
        print(engine.list_projects(), flush=True)
"""


SWITCHING = "SQLite does not wait for a lock when it switches a new file to WAL"


def test_a_new_sqlite_file_that_is_locked_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    unlock = Timer(0.2, other.execute, ["COMMIT"])
    unlock.start()
    try:
        Engine.open(f"sqlite:///{file}", create=True).close()
    finally:
        unlock.join()
        other.close()


@pytest.mark.parametrize(
    "kind",
    [
        "sqlite",
        "postgresql",
    ],
)
def test_four_processes_may_make_the_schema_at_once(
    kind: str, tmp_path: Path, new_postgres: Callable[[], str]
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    # The first database warms the processes up, so that they meet at the later ones.
    urls = [
        f"sqlite:///{tmp_path / str(number)}.db" if kind == "sqlite" else new_postgres()
        for number in range(5)
    ]
    for url in urls:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{url}\n")
            process.stdin.flush()
    for process in processes:
        printed, errors = process.communicate(timeout=60)
        assert (printed, errors) == ("[]\n" * len(urls), "")


def test_stored_state_is_bytes(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"event": "$identify", "distinct_id": "a", "$set": {"b": 1, "a": 1}}\n' * 2)
    engine.ingest([str(file)])
    engine.set_rules("default", {"buffer_seconds": 1})
    columns = {
        ("stored_events", "state"),
        ("persons", "state"),
        ("inputs", "body"),
        ("ingestion_warnings", "details"),
        ("rule_sets", "rule_set"),
        ("rejected", "raw"),
    }
    if engine.database.is_sqlite:
        for table, column in columns:
            kinds = select(engine, f"SELECT DISTINCT typeof({column}) FROM {table}")
            assert kinds in ([], [("blob",)]), (table, column)
        kinds = select(engine, "SELECT DISTINCT typeof(state) FROM stored_events")
        assert kinds == [("blob",)]
    else:
        types = {
            (row.table_name, row.column_name): row.data_type
            for row in select(
                engine,
                "SELECT table_name, column_name, data_type FROM information_schema.columns"
                " WHERE table_schema = 'public'",
            )
        }
        assert {types[column] for column in columns} == {"bytea"}
        assert not {"json", "jsonb"} & set(types.values())
    states = select(engine, "SELECT state FROM stored_events WHERE topic = 'person.properties_set'")
    assert b'"new":{"a":1,"b":1}' in bytes(states[0][0])


def test_a_lookup_of_many_keys_is_never_prepared(new_postgres: Callable[[], str]) -> None:
    """A generic plan made for few keys scans the whole table for many."""
    with (
        Engine.open(new_postgres(), create=True) as engine,
        engine.database.connect() as connection,
        connection.begin(),
    ):
        statements = statements_on(connection, operations.TABLES)
        for number in range(12):
            statements.lookup("distinct_ids", 1, ["distinct_id"], ["person"], [(str(number),)])
            statements.upsert("distinct_ids", [(1, str(number), bytes(16))])
            driver(connection).execute("SELECT 'a statement that is prepared'")
        prepared = [
            row.statement
            for row in connection.execute(sa.text("SELECT statement FROM pg_prepared_statements"))
        ]
    assert [text for text in prepared if "a statement that is prepared" in text]
    assert not [text for text in prepared if "unnest" in text]


class ColourChosen(DomainEvent, frozen=True, kw_only=True):
    """An event whose fields have changed twice since the first rows were stored."""

    TOPIC: ClassVar[str] = "test.colour_chosen"
    class_version: ClassVar[int] = 3

    colours: list[str]

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state["colour"] = state.pop("color")

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> None:
        state["colours"] = [state.pop("colour")]


def test_events_of_older_versions_are_read_as_the_present_one(sqlite_engine: Engine) -> None:
    recorder = PersonlogApplicationRecorder(sqlite_engine.database, PROJECT)
    header = b'"recorded_at":1,"cause":{"position":1},"rules":1'
    states = [
        b"{" + header + b',"color":"red"}',
        b"{" + header + b',"colour":"red","class_version":2}',
        b"{" + header + b',"colours":["red"],"class_version":3}',
    ]
    recorder.insert_events(
        [
            StoredEvent(UUID(int=1), version, ColourChosen.TOPIC, state)
            for version, state in enumerate(states, 1)
        ]
    )
    event_codec.register(ColourChosen)
    with sqlite_engine.database.read() as connection:
        events = [each.event for page in read_log(connection, 1) for each in page]
    assert [msgspec.to_builtins(each)["colours"] for each in events] == [["red"]] * 3
    assert event_codec.encode_event(events[0]) == event_codec.encode_event(events[2])
    assert b'"class_version":3' in event_codec.encode_event(events[0])


RESOLVER = """
import sys
import personlog.adapters.recorder
from eventsourcing.utils import resolve_topic
for topic in sys.argv[1:]:
    print(resolve_topic(topic).__name__)
"""


def test_stored_topics_resolve_in_a_fresh_process() -> None:
    assert {each.TOPIC: each.__name__ for each in EVENT_TYPES} == TOPICS
    resolved = subprocess.run(
        [sys.executable, "-c", RESOLVER, *TOPICS], check=True, capture_output=True, text=True
    )
    assert resolved.stdout.split() == list(TOPICS.values())


@pytest.mark.parametrize("durable", [True, False])
def test_durability_is_that_of_the_session_that_writes(engine: Engine, durable: bool) -> None:
    """And of no other one, before or after."""
    show = "PRAGMA synchronous" if engine.database.is_sqlite else "SHOW synchronous_commit"
    full, less = (2, 1) if engine.database.is_sqlite else ("on", "off")
    with engine.database.connect(durable=durable) as connection, connection.begin():
        expected = full if durable else less
        assert connection.exec_driver_sql(show).scalar() == expected
    with engine.database.connect() as connection, connection.begin():
        assert connection.exec_driver_sql(show).scalar() == full
