"""Every scenario through the real unit of work: both databases, three ways of batching.

The scenarios are data (``tests/scenarios``, or the folder that ``--scenarios`` names); see the
README beside them for their meaning.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from personlog import operations
from personlog.adapters.arrivals import Arrival, Door, Order, Rejection
from personlog.adapters.json_lines import Line
from personlog.adapters.unit_of_work import Batch, UnitOfWork
from personlog.domain.inputs import ReleaseBuffer, SetRules
from personlog.domain.times import parse_time
from personlog.engine import LOOKUPS, Engine

UNSUPPORTED = {"split"}
BATCHINGS = ("one batch", "one input a batch", "split in two")
Json = dict[str, Any]


class ScenarioClock:
    """Long after every scenario, so that no arrival lies in the future."""

    def now(self) -> int:
        return parse_time("2030-01-01T00:00:00Z") or 0


def load(folder: Path) -> list[Json]:
    files = sorted(folder.glob("*.json"))
    assert files, f"no scenarios in {folder}"
    found = [each for file in files for each in json.loads(file.read_text())["scenarios"]]
    return [each for each in found if not UNSUPPORTED & set(each.get("requires", []))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "scenario" in metafunc.fixturenames:
        found = load(metafunc.config.getoption("--scenarios"))
        ids = [f"{each['area']}/{each['name']}" for each in found]
        metafunc.parametrize("scenario", found, ids=ids)


class Runner:
    """Feeds one scenario to a project of its own and looks at what came of it."""

    def __init__(self, engine: Engine, project: str, scenario: Json) -> None:
        self.engine = engine
        self.project = project
        self.scenario = scenario
        self.door = Door("scenario", ScenarioClock(), {}, project=project)
        self.line_of: dict[str, int] = {}
        self.duplicates: list[int] = []
        self.rejected: list[int] = []

    def steps(self) -> Iterator[tuple[str, Any]]:
        """Everything that happens, by time: captured events, time passing, checkpoints."""
        checkpoints = sorted(self.scenario.get("checkpoints", []), key=lambda each: each["at"])
        for index, event in enumerate(self.scenario["events"]):
            while checkpoints and checkpoints[0]["at"] < event["received_at"]:
                yield from self._checkpoint(checkpoints.pop(0))
            yield "event", (index, event)
        for checkpoint in checkpoints:
            yield from self._checkpoint(checkpoint)
        if "advance_to" in self.scenario:
            yield "time", self.scenario["advance_to"]

    def _checkpoint(self, checkpoint: Json) -> Iterator[tuple[str, Any]]:
        yield "time", checkpoint["at"]
        yield "check", checkpoint["expect"]

    def items(self) -> list[Arrival | Order | Json]:
        """The same as what a unit of work takes; checkpoints are left as they are."""
        items: list[Arrival | Order | Json] = []
        if self.scenario["given"]:
            items.append(Order(self.project, SetRules(self.scenario["given"])))
        for kind, what in self.steps():
            if kind == "event":
                index, event = what
                arrival = self._arrival(index, event)
                if isinstance(arrival, Rejection):
                    self.rejected.append(index)
                    continue
                items.append(arrival)
                uuid = arrival.event.uuid_text
                if uuid in self.line_of:
                    self.duplicates.append(index)
                self.line_of.setdefault(uuid, index)
            elif kind == "time":
                moment = parse_time(what)
                assert moment is not None
                items.append(Order(self.project, ReleaseBuffer(moment)))
            else:
                items.append(what)
        return items

    def _arrival(self, index: int, event: Json) -> Arrival | Rejection:
        if "uuid" not in event:
            event = {**event, "uuid": f"0190aaaa-0000-4000-8000-{index:012x}"}
        raw = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
        (admitted,) = self.door.admit(Line(index + 1, 0, raw))
        return admitted

    def run(self, batching: str) -> None:
        items = self.items()
        with UnitOfWork(self.engine.database, operations.TABLES, LOOKUPS) as unit_of_work:
            if batching == "one input a batch":
                for item in items:
                    if isinstance(item, dict):
                        self.check(item, "at a checkpoint")
                    else:
                        unit_of_work.store(Batch(items=[item]))
            else:
                stored = [item for item in items if not isinstance(item, dict)]
                half = len(stored) // 2 if batching == "split in two" else len(stored)
                for part in (stored[:half], stored[half:]):
                    unit_of_work.store(Batch(items=part))
        self.check(self.scenario["expect"], "at the end")

    def check(self, expect: Json, when: str) -> None:
        found = self.look()
        for key, wanted in expect.items():
            getattr(self, f"check_{key}")(found, wanted, when)

    def look(self) -> Json:
        with self.engine.read(self.project) as queries:
            events = list(queries.events())
            return {
                "persons": list(queries.persons()),
                "warnings": list(queries.warnings()),
                "events": {self.line_of[each["uuid"]]: each for each in events},
                "visible": sorted(
                    self.line_of[each["uuid"]] for each in queries.events(exclude_internal=True)
                ),
            }

    @staticmethod
    def check_persons(found: Json, wanted: list[Json], when: str) -> None:
        def shown(person: Json, keys: Json) -> Json:
            return {key: person[key] for key in keys}

        by_ids = {tuple(each["distinct_ids"]): each for each in found["persons"]}
        assert sorted(by_ids) == sorted(tuple(each["distinct_ids"]) for each in wanted), when
        for each in wanted:
            person = by_ids[tuple(each["distinct_ids"])]
            # As JSON texts, since to Python 1 is 1.0 and True.
            assert json.dumps(shown(person, each), sort_keys=True) == json.dumps(
                each, sort_keys=True
            ), when

    def check_warnings(self, found: Json, wanted: list[Json], when: str) -> None:
        seen = [(each["type"], self.line_of[each["event_uuid"]]) for each in found["warnings"]]
        assert seen == [(each["type"], each["event"]) for each in wanted], when
        for each, expected in zip(found["warnings"], wanted, strict=True):
            details = expected.get("details", {})
            assert {key: each["details"].get(key) for key in details} == details, when

    @staticmethod
    def check_attribution(found: Json, wanted: Json, when: str) -> None:
        groups: dict[Any, set[str]] = defaultdict(set)
        for line, person in wanted.items():
            event = found["events"].get(int(line))
            tied = None if event is None else event["person_id"]
            if event is not None and event["status"] != "attributed":
                tied = None
            groups[person].add(str(tied))
            if person is None:
                assert tied is None, (when, line)
            else:
                assert tied is not None, (when, line)
        assert all(len(persons) == 1 for persons in groups.values()), when
        named = [next(iter(each)) for person, each in groups.items() if person is not None]
        assert len(named) == len(set(named)), when

    @staticmethod
    def check_ingest_groups(found: Json, wanted: list[list[int]], when: str) -> None:
        groups: dict[str, list[int]] = defaultdict(list)
        for line, event in sorted(found["events"].items()):
            if event["stamped_person_id"] is not None:
                groups[event["stamped_person_id"]].append(line)
        assert sorted(groups.values()) == sorted(wanted), when

    @staticmethod
    def check_buffered(found: Json, wanted: list[int], when: str) -> None:
        held = [line for line, event in found["events"].items() if event["status"] == "held"]
        assert sorted(held) == wanted, when

    def check_dropped(self, found: Json, wanted: list[int], when: str) -> None:
        dropped = [line for line, event in found["events"].items() if event["status"] == "dropped"]
        assert sorted(dropped + self.rejected) == wanted, when

    def check_duplicates(self, _found: Json, wanted: list[int], when: str) -> None:
        assert self.duplicates == wanted, when

    @staticmethod
    def check_event_timestamps(found: Json, wanted: Json, when: str) -> None:
        times = {line: found["events"][int(line)]["timestamp"] for line in wanted}
        assert times == wanted, when

    @staticmethod
    def check_visible_events(found: Json, wanted: list[int], when: str) -> None:
        assert found["visible"] == wanted, when


@pytest.fixture(scope="session")
def engines(
    tmp_path_factory: pytest.TempPathFactory, new_postgres: Callable[[], str]
) -> Iterator[dict[tuple[str, str], Engine]]:
    """Six databases: of each kind one for each way of batching."""
    folder = tmp_path_factory.mktemp("scenarios")
    with ExitStack() as stack:
        opened = {}
        for batching in BATCHINGS:
            urls = {
                "sqlite": f"sqlite:///{folder / batching.replace(' ', '-')}.db",
                "postgresql": new_postgres(),
            }
            for kind, url in urls.items():
                opened[kind, batching] = stack.enter_context(Engine.open(url, create=True))
        yield opened


def test_scenario(scenario: Json, engines: dict[tuple[str, str], Engine]) -> None:
    project = f"{scenario['area']}/{scenario['name']}"
    digests = {}
    for (kind, batching), engine in engines.items():
        Runner(engine, project, scenario).run(batching)
        verdict = engine.projections.verify(project, ())
        assert verdict == {"equal": True, "first_difference": None}, (kind, batching)
        assert engine.projections.replay(project)["equal"]
        digests[kind, batching] = engine.digest(project)
    first = next(iter(digests.values()))
    assert digests == dict.fromkeys(digests, first)
