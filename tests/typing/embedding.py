"""An application that embeds personlog, for type checkers: it is checked, never run."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import assert_type

import personlog
from personlog import views


def application() -> None:
    with personlog.open("sqlite:///app.db", project="app", create=True) as log:
        assert_type(log, personlog.Personlog)
        report = log.ingest([{"event": "signup", "distinct_id": "alice", "properties": {}}])
        assert_type(report, views.ImportReport)
        assert_type(report.stored, int)
        assert_type(log.ingest_files(["a.jsonl"], format="segment"), views.ImportReport)
        assert_type(log.resolve("alice"), str | None)
        person = log.person("alice")
        assert_type(person, views.Person)
        assert_type(person.created_at, datetime)
        assert_type(person.distinct_ids, list[str])
        assert_type(log.history("alice"), list[views.DomainEvent])
        assert_type(log.merges(refused_only=True), Iterator[views.Merge])
        assert_type(log.warnings(), Iterator[views.IngestionWarning])
        assert_type(log.events("alice"), Iterator[views.CapturedEvent])
        assert_type(log.persons("ali", sort="created_at", limit=5), Iterator[views.Person])
        assert_type(log.rules, personlog.Rules)
        assert_type(log.set_rules(buffer_seconds=0), personlog.Rules)
        assert_type(log.buffer.release(datetime.now(UTC)), int)
        assert_type(log.buffer.status(), views.BufferStatus)
        for held in log.buffer:
            assert_type(held, views.HeldEvent)
        assert_type(log.projections.verify(), views.Verdict)
        assert_type(log.digest(), views.Digest)
        try:
            log.person("nobody")
        except personlog.UnknownPerson as error:
            assert_type(error, personlog.UnknownPerson)
