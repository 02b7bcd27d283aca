"""Importing what other tools exported: sample files through the real commands."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from personlog.adapters.sorting import SortedSource
from personlog.adapters.sources import FileSource
from personlog.cli import main
from personlog.engine import Engine
from personlog.ingestion import IngestOptions

DEMO = Path(__file__).parents[2] / "demo.jsonl"
SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
EXPORT = str(SAMPLES / "posthog-batch-export.jsonl")
SEGMENT = str(SAMPLES / "segment.jsonl")
Json = dict[str, Any]


def personlog(*command: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, command, input=given)


@pytest.fixture
def db(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'personlog.db'}"


def lines(found: Result) -> list[Json]:
    assert found.exit_code == 0, found.stderr
    return [json.loads(line) for line in found.stdout.splitlines()]


def persons(db: str) -> list[tuple[list[str], Json]]:
    assert personlog("--db", db, "buffer", "release", "--all").exit_code == 0
    found = lines(personlog("--db", db, "export", "persons"))
    return [(each["distinct_ids"], each["properties"]) for each in found]


MIA = (["anon-1", "mia"], {"email": "mia@example.com", "plan": "free", "theme": "dark"})
NOA: list[tuple[list[str], Json]] = [(["anon-2"], {}), (["noa"], {})]


def test_a_batch_export_in_order_of_arrival(db: str) -> None:
    found = personlog("--db", db, "ingest", EXPORT, "--json")
    counts = json.loads(found.stdout)
    assert (counts["read"], counts["stored"], counts["rejected"], counts["merges"]) == (8, 6, 2, 0)
    assert "posthog-batch-export.jsonl is read as posthog-export" in found.stderr
    assert "before their project's clock" not in found.stderr
    assert persons(db) == [MIA, *NOA]
    first = lines(personlog("--db", db, "export", "events"))[0]
    assert (first["event"], first["input"]["person_id"]) == ("$pageview", "p-anon")
    rejected = lines(personlog("--db", db, "rejected", "list", "--json"))
    assert [(each["line"], each["reason"]) for each in rejected] == [
        (7, "invalid_json"),
        (8, "missing_distinct_id"),
    ]
    again = json.loads(personlog("--db", db, "ingest", EXPORT, "--json").stdout)
    assert (again["stored"], again["duplicates"]) == (0, 6)


def test_as_it_stands_the_same_file_is_not_in_order(db: str) -> None:
    """That there is something to sort."""
    found = personlog("--db", db, "--project", "a", "ingest", EXPORT, "--format", "personlog")
    assert "before their project's clock: 1;" in found.stderr


def test_a_page_of_the_events_api(db: str) -> None:
    file = str(SAMPLES / "posthog-events-api.jsonl")
    counts = json.loads(personlog("--db", db, "ingest", file, "--json").stdout)
    assert (counts["read"], counts["stored"], counts["persons_created"]) == (1, 2, 1)
    assert persons(db) == [(["anon-9", "lea"], {"plan": "pro"})]


def test_a_segment_file(db: str) -> None:
    found = personlog("--db", db, "ingest", SEGMENT, "--json")
    counts = json.loads(found.stdout)
    assert (counts["read"], counts["stored"], counts["rejected"]) == (13, 10, 4)
    assert "segment.jsonl is read as segment" in found.stderr
    assert persons(db) == [
        (["a-1", "crm-77", "ivo"], {"city": "Ulm", "email": "ivo@example.com", "plan": "free"}),
        (["4711"], {}),
        (["a-2"], {"locale": "de"}),
        (["a-3", "uma"], {}),
    ]
    again = json.loads(personlog("--db", db, "ingest", SEGMENT, "--json").stdout)
    assert (again["stored"], again["duplicates"]) == (0, 10)


def test_options_of_segments_format(db: str) -> None:
    options = ["--format", "segment", "--link-on-track", "--alias-direction", "rudderstack"]
    assert personlog("--db", db, "ingest", SEGMENT, *options).exit_code == 0
    found = personlog("--db", db, "person", "ivo", "--json")
    assert json.loads(found.stdout)["distinct_ids"] == ["a-1", "crm-77", "ivo", "srv-1"]
    events = lines(personlog("--db", db, "export", "events"))
    (alias,) = [each for each in events if each["event"] == "$create_alias"]
    assert (alias["distinct_id"], alias["properties"]["alias"]) == ("crm-77", "ivo")


@pytest.mark.parametrize("file", [EXPORT, SEGMENT])
def test_standard_input_is_recognised_too(db: str, file: str) -> None:
    found = personlog("--db", db, "ingest", "-", "--json", given=Path(file).read_text())
    assert found.exit_code == 0
    assert "- is read as" in found.stderr
    assert json.loads(found.stdout)["stored"] in (6, 10)


def test_an_interrupted_import_of_an_export_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "big.jsonl.gz"
    rows = [json.loads(line) for line in Path(EXPORT).read_text().splitlines()[:6]]
    many = [
        {**rows[0], "uuid": f"{n:08x}-0000-4000-8000-000000000000", "distinct_id": f"d{n % 500}",
         "created_at": f"2026-01-05T{10 + n % 7}:00:{n % 60:02}Z"}
        for n in range(27_000)
    ]  # fmt: skip
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, many)).encode()))

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with Engine.open(f"sqlite:///{tmp_path / 'broken.db'}", create=True) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.ingest([str(file)], IngestOptions(on_progress=interrupt))
        report = engine.ingest([str(file)])
        assert (report.counts["read"], report.counts["stored"]) == (7_000, 7_000)
        broken = engine.digest(None)
    with Engine.open(f"sqlite:///{tmp_path / 'whole.db'}", create=True) as engine:
        engine.ingest([str(file)])
        assert engine.digest(None) == broken


def test_lines_are_sorted_on_disk_in_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personlog.adapters.sorting.RUN_BYTES", 100)
    file = tmp_path / "numbers.jsonl"
    file.write_text("\n".join(str((n * 7_919) % 1_000) for n in range(1_000)) + "\n")
    source = SortedSource(FileSource(str(file)), lambda line: (int(line.raw), 0, b""))
    for _ in range(2):
        with source.open() as opened:
            found = list(opened.lines())
            hashed = opened.prefix_hash()
        assert [int(line.raw) for line in found] == list(range(1_000))
        assert [(line.number - 1) * 7_919 % 1_000 for line in found] == list(range(1_000))
        assert len(hashed) == 32


# Comparing with what the export says


def compared(db: str, *files: str) -> tuple[int, Json]:
    found = personlog("--db", db, "compare", *files, "--json")
    return found.exit_code, json.loads(found.stdout)


def test_comparing_with_the_export_itself(db: str) -> None:
    personlog("--db", db, "ingest", EXPORT)
    personlog("--db", db, "buffer", "release", "--all")
    status, found = compared(db, EXPORT)
    assert status == 3
    examples = found.pop("examples")
    assert found == {
        "equal": False,
        "distinct_ids": 4,
        "unknown": 0,
        "their_persons": 2,
        "our_persons": 3,
        "joined": 0,
        "split": 1,
    }
    (split,) = examples["split"]
    assert (split["person"], split["distinct_ids"]) == ("p-noa", ["anon-2", "noa"])
    assert len(split["ours"]) == 2
    shown = personlog("--db", db, "compare", EXPORT)
    assert "One person there, several here" in shown.stdout


def test_comparing_with_a_persons_export(db: str) -> None:
    personlog("--db", db, "ingest", EXPORT)
    personlog("--db", db, "buffer", "release", "--all")
    link: Json = {"event": "$identify", "distinct_id": "noa", "timestamp": "2026-01-06"}
    link["properties"] = {"$anon_distinct_id": "anon-2"}
    personlog("--db", db, "ingest", "-", given=json.dumps(link))
    status, found = compared(db, str(SAMPLES / "posthog-persons-export.jsonl"))
    assert (status, found["equal"], found["distinct_ids"]) == (0, True, 4)


def test_comparing_names_whom_we_joined(db: str, tmp_path: Path) -> None:
    personlog("--db", db, "ingest", EXPORT)
    answers = tmp_path / "answers.jsonl"
    rows = [{"distinct_id": each, "person_id": f"p-{each}"} for each in ("mia", "anon-1", "never")]
    answers.write_text("\n".join(map(json.dumps, rows)))
    status, found = compared(db, str(answers))
    assert (status, found["joined"], found["unknown"]) == (3, 1, 1)
    assert found["examples"]["joined"][0]["theirs"] == ["p-anon-1", "p-mia"]


# What we export ourselves


def test_an_export_of_ours_is_decided_alike_elsewhere(url: str, tmp_path: Path) -> None:
    """Uuids, arrivals and operations that are not in the properties come over too."""
    sent = tmp_path / "sent.jsonl"
    sent.write_text(
        DEMO.read_text()
        + json.dumps({"event": "x", "distinct_id": "z", "uuid": "none", "timestamp": "2026-04-01"})
        + "\n"
        + json.dumps(
            {"event": "x", "distinct_id": "y", "$set": {"a": 1}, "timestamp": "2026-04-02"}
        )
    )
    exported = tmp_path / "exported.jsonl"
    with Engine.open(f"sqlite:///{tmp_path / 'first.db'}", create=True) as first:
        first.ingest([str(sent)])
        with first.read(None) as queries:
            rows = list(queries.events())
        exported.write_text("\n".join(map(json.dumps, rows)))
        expected = first.digest(None)
    with Engine.open(url, create=True) as second:
        report = second.ingest([str(exported)])
        assert "is read as personlog-export" in report.notes[0]
        assert (report.counts["stored"], report.counts["rejected"]) == (len(rows), 0)
        assert second.digest(None) == expected
        assert second.ingest([str(exported)]).counts["stored"] == 0
        with second.read(None) as queries:
            again = list(queries.events())
    assert [each["input"] for each in again] == [each["input"] for each in rows]
    assert again == rows


def test_a_row_that_is_no_export_of_ours(db: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    row = {"input": {}, "position": 1, "uuid": "u", "received_at": "2026-01-01", "arrived_at": "x"}
    file.write_text(json.dumps({**row, "stamped_person_id": None}))
    found = personlog("--db", db, "ingest", str(file), "--json")
    assert '"rejected":1,' in found.stdout
    (told,) = lines(personlog("--db", db, "rejected", "list", "--json"))
    assert told["reason"] == "not_an_export"
