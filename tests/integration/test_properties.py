"""Hypothesis: whatever comes in, in whatever batches, tables equal the log, nothing is lost."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from personlog import operations
from personlog.adapters.arrivals import Arrival, Door, Order
from personlog.adapters.clock import SystemClock
from personlog.adapters.json_lines import Line
from personlog.adapters.project_unit import Limits
from personlog.adapters.unit_of_work import Batch, UnitOfWork
from personlog.domain.inputs import SetRules
from personlog.domain.person import Person
from personlog.domain.person_state import decode_state, encode_state
from personlog.domain.uuids import PersonId
from personlog.engine import LOOKUPS, Engine

PROJECT = "p"
START = 1_767_225_600_000
Json = dict[str, Any]
DEFAULT_LIMITS = Limits()

ids = st.sampled_from(["a", "b", "c", "d", "e", "null", "A"])
keys = st.sampled_from(["k", "l", "m"])
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(max_size=3),
    st.lists(st.integers(0, 2), max_size=2),
    st.dictionaries(keys, st.integers(0, 2), max_size=2),
)
operations_ = st.fixed_dictionaries(
    {},
    optional={
        "$set": st.dictionaries(keys, values, max_size=2),
        "$set_once": st.dictionaries(keys, values, max_size=2),
        "$unset": st.lists(keys, max_size=2),
    },
)


@st.composite
def captured(draw: st.DrawFn) -> Json:
    """A captured event over few IDs: plain, linking, held, personless."""
    name = draw(
        st.sampled_from(["$identify", "$identify", "$create_alias", "$merge_dangerously", "x", "y"])
    )
    properties: Json = dict(draw(operations_))
    if name == "$identify":
        properties["$anon_distinct_id"] = draw(ids)
    elif name != "x":
        properties["alias"] = draw(ids)
    if draw(st.booleans()):
        properties["$lib"] = "posthog-ios"
    if draw(st.integers(0, 9)) == 0:
        properties["$process_person_profile"] = False
    return {"event": name, "distinct_id": draw(ids), "properties": properties}


@st.composite
def streams(draw: st.DrawFn) -> list[Json]:
    """Captured events in order of arrival, some of them sent twice, seconds or minutes apart."""
    lines: list[Json] = []
    now = START
    for number, line in enumerate(draw(st.lists(captured(), min_size=1, max_size=14))):
        now += draw(st.sampled_from([0, 0, 1_000, 20_000, 61_000]))
        line["uuid"] = f"00000000-0000-4000-8000-{number:012x}"
        line["received_at"] = now
        line["timestamp"] = START + number
        lines.append(line)
        if draw(st.integers(0, 5)) == 0:
            again = draw(st.sampled_from(lines))
            lines.append({**again, "received_at": now})
    return lines


def arrivals(lines: list[Json]) -> list[Arrival]:
    door = Door("stream", SystemClock(), {}, project=PROJECT)
    admitted = [
        each
        for number, line in enumerate(lines)
        for each in door.admit(Line(number, 0, json.dumps(line).encode()))
    ]
    assert all(isinstance(each, Arrival) for each in admitted)
    return [each for each in admitted if isinstance(each, Arrival)]


@contextmanager
def fresh_engine() -> Iterator[Engine]:
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'p.db'}"
        with Engine.open(url, create=True) as engine:
            yield engine


Items = Sequence[Arrival | Order]


def store(engine: Engine, items: Items, sizes: list[int], limits: Limits = DEFAULT_LIMITS) -> None:
    with UnitOfWork(engine.database, operations.TABLES, LOOKUPS, limits=limits) as unit_of_work:
        rest = items
        for size in sizes:
            unit_of_work.store(Batch(items=rest[:size]))
            rest = rest[size:]
        unit_of_work.store(Batch(items=rest))


def release(engine: Engine) -> None:
    engine.release_buffer(PROJECT, None)


def outcome(engine: Engine) -> Json:
    with engine.read(PROJECT) as queries:
        stamps = [
            (each["uuid"], each["status"], each["stamped_person_id"], each["arrived_at"])
            for each in queries.events()
        ]
        return {
            "digest": engine.digest(PROJECT),
            "stamps": stamps,
            "warnings": list(queries.warnings()),
            "held": list(queries.held()),
        }


quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@quick
@given(streams())
def test_every_id_has_one_person_and_tables_equal_a_replay(lines: list[Json]) -> None:
    with fresh_engine() as engine:
        store(engine, arrivals(lines), [])
        release(engine)
        assert engine.projections.verify(None, ()) == {"equal": True, "first_difference": None}
        with engine.read(PROJECT) as queries:
            held_by = [held for person in queries.persons() for held in person["distinct_ids"]]
            assert len(held_by) == len(set(held_by))
            attributed = {
                each["distinct_id"] for each in queries.events() if each["status"] == "attributed"
            }
        assert attributed <= set(held_by)


@quick
@given(
    streams(),
    st.lists(st.integers(1, 4), max_size=8),
    st.builds(
        Limits,
        page=st.integers(1, 5),
        page_bytes=st.sampled_from([1, 300, 10**6]),
        known=st.integers(0, 4),
    ),
    st.lists(st.tuples(st.integers(0, 14), st.sampled_from([0, 1, 20, 60])), max_size=3),
)
def test_any_batching_gives_the_same(
    lines: list[Json], sizes: list[int], limits: Limits, windows: list[tuple[int, int]]
) -> None:
    """Also when the window changes on the way: later events may fall due before earlier ones."""
    items: list[Arrival | Order] = [*arrivals(lines)]
    for place, seconds in windows:
        items.insert(place, Order(PROJECT, SetRules({"buffer_seconds": seconds})))
    with fresh_engine() as whole, fresh_engine() as parts:
        store(whole, items, [])
        store(parts, items, sizes, limits)
        assert outcome(parts) == outcome(whole)


@given(st.lists(st.sampled_from([60, 59, 1]), min_size=2, max_size=6), st.integers(1, 3))
@example([60, 60], 3)
@settings(quick)
def test_more_events_are_due_than_a_page_holds(windows: list[int], page: int) -> None:
    """Their order is that of due time and position, whatever the pages are."""
    items: list[Arrival | Order] = []
    for number, seconds in enumerate(windows):
        items.append(Order(PROJECT, SetRules({"buffer_seconds": seconds})))
        items += arrivals([held(number, START), held(number + 100, START)])
    first = len(items)
    items.append(Order(PROJECT, SetRules({"buffer_seconds": 1})))
    items += arrivals([held(500, START + 59_000), held(999, START + 61_000)])
    items += arrivals([{**held(1000, START + 63_000), "event": "$identify"}])
    with fresh_engine() as whole, fresh_engine() as parts:
        store(whole, items, [])
        store(parts, items, [first], Limits(page=page))
        assert outcome(parts) == outcome(whole)
        assert outcome(whole)["held"] == []


def uuid_of(number: int) -> str:
    return f"00000000-0000-4000-9000-{number:012x}"


def held(number: int, received_at: int) -> Json:
    """A backend event of the one user there is; each adds a property of its own."""
    return {
        "uuid": uuid_of(number),
        "event": "ordered",
        "distinct_id": "user",
        "received_at": received_at,
        "properties": {"$set": {"last": number}},
    }


def test_a_person_is_forgotten_with_all_its_ids() -> None:
    """Half forgotten, one person would become two that merge."""
    link = {**held(4, START), "event": "$identify"}
    link["properties"] = {"$anon_distinct_id": "device"}
    others = [{**held(number, START), "distinct_id": f"other-{number}"} for number in range(3)]
    with fresh_engine() as engine:
        store(engine, arrivals([link]), [])
        later = [held(5, START), *others, {**link, "uuid": uuid_of(6)}]
        store(engine, arrivals(later), [], Limits(page=1, known=1))
        assert engine.projections.verify(None, ())["equal"]
        with engine.read(PROJECT) as queries:
            assert list(queries.merges()) == []


def test_persons_of_many_projects_are_forgotten(engine: Engine) -> None:
    """The limit holds over all projects; who is forgotten is looked up again."""
    limits = Limits(known=3)
    door = Door("stream", SystemClock(), {})
    with UnitOfWork(engine.database, operations.TABLES, LOOKUPS, limits=limits) as unit_of_work:
        for number in range(40):
            line = {
                "event": "$identify",
                "distinct_id": f"user-{number % 4}",
                "received_at": START + number,
                "project": f"p{number % 7}",
                "properties": {"$anon_distinct_id": f"device-{number % 5}", "$set": {"n": number}},
            }
            unit_of_work.store(Batch(items=items_of(door, line)))
            assert sum(len(each.holders) for each in unit_of_work._known.values()) <= 3
    assert engine.projections.verify(None, ())["equal"]


def items_of(door: Door, line: Json) -> list[Arrival]:
    found = door.admit(Line(1, 0, json.dumps(line).encode()))
    return [each for each in found if isinstance(each, Arrival)]


@quick
@given(streams(), st.data())
def test_resending_a_prefix_changes_nothing(lines: list[Json], data: st.DataObject) -> None:
    with fresh_engine() as engine:
        store(engine, arrivals(lines), [])
        before = outcome(engine)
        prefix = data.draw(st.integers(0, len(lines)))
        later = [{**line, "received_at": START + 10**7} for line in lines[:prefix]]
        store(engine, arrivals(later), [])
        assert outcome(engine) == before


@quick
@given(streams())
def test_rebuilding_changes_nothing(lines: list[Json]) -> None:
    with fresh_engine() as engine:
        store(engine, arrivals(lines), [])
        before = outcome(engine)
        engine.projections.rebuild(None, ())
        assert outcome(engine) == before


@given(
    st.integers(0, 2**47),
    st.booleans(),
    st.lists(ids, unique=True),
    st.dictionaries(st.text(max_size=4), values, max_size=4),
)
def test_stored_state_round_trips(
    created_at: int, is_identified: bool, held: list[str], properties: Json
) -> None:
    person = Person(PersonId(bytes(16)), 3, created_at, is_identified, held, properties)
    again = decode_state(person.person_id, 3, encode_state(person))
    assert again == person
    assert encode_state(again) == encode_state(person)
