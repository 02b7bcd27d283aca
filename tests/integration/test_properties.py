"""Hypothesis: whatever comes in, in whatever batches, tables equal the log, nothing is lost."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from personlog import operations
from personlog.adapters.arrivals import Arrival, Door
from personlog.adapters.clock import SystemClock
from personlog.adapters.json_lines import Line
from personlog.adapters.unit_of_work import Batch, UnitOfWork
from personlog.domain.person import Person
from personlog.domain.person_state import decode_state, encode_state
from personlog.domain.uuids import PersonId
from personlog.engine import LOOKUPS, Engine

PROJECT = "p"
START = 1_767_225_600_000
Json = dict[str, Any]

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


def store(engine: Engine, items: list[Arrival], sizes: list[int], page: int = 5_000) -> None:
    with UnitOfWork(engine.database, operations.TABLES, LOOKUPS, page=page) as unit_of_work:
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
@given(streams(), st.lists(st.integers(1, 4), max_size=8), st.integers(1, 5))
def test_any_batching_gives_the_same(lines: list[Json], sizes: list[int], page: int) -> None:
    with fresh_engine() as whole, fresh_engine() as parts:
        store(whole, arrivals(lines), [])
        store(parts, arrivals(lines), sizes, page)
        assert outcome(parts) == outcome(whole)


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
