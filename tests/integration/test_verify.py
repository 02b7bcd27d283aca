"""Whatever is changed behind personlog's back, `verify` says so, in a sentence and not an error."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from personlog.adapters.schema import inputs, projects, schema_versions, stored_events
from personlog.engine import Engine
from personlog.projections.distinct_ids import distinct_ids
from personlog.projections.id_history import id_history
from personlog.projections.ingestion_warnings import ingestion_warnings
from personlog.projections.merges import merges
from personlog.projections.persons import persons

DEMO = Path(__file__).parents[2] / "demo.jsonl"


@pytest.fixture
def demo(engine: Engine) -> Engine:
    engine.ingest([str(DEMO)])
    engine.set_rules(None, {"buffer_seconds": 30})
    assert engine.projections.verify(None, ()) == {"equal": True, "first_difference": None}
    return engine


def difference(engine: Engine, *statements: sa.Executable) -> Any:
    """Change the database by hand; give what verify then finds."""
    with engine.database.write() as connection:
        for statement in statements:
            connection.execute(statement)
    found = engine.projections.verify(None, ())
    assert found["equal"] is (found["first_difference"] is None)
    return found["first_difference"]


def change_state(engine: Engine, topic: str, changes: dict[str, object]) -> None:
    """Change fields of the first domain event of a topic; None takes a field away."""
    c = stored_events.c
    with engine.database.write() as connection:
        position, state = connection.execute(
            sa.select(c.position, c.state).where(c.topic == topic).order_by(c.position)
        ).first() or (0, b"")
        fields = {**json.loads(state), **changes}
        fields = {name: value for name, value in fields.items() if value is not None}
        connection.execute(
            sa.update(stored_events)
            .where(c.position == position)
            .values(state=json.dumps(fields).encode())
        )


def newest_person() -> Any:
    return sa.select(sa.func.max(persons.c.person)).scalar_subquery()


TAMPERED: dict[str, tuple[str, list[sa.Executable]]] = {
    "a row of persons dropped": (
        "persons",
        [sa.delete(persons).where(persons.c.person == newest_person())],
    ),
    "a person's version": ("persons", [sa.update(persons).values(version=persons.c.version + 1)]),
    "a person's state": ("persons", [sa.update(persons).values(state=b"\0")]),
    "an ID's person": (
        "distinct_ids",
        [sa.update(distinct_ids).values(person=newest_person())],
    ),
    "an ID nobody sent": (
        "distinct_ids",
        [sa.insert(distinct_ids).values(project=1, distinct_id="zoe", person=bytes(16))],
    ),
    "an ID's history": ("id_history", [sa.update(id_history).values(person=bytes(16))]),
    "the audit": ("merges", [sa.update(merges).values(own_id="zoe")]),
    "the audit emptied": ("merges", [sa.delete(merges)]),
    "a warning": ("ingestion_warnings", [sa.update(ingestion_warnings).values(type="harmless")]),
    "a stamp": ("stamps", [sa.update(inputs).where(inputs.c.position == 3).values(person=None)]),
    "an unknown status": ("inputs", [sa.update(inputs).values(status=7)]),
    "an input's uuid": (
        "inputs",
        [sa.update(inputs).where(inputs.c.position == 5).values(uuid=b"u" * 16)],
    ),
    "an input's key": (
        "inputs",
        [sa.update(inputs).where(inputs.c.position == 5).values(sent_timestamp=5)],
    ),
    "an input's place": (
        "inputs",
        [sa.update(inputs).where(inputs.c.position == 5).values(position=100_005)],
    ),
    "an input's arrival": (
        "inputs",
        [sa.update(inputs).where(inputs.c.position == 5).values(arrived_at=1)],
    ),
    "an input's body": (
        "inputs",
        [sa.update(inputs).where(inputs.c.position == 5).values(body=b"{}")],
    ),
    "an input dropped": ("inputs", [sa.delete(inputs).where(inputs.c.position == 5)]),
    "the clock": ("inputs", [sa.update(projects).values(clock=1)]),
    "the head of the log": ("log", [sa.update(projects).values(log_head=7)]),
    "a domain event dropped": (
        "log",
        [sa.delete(stored_events).where(stored_events.c.position == 5)],
    ),
    "a version of a stream": (
        "log",
        [
            sa.update(stored_events)
            .where(stored_events.c.topic == "project.rules_set")
            .values(version=9)
        ],
    ),
    "an unreadable event": (
        "log",
        [sa.update(stored_events).where(stored_events.c.position == 5).values(state=b"{")],
    ),
    "rows of no project": (
        "persons",
        [sa.insert(persons).values(project=99, person=bytes(16), version=1, state=b"{}")],
    ),
}


@pytest.mark.parametrize(("expected", "statements"), TAMPERED.values(), ids=[*TAMPERED])
def test_what_is_tampered_with_is_found(
    demo: Engine, expected: str, statements: list[sa.Executable]
) -> None:
    found = difference(demo, *statements)
    assert found is not None
    assert expected in (found.get("what"), found.get("projection"))


@pytest.mark.parametrize(
    ("topic", "changes", "expected"),
    [
        ("project.rules_set", {"rule_set": {}}, "rule_sets cannot fold"),
        ("person.absorbed", {"absorbed": "nobody"}, "merges"),
        ("person.created", {"created_at": 5}, "persons"),
        ("person.properties_set", {"new": {"plan": "free"}}, "persons"),
        ("person.distinct_id_added", {"distinct_id": "zoe"}, "zoe"),
        ("person.created", {"created_at": None}, "cannot be read"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_changed_domain_event_is_found(
    demo: Engine, topic: str, changes: dict[str, object], expected: str
) -> None:
    change_state(demo, topic, changes)
    found = demo.projections.verify(None, ())["first_difference"]
    assert expected in json.dumps(found)


def test_two_domain_events_that_want_one_row(demo: Engine) -> None:
    c = stored_events.c
    with demo.database.write() as connection:
        head = connection.execute(sa.select(projects.c.log_head)).scalar_one()
        state = connection.execute(
            sa.select(c.state).where(c.topic == "project.rules_set")
        ).scalar_one()
        twin = {"project": 1, "position": head + 1, "stream": b"s" * 16, "version": 1}
        connection.execute(
            sa.insert(stored_events).values(**twin, topic="project.rules_set", state=state)
        )
        connection.execute(sa.update(projects).values(log_head=head + 1))
    found = demo.projections.verify(None, ())
    assert "rule_sets cannot fold" in found["first_difference"]["message"]
    # The connection is fit for use again.
    assert not demo.projections.verify(None, ())["equal"]


def test_a_state_that_cannot_be_read_is_a_difference_to_a_replay(demo: Engine) -> None:
    with demo.database.write() as connection:
        connection.execute(sa.update(persons).values(state=b"\0"))
    found = demo.projections.replay(None)
    assert "cannot be read" in found["first_difference"]["message"]


def test_a_rebuild_notes_the_version_of_its_code(demo: Engine) -> None:
    with demo.database.write() as connection:
        connection.execute(sa.update(schema_versions).values(version=0))
    demo.projections.rebuild("default", ())
    assert {each["state"] for each in demo.projections.versions()[:-1]} == {"outdated"}
    demo.projections.rebuild(None, ("persons",))
    states = {each["name"]: each["state"] for each in demo.projections.versions()}
    assert (states["persons"], states["merges"]) == ("current", "outdated")
    demo.projections.rebuild(None, ())
    assert {each["state"] for each in demo.projections.versions()} == {"current"}
