"""The Python API on both databases, as an application uses it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints
from uuid import UUID

import pytest

import personlog
from personlog import views

DEMO = Path(__file__).parents[2] / "demo.jsonl"
Json = dict[str, Any]


@pytest.fixture
def log(url: str) -> Iterator[personlog.Personlog]:
    with personlog.open(url, create=True) as opened:
        opened.ingest_files([DEMO])
        yield opened


def event(number: int, distinct_id: str, **fields: Any) -> Json:
    when = datetime.fromtimestamp(1_780_000_000 + number, UTC)
    return {
        "uuid": UUID(int=number),
        "event": "x",
        "distinct_id": distinct_id,
        "timestamp": when,
        "properties": {"$device_id": distinct_id},
        **fields,
    }


def test_a_missing_database_is_an_error_unless_it_is_to_be_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with pytest.raises(personlog.StoreError, match="There is no database"):
        personlog.open(url)
    with personlog.open(url, create=True) as opened:
        assert opened.projects() == []
        assert opened.resolve("alice") is None
        assert list(opened.persons()) == []
        with pytest.raises(personlog.UnknownPerson):
            opened.person("alice")
    with pytest.raises(personlog.StoreError, match="was closed"):
        opened.resolve("alice")


@pytest.mark.parametrize("given", ["events.jsonl", b"{}", {"event": "x"}])
def test_one_thing_where_many_are_wanted(log: personlog.Personlog, given: Any) -> None:
    with pytest.raises(TypeError, match="ingest_files"):
        log.ingest(given)


def test_importing_an_applications_own_objects(url: str) -> None:
    with personlog.open(url, create=True, project="app") as log:
        report = log.ingest([event(1, "phone"), json.dumps({"event": "y"}), b"no json"])
        assert (report.read, report.stored, report.rejected, report.persons_created) == (3, 1, 2, 1)
        link = event(2, "ann", event="$identify", properties={"$anon_distinct_id": "phone"})
        report = log.ingest(iter([event(1, "phone"), link]))
        assert (report.stored, report.duplicates, report.notes) == (1, 1, [])
        person = log.person("ann")
        assert person.distinct_ids == ["ann", "phone"]
        assert person.created_at == datetime.fromtimestamp(1_780_000_001, UTC)
        assert log.resolve("phone") == log.resolve("ann") == person.person_id
        assert log.resolve("nobody") is None
        assert [line.reason for line in log.rejected()] == ["missing_distinct_id", "invalid_json"]
        assert [line.source for line in log.rejected()] == ["python"] * 2


def test_objects_that_json_cannot_hold(url: str) -> None:
    with personlog.open(url, create=True) as log:
        with pytest.raises(personlog.UnreadableSource, match="Captured event 2 "):
            log.ingest([event(1, "a"), event(2, "b", properties={"x": {1}})])
        assert log.projects() == []
        half = chr(0xD800)
        report = log.ingest([event(1, f"a{half}"), event(2, "b", properties={"x": float("inf")})])
        assert (report.stored, report.rejected) == (1, 1)
        assert log.resolve("a\ufffd") is not None


def test_live_events_arrive_at_the_machines_time(tmp_path: Path) -> None:
    began = datetime.now(UTC)
    with personlog.open(f"sqlite:///{tmp_path / 'live.db'}", create=True) as log:
        log.ingest([event(1, "a", received_at="2026-01-01T00:00:00Z")], live=True)
        (found,) = log.events()
        assert abs((found.received_at - began).total_seconds()) < 60


def test_strict_imports(log: personlog.Personlog) -> None:
    with pytest.raises(personlog.RejectedLine, match="missing_distinct_id"):
        log.ingest([event(1, "new"), {"event": "x"}], strict=True)
    assert log.resolve("new") is None


def test_reading_persons(log: personlog.Personlog) -> None:
    alice = log.person("phone-c201")
    assert alice == log.person(alice.person_id) == log.person(f"person:{alice.person_id}")
    assert (alice.version, alice.is_identified, alice.merged_into) == (13, True, None)
    assert alice.created_at == datetime(2026, 3, 1, 20, 15, tzinfo=UTC)
    (absorbed,) = [merge.absorbed for merge in log.merges() if merge.own_id == "alice"][:1]
    assert absorbed is not None
    assert log.person(absorbed).merged_into == alice.person_id
    with pytest.raises(personlog.UnknownPerson, match="'nobody'"):
        log.person("nobody")


def names(found: Iterator[views.Person]) -> list[str]:
    return [person.distinct_ids[0] for person in found]


def test_searching_persons(log: personlog.Personlog) -> None:
    everybody = ["alice", "bob", "kiosk-4", "null", "kiosk-9", "carol"]
    assert names(log.persons()) == everybody
    assert names(log.persons(descending=True)) == everybody[::-1]
    assert names(log.persons(limit=2, offset=1)) == everybody[1:3]
    assert names(log.persons("KIOSK")) == ["kiosk-4", "kiosk-9"]
    assert names(log.persons("@example.com")) == ["alice", "bob"]
    assert names(log.persons(properties={"plan": "team"})) == ["bob"]
    assert names(log.persons(properties={"plan": True})) == []
    assert names(log.persons(having=["plan"])) == ["alice", "bob", "carol"]
    assert names(log.persons(having=["plan"], identified=False)) == ["carol"]
    assert names(log.persons(sort="distinct_ids", descending=True, limit=2)) == ["alice", "bob"]
    assert names(log.persons(sort="version", limit=1)) == names(log.persons(sort="version"))[:1]
    assert names(log.persons(sort="created_at", offset=4)) == ["kiosk-9", "carol"]


def test_reading_what_happened(log: personlog.Personlog) -> None:
    history = log.history("alice")
    assert [each.position for each in history] == sorted(each.position for each in history)
    absorbed = next(each for each in history if each.type == "person.absorbed")
    assert absorbed.fields["taken"] == {"theme": "dark"}
    assert absorbed.cause.uuid == "019cae19-0040-7000-8000-000000000010"
    assert absorbed.rules == views.RuleSet(name="default", version=1)
    refused = list(log.merges(refused_only=True))
    assert [each.reason for each in refused] == [
        "already_identified",
        "illegal_distinct_id",
        "illegal_distinct_id",
    ]
    assert len(list(log.merges())) == 5
    warnings = list(log.warnings())
    assert warnings[0].details["targetPersonDistinctId"] == "alice"
    events = list(log.events("bob"))
    assert [each.event for each in events][:2] == ["signup", "$pageview"]
    assert {each.person_id for each in events} == {log.resolve("bob")}
    assert len(list(log.events())) == 23
    with pytest.raises(personlog.UnknownPerson):
        next(log.events("nobody"))


def test_rules_buffer_and_projections(log: personlog.Personlog) -> None:
    assert log.rules.buffer_seconds == 60
    assert log.set_rules(buffer_seconds=120, name="patient").version == 2
    with pytest.raises(personlog.InvalidRules):
        log.set_rules(buffer_seconds="soon")
    held = event(1, "dave", properties={})
    log.ingest([held])
    (waiting,) = log.buffer
    assert waiting.distinct_id == "dave"
    status = log.buffer.status()
    assert (status.held, status.buffer_seconds) == (1, 120)
    assert status.first_due == status.last_due == waiting.due_at
    with pytest.raises(ValueError, match="no time zone"):
        log.buffer.release(datetime(2026, 1, 1))  # noqa: DTZ001 - on purpose
    assert log.buffer.release(waiting.due_at) == 1
    assert log.buffer.release() == 0
    assert log.projections.verify()
    assert log.projections.verify("persons") == views.Verdict(equal=True, first_difference=None)
    assert log.projections.replay()
    assert log.projections.rebuild("merges") > 0
    assert {each.state for each in log.projections.status()} == {"current"}
    with pytest.raises(personlog.UnknownProjection):
        log.projections.verify("no")
    assert len(log.digest().log) == 64


def test_projects(log: personlog.Personlog) -> None:
    shop = log.create_project("shop", "phc_shop")
    assert (shop.name, shop.token) == ("shop", "phc_shop")
    log.ingest([{**event(1, "a"), "token": "phc_shop"}])
    assert log.project("shop").person("a").version == 2
    assert log.resolve("a") is None
    assert [each.name for each in log.projects()] == ["default", "shop"]


def test_several_threads_at_once(url: str) -> None:
    """Each its own connection: nothing is lost, and readers are not in the way."""
    with personlog.open(url, create=True) as log:
        log.create_project("default")

        def write(thread: int) -> int:
            return sum(log.ingest([event(thread * 100 + n, f"d{n % 7}")]).stored for n in range(20))

        def read(_: int) -> int:
            return sum(len(list(log.persons())) >= 0 for _ in range(20))

        with ThreadPoolExecutor(8) as pool:
            writing, reading = pool.map(write, range(4)), pool.map(read, range(4))
            assert (sum(writing), sum(reading)) == (80, 80)
        assert len(list(log.events())) == 80
        assert log.projections.verify()


def test_reading_does_not_block_writing(log: personlog.Personlog) -> None:
    """A reader that stops amid a list keeps its snapshot, and nobody waits for it."""
    reader = log.persons()
    first = next(reader)
    assert log.ingest([event(1, "late")]).stored == 1
    assert log.set_rules(buffer_seconds=0).version == 2
    rest = list(reader)
    assert "late" not in names(iter([first, *rest]))
    assert "late" in names(log.persons())


def test_what_is_public() -> None:
    for name in personlog.__all__:
        assert getattr(personlog, name) is not None
        assert name in dir(personlog)
    with pytest.raises(AttributeError, match="'nothing'"):
        personlog.nothing  # noqa: B018 - that is the test
    errors = [getattr(personlog, name) for name in personlog.__all__]
    for error in errors:
        if isinstance(error, type) and issubclass(error, Exception):
            assert issubclass(error, personlog.PersonlogError)
            assert error.__doc__
    for name, member in vars(personlog.Personlog).items():
        if callable(member) and not name.startswith("_"):
            assert "return" in get_type_hints(member), name
            assert member.__doc__, name
