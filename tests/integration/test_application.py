"""The library's Application and Repository over the same tables."""

from typing import Any
from uuid import UUID

import pytest
from eventsourcing.application import AggregateNotFoundError
from eventsourcing.persistence import ProgrammingError

from personlog.adapters.application import PersonApplication, PersonEvent
from personlog.domain.events import Cause, PersonIdentified
from personlog.domain.person import Person
from personlog.engine import Engine

LINES = [
    '{"uuid":"00000000-0000-4000-8000-000000000001","event":"x","distinct_id":"a",'
    '"received_at":"2026-01-01T00:00:00Z","properties":{"$lib":"posthog-ios","$set":{"k":1}}}',
    '{"uuid":"00000000-0000-4000-8000-000000000002","event":"x","distinct_id":"b",'
    '"received_at":"2026-01-01T00:00:01Z","properties":{"$lib":"posthog-ios","$set":{"l":2}}}',
    '{"uuid":"00000000-0000-4000-8000-000000000003","event":"$identify","distinct_id":"a",'
    '"received_at":"2026-01-01T00:00:02Z","properties":{"$anon_distinct_id":"b"}}',
]


@pytest.fixture
def filled(engine: Engine, tmp_path: Any) -> Engine:
    file = tmp_path / "lines.jsonl"
    file.write_text("\n".join(LINES))
    engine.ingest([str(file)])
    return engine


def person_of(engine: Engine, distinct_id: str) -> Person:
    with engine.read(None) as queries:
        return queries.find_person(distinct_id)


def test_the_repository_gives_the_person_that_is_stored(filled: Engine) -> None:
    stored = person_of(filled, "a")
    application = PersonApplication(filled.database, "default")
    found: Person = application.repository.get(stored.id)
    assert found == stored


def test_a_person_can_be_loaded_at_any_version(filled: Engine) -> None:
    stored = person_of(filled, "a")
    application = PersonApplication(filled.database, "default")

    def at(version: int) -> Person:
        found: Person = application.repository.get(stored.id, version=version)
        assert found.version == version
        return found

    assert at(1).distinct_ids == []
    assert at(2).distinct_ids == ["a"]
    assert at(2).properties == {}
    assert at(3).properties == {"k": 1}
    assert (at(4).distinct_ids, at(4).properties) == (["a", "b"], {"k": 1, "l": 2})
    assert not at(4).is_identified
    assert at(5).is_identified


def test_the_notification_log_is_the_projects_log(filled: Engine) -> None:
    application = PersonApplication(filled.database, "default")
    notifications = application.recorder.select_notifications(1, 100)
    assert [each.id for each in notifications] == list(range(1, len(notifications) + 1))
    assert notifications[0].topic == "person.created"


def test_nobody_there_is_an_error_of_the_library(filled: Engine) -> None:
    application = PersonApplication(filled.database, "default")
    with pytest.raises(AggregateNotFoundError):
        application.repository.get(UUID(int=1))


def test_domain_events_enter_through_the_unit_of_work_alone(filled: Engine) -> None:
    application = PersonApplication(filled.database, "default")
    event = PersonIdentified(recorded_at=0, cause=Cause(1), rules=1)
    before = filled.digest(None)
    with pytest.raises(ProgrammingError, match="unit of work alone"):
        application.save(PersonEvent(UUID(int=1), 1, event))
    assert filled.digest(None) == before


def test_projects_do_not_see_each_other(filled: Engine) -> None:
    stored = person_of(filled, "a")
    filled.create_project("other")
    application = PersonApplication(filled.database, "other")
    with pytest.raises(AggregateNotFoundError):
        application.repository.get(stored.id)
