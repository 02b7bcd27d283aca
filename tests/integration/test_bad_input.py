"""Files with things in them that no sender should send: nothing stops, nothing gets lost."""

import gzip
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from personlog.adapters.json_lines import MAX_LINE
from personlog.adapters.line_batches import BATCH_LINES
from personlog.cli import main
from personlog.domain.errors import RejectedLine, UnreadableSource
from personlog.engine import Engine
from personlog.ingestion import IngestOptions

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Json = dict[str, Any]
SAVE = Callable[..., str]
UUID = "0190aaaa-0000-4000-8000-{:012x}"
EMPTY_LINE = b'{"event":"x","distinct_id":"a","p":""}'

BAD: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"not json", "invalid_json"),
    "cut off": (b'{"event":"x","distinct_id":"a"', "invalid_json"),
    "two objects": (b'{"event":"x","distinct_id":"a"}{}', "invalid_json"),
    "a control character": (b'{"event":"x","distinct_id":"a\x01"}', "invalid_json"),
    "NaN": (b'{"event":"x","distinct_id":"a","properties":{"n":NaN}}', "invalid_json"),
    "Infinity": (b'{"event":"x","distinct_id":"a","properties":{"n":-Infinity}}', "invalid_json"),
    "a list": (b'[{"event":"x","distinct_id":"a"}]', "not_an_object"),
    "a text": (b'"x"', "not_an_object"),
    "null": (b"null", "not_an_object"),
    "Latin-1": (b'{"event":"x","distinct_id":"caf\xe9"}', "not_utf8"),
    "a surrogate in bytes": (b'{"event":"x","distinct_id":"\xed\xa0\x80"}', "not_utf8"),
    "nested lists": (
        b'{"event":"x","distinct_id":"a","properties":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        "nested_too_deep",
    ),
    "nested objects": (b'{"event":' * 10_000 + b"1" + b"}" * 10_000, "nested_too_deep"),
    "nested and open": (b"[" * 10_000, "nested_too_deep"),
    "1e400": (
        b'{"event":"x","distinct_id":"a","properties":{"n":1e400}}',
        "number_out_of_range",
    ),
    "-1e400 as own ID": (b'{"event":"x","distinct_id":-1e400}', "number_out_of_range"),
    "5,000 digits": (
        b'{"event":"x","distinct_id":"a","$set":{"n":' + b"9" * 5_000 + b"}}",
        "number_out_of_range",
    ),
    "too long by one": (EMPTY_LINE.ljust(MAX_LINE + 1), "too_large"),
    "no event": (b'{"distinct_id":"a"}', "missing_event_name"),
    "empty event": (b'{"event":"","distinct_id":"a"}', "missing_event_name"),
    "number as event": (b'{"event":7,"distinct_id":"a"}', "missing_event_name"),
    "properties in a list": (
        b'{"event":"x","distinct_id":"a","properties":[]}',
        "invalid_properties",
    ),
    "properties as text": (
        b'{"event":"x","distinct_id":"a","properties":"{}"}',
        "invalid_properties",
    ),
    "no own ID": (b'{"event":"x"}', "missing_distinct_id"),
    "null as own ID": (b'{"event":"x","distinct_id":null}', "missing_distinct_id"),
    "empty own ID": (b'{"event":"x","distinct_id":""}', "missing_distinct_id"),
    "empty own ID inside": (
        b'{"event":"x","properties":{"distinct_id":""}}',
        "missing_distinct_id",
    ),
    "unknown token": (b'{"event":"x","distinct_id":"a","token":"phc_no"}', "unknown_token"),
    "unknown token inside": (
        b'{"event":"x","distinct_id":"a","properties":{"token":"phc_no"}}',
        "unknown_token",
    ),
    "list as token": (b'{"event":"x","distinct_id":"a","api_key":["a"]}', "unknown_token"),
    "true as project": (b'{"event":"x","distinct_id":"a","project":true}', "invalid_project"),
    "empty project": (b'{"event":"x","distinct_id":"a","project":""}', "invalid_project"),
    "long project": (
        b'{"event":"x","distinct_id":"a","project":"' + b"p" * 201 + b'"}',
        "invalid_project",
    ),
    "arrival in 2099": (
        b'{"event":"x","distinct_id":"a","received_at":"2099-01-01T00:00:00Z"}',
        "arrival_in_future",
    ),
}


def event(number: int, **fields: Any) -> Json:
    """A good captured event of its own device, so many seconds after the start of 2026."""
    return {
        "uuid": UUID.format(number),
        "event": "$pageview",
        "distinct_id": f"device {number}",
        "received_at": 1_767_225_600_000 + number * 1_000,
        "properties": {"$device_id": f"device {number}"},
        **fields,
    }


def encoded(*lines: Json | bytes) -> bytes:
    return b"".join(
        (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines
    )


def packed(data: bytes, name: str) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(data)
    return zstd.compress(data) if name.endswith(".zst") else data


@pytest.fixture
def save(tmp_path: Path) -> SAVE:
    """Writes lines to a file and gives its name."""

    def write(*lines: Json | bytes, name: str = "events.jsonl") -> str:
        (tmp_path / name).write_bytes(encoded(*lines))
        return str(tmp_path / name)

    return write


def counts(engine: Engine, *sources: str, **options: Any) -> Json:
    """What an import did: the counts that are not zero."""
    found = engine.ingest(sources, IngestOptions(**options)).counts
    return {key: count for key, count in found.items() if count and key != "seconds"}


def rejected(engine: Engine, project: str | None = None) -> list[tuple[int, str]]:
    return [(each["line"], each["reason"]) for each in engine.rejected(project)]


def exported(engine: Engine, project: str | None = None) -> list[Json]:
    with engine.read(project) as queries:
        return list(queries.events())


@pytest.mark.parametrize(("raw", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_is_kept_and_the_rest_goes_on(
    sqlite_engine: Engine, save: SAVE, raw: bytes, reason: str
) -> None:
    file = save(event(1), raw, event(2))
    first = {"read": 3, "stored": 2, "rejected": 1, "persons_created": 2}
    assert counts(sqlite_engine, file) == first
    (kept,) = sqlite_engine.rejected(None)
    assert (kept["source"], kept["line"], kept["reason"]) == (file, 2, reason)
    assert kept["raw"] == raw[:MAX_LINE].decode(errors="replace")
    before = sqlite_engine.digest(None)
    assert counts(sqlite_engine, file) == {"read": 3, "duplicates": 2, "rejected": 1}
    assert rejected(sqlite_engine) == [(2, reason)]
    assert sqlite_engine.digest(None) == before


def test_all_bad_lines_of_one_file(engine: Engine, save: SAVE) -> None:
    raws, reasons = [raw for raw, _ in BAD.values()], [reason for _, reason in BAD.values()]
    file = save(event(1), *raws, event(2))
    assert counts(engine, file)["rejected"] == len(BAD)
    assert rejected(engine) == list(enumerate(reasons, 2))
    assert len(exported(engine)) == 2
    with engine.database.read() as connection:
        kept = connection.exec_driver_sql("SELECT line, raw FROM rejected ORDER BY line").all()
    assert [bytes(raw) for _, raw in kept] == [raw[:MAX_LINE] for raw in raws]


def test_equal_bad_lines_are_kept_once(engine: Engine, save: SAVE) -> None:
    file = save(b"no", event(1), b"no", b"no")
    assert counts(engine, file)["rejected"] == 3
    assert rejected(engine) == [(4, "invalid_json")]


def test_long_lines_that_begin_alike_are_told_apart(sqlite_engine: Engine, save: SAVE) -> None:
    file = save(event(1), EMPTY_LINE.ljust(MAX_LINE + 7, b"a"), EMPTY_LINE.ljust(MAX_LINE + 9))
    counts(sqlite_engine, file)
    assert rejected(sqlite_engine) == [(2, "too_large"), (3, "too_large")]


def test_lines_of_a_file_that_holds_nothing_else_can_be_listed(
    sqlite_engine: Engine, save: SAVE
) -> None:
    counts(sqlite_engine, save(b"no", b'{"event":"x"}'))
    assert rejected(sqlite_engine) == [(1, "invalid_json"), (2, "missing_distinct_id")]


# Length of lines


def test_a_line_may_be_exactly_a_mebibyte_long(sqlite_engine: Engine, save: SAVE) -> None:
    file = save(EMPTY_LINE[:-2].ljust(MAX_LINE - 2, b"a") + b'"}', event(1))
    assert counts(sqlite_engine, file)["stored"] == 2


def test_a_line_of_exactly_a_mebibyte_may_end_in_crlf(sqlite_engine: Engine, save: SAVE) -> None:
    file = save(EMPTY_LINE[:-2].ljust(MAX_LINE - 2, b"a") + b'"}\r', event(1))
    assert counts(sqlite_engine, file)["stored"] == 2


def test_a_first_line_that_is_too_long_behind_a_bom_is_one_line(
    sqlite_engine: Engine, save: SAVE
) -> None:
    file = save(b"\xef\xbb\xbf" + EMPTY_LINE.ljust(2 * MAX_LINE), event(1))
    counts(sqlite_engine, file)
    assert rejected(sqlite_engine) == [(1, "too_large")]


@pytest.mark.parametrize("name", ["huge.jsonl", "huge.jsonl.gz", "huge.jsonl.zst"])
def test_a_huge_line_is_never_held(sqlite_engine: Engine, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(packed(encoded(event(1), b"{" + bytes(64 * MAX_LINE), event(2)), name))
    tracemalloc.start()
    try:
        assert counts(sqlite_engine, str(file))["stored"] == 2
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rejected(sqlite_engine) == [(2, "too_large")]
    assert peak < 8 * MAX_LINE


@pytest.mark.parametrize(
    ("number", "reason"),
    [("9" * 308, None), ("1" * 309, None), ("9" * 309, "number_out_of_range"),
     ("9" * 5_000, "number_out_of_range"), ("-" + "9" * 401, "number_out_of_range")],
    ids=["308", "309 below the limit", "309", "5,000", "-401"],
)  # fmt: skip
def test_whole_numbers_are_held_to_what_a_double_can_be_on_every_machine(
    tmp_path: Path, save: SAVE, number: str, reason: str | None
) -> None:
    file = save(b'{"event":"x","distinct_id":"a","timestamp":"2026-01-01","properties":{"n":%s}}'
                % number.encode())  # fmt: skip
    for digits in ("0", "640", "4300"):
        url = f"sqlite:///{tmp_path / digits}.db"
        command = [sys.executable, "-m", "personlog", "--db", url]
        told = {**os.environ, "PYTHONINTMAXSTRDIGITS": digits}
        for rest in (["ingest", file], ["buffer", "release", "--all"], ["projections", "verify"]):
            subprocess.run([*command, *rest], env=told, check=reason is None, capture_output=True)
        with Engine.open(url) as engine:
            assert [why for _, why in rejected(engine)] == ([] if reason is None else [reason])


# Strict imports


def test_a_strict_import_stops_and_stores_nothing_of_the_batch(engine: Engine, save: SAVE) -> None:
    whole_batch = [event(number) for number in range(BATCH_LINES)]
    file = save(*whole_batch, event(30_001), b"no", event(30_002))
    with pytest.raises(RejectedLine, match=r"Line 20002 .*invalid_json\): 'no'\. Nothing"):
        engine.ingest([file], IngestOptions(strict=True))
    assert len(exported(engine)) == BATCH_LINES
    assert rejected(engine) == []
    save(*whole_batch, event(30_001), event(30_002))
    assert counts(engine, file, strict=True)["stored"] == 2
    assert engine.projections.verify(None, ())["equal"]


def test_a_strict_import_stops_at_a_reused_uuid(engine: Engine, save: SAVE) -> None:
    with pytest.raises(RejectedLine, match="uuid_reused"):
        engine.ingest(
            [save(event(1), event(2), {**event(1), "event": "y"})], IngestOptions(strict=True)
        )
    assert engine.list_projects() == []


def test_a_strict_import_on_the_command_line(tmp_path: Path, save: SAVE) -> None:
    command = ["--db", f"sqlite:///{tmp_path / 'strict.db'}", "ingest", "--strict"]
    found = CliRunner().invoke(main, [*command, save(event(1), b"no")])
    assert found.exit_code == 1
    assert found.stdout == ""
    assert "invalid_json" in found.stderr
    assert len(found.stderr.splitlines()) == 1
    assert CliRunner().invoke(main, [*command, save(event(1))]).exit_code == 0


# Texts


def test_nul_and_lone_surrogates_are_cleaned(engine: Engine, save: SAVE) -> None:
    nul, half = chr(0), chr(0xD800)
    sent = {
        "event": f"a{nul}b{half}",
        "distinct_id": f"i{nul}d{half}",
        "uuid": UUID.format(7),
        "received_at": "2026-01-01",
        "properties": {"$device_id": f"i{nul}d{half}", f"k{half}": [f"v{nul}", {f"x{nul}": half}]},
        "$set": {f"name{nul}": f"An{half}n"},
    }
    alias = event(8, event="$create_alias", distinct_id=f"i{half}d{nul}")
    alias["properties"] = {"alias": f"other{nul}"}
    assert counts(engine, save(sent, alias))["stored"] == 2
    first, second = exported(engine)
    assert (first["event"], first["distinct_id"]) == ("a\ufffdb\ufffd", "i\ufffdd\ufffd")
    assert first["properties"]["k\ufffd"] == ["v\ufffd", {"x\ufffd": "\ufffd"}]
    assert first["person_id"] == second["person_id"]
    with engine.read(None) as queries:
        persons = list(queries.persons())
    assert persons[0]["distinct_ids"] == ["i\ufffdd\ufffd", "other\ufffd"]
    assert persons[0]["properties"] == {"name\ufffd": "An\ufffdn"}
    json.dumps([first, second, persons], ensure_ascii=False).encode()
    assert engine.projections.verify(None, ())["equal"]


def test_cleaned_texts_are_exported_as_utf_8(tmp_path: Path, save: SAVE) -> None:
    url = f"sqlite:///{tmp_path / 'texts.db'}"
    file = save(rb'{"event":"x","distinct_id":"a\u0000\ud83d\ude00\udfff","$set":{"\ud800":1}}')
    assert CliRunner().invoke(main, ["--db", url, "ingest", file]).exit_code == 0
    found = CliRunner().invoke(main, ["--db", url, "export", "events"])
    line = json.loads(found.stdout_bytes.decode("utf-8"))
    assert line["distinct_id"] == "a\ufffd\U0001f600\ufffd"
    assert line["input"]["$set"] == {"\ufffd": 1}


# Times


def test_a_timestamp_in_the_future_does_not_move_the_clock(engine: Engine, save: SAVE) -> None:
    file = save(event(1, timestamp="2099-01-01T00:00:00Z"), event(2))
    assert counts(engine, file)["warnings"] == 1
    (project,) = engine.list_projects()
    assert project["clock"] == "2026-01-01T00:00:02Z"
    assert exported(engine)[0]["timestamp"] == "2026-01-01T00:00:01Z"


def test_an_arrival_in_the_future_does_not_move_the_clock(engine: Engine, save: SAVE) -> None:
    fields = {"received_at": "2099-01-01T00:00:00Z", "sent_at": "2099-01-01T00:00:00Z"}
    counts(engine, save(event(1), event(3, **fields), event(2)))
    assert rejected(engine) == [(2, "arrival_in_future")]
    assert engine.list_projects()[0]["clock"] == "2026-01-01T00:00:02Z"


@pytest.mark.parametrize("unreadable", ["yesterday", "", 7, True, [], {}, 1e300])
def test_an_unreadable_arrival_falls_back_with_a_warning(
    sqlite_engine: Engine, save: SAVE, unreadable: Any
) -> None:
    fields = {"received_at": unreadable, "sent_at": "2026-01-01T01:00:00Z"}
    counts(sqlite_engine, save(event(1), event(2, **fields)))
    assert exported(sqlite_engine)[1]["received_at"] == "2026-01-01T01:00:00Z"
    with sqlite_engine.read(None) as queries:
        (warning,) = queries.warnings()
    assert (warning["type"], warning["position"]) == ("ignored_invalid_timestamp", 2)
    assert warning["details"]["field"] == "received_at"


def test_without_any_time_the_project_clock_is_the_arrival(
    sqlite_engine: Engine, save: SAVE
) -> None:
    counts(sqlite_engine, save(event(1), event(2, received_at=None)))
    assert exported(sqlite_engine)[1]["received_at"] == "2026-01-01T00:00:01Z"


def test_a_dropped_event_has_its_own_time_too(sqlite_engine: Engine, save: SAVE) -> None:
    counts(sqlite_engine, save(event(1, uuid="not one", timestamp="2025-12-01T00:00:00Z")))
    assert exported(sqlite_engine)[0]["timestamp"] == "2025-12-01T00:00:00Z"


def test_by_the_machines_clock_the_senders_arrival_is_ignored(
    sqlite_engine: Engine, save: SAVE
) -> None:
    file = save(event(1, received_at="nonsense", timestamp="2026-01-01"), {"event": "x"})
    assert counts(sqlite_engine, file, live=True)["rejected"] == 1
    with sqlite_engine.read(None) as queries:
        assert list(queries.warnings()) == []
    (line,) = sqlite_engine.rejected(None)
    assert line["received_at"] is None or line["received_at"] > "2026-11"


# The same input twice


def test_equal_lines_without_uuid_stay_two_and_a_second_import_adds_none(
    engine: Engine, save: SAVE
) -> None:
    click = {key: value for key, value in event(1).items() if key != "uuid"}
    other = {**click, "event": "other"}
    file = save(click, click, other, {**click, "uuid": ""}, {**click, "uuid": None})
    assert counts(engine, file)["stored"] == 5
    assert counts(engine, file) == {"read": 5, "duplicates": 5}
    assert len({each["uuid"] for each in exported(engine)}) == 5
    # One more click at the end is the only new line of a file that has grown.
    assert counts(engine, save(click, click, other, click)) == {
        "read": 4,
        "stored": 1,
        "duplicates": 3,
    }


@pytest.mark.parametrize("change", [{"event": "another"}, {"distinct_id": "another"}])
def test_a_reused_uuid_is_a_duplicate_and_kept(engine: Engine, save: SAVE, change: Json) -> None:
    reusing = event(1, **change)
    first = {"read": 3, "stored": 2, "duplicates": 1, "rejected": 1, "persons_created": 2}
    assert counts(engine, save(event(1), reusing, event(2))) == first
    assert rejected(engine) == [(2, "uuid_reused")]
    # Also when the first of them is stored already.
    again = counts(engine, save(reusing, name="again.jsonl"))
    assert again == {"read": 1, "duplicates": 1, "rejected": 1}
    assert [each["event"] for each in exported(engine)] == ["$pageview"] * 2


def test_a_retry_is_a_duplicate_and_no_reuse(engine: Engine, save: SAVE) -> None:
    retry = event(1, sent_at="2026-01-02", properties={"retried": True})
    found = counts(engine, save(event(1), retry))
    assert found == {"read": 2, "stored": 1, "duplicates": 1, "persons_created": 1}
    assert rejected(engine) == []


def test_another_timestamp_makes_another_captured_event(engine: Engine, save: SAVE) -> None:
    file = save(event(1, timestamp=1_767_225_600_001), event(1, timestamp=1_767_225_600_002))
    assert counts(engine, file)["stored"] == 2


# Projects


def test_where_lines_go(engine: Engine, save: SAVE) -> None:
    engine.create_project("shop", "phc_shop")
    routed = save(
        event(1),
        event(2, project="by name"),
        event(3, project=7),
        event(4, token="phc_shop"),
        event(5, api_key="phc_shop"),
        event(6, properties={"token": "phc_shop"}),
        event(7, project="by name", token="phc_shop"),
        event(8, token="phc_other"),
    )
    assert counts(engine, routed)["rejected"] == 1
    stored = {each["name"]: each["inputs"] for each in engine.list_projects()}
    assert stored == {"default": 1, "by name": 2, "7": 1, "shop": 3}
    assert rejected(engine, "shop") == [(8, "unknown_token")]


def test_an_override_beats_every_line(engine: Engine, save: SAVE) -> None:
    file = save(event(1), event(2, project="a"), event(3, token="phc_no"), event(4, project=True))
    assert counts(engine, file, project="only") == {"read": 4, "stored": 4, "persons_created": 4}
    assert [each["name"] for each in engine.list_projects()] == ["only"]


# Files


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz", "events.jsonl.zst"])
def test_packed_files_and_untidy_ends_of_lines(engine: Engine, tmp_path: Path, name: str) -> None:
    lines = [json.dumps(event(number)).encode() for number in range(1, 5)]
    text = b"\xef\xbb\xbf" + lines[0] + b"\r\n\r\n  \t\n\n" + lines[1] + b"\n" + lines[2] + b"\r\n"
    untidy = text + b"\n" + lines[3]
    half = len(untidy) // 2
    file = tmp_path / name
    file.write_bytes(packed(untidy[:half], name) + packed(untidy[half:], name))
    assert counts(engine, str(file)) == {"read": 4, "stored": 4, "persons_created": 4}
    assert [each["input"] for each in exported(engine)] == [json.loads(line) for line in lines]


@pytest.mark.parametrize("text", [b"", b"\n", b"\xef\xbb\xbf", b" \r\n\t\n"])
def test_files_without_lines(sqlite_engine: Engine, tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "empty.jsonl"
    file.write_bytes(text)
    assert counts(sqlite_engine, str(file)) == {}


MANY = [event(number) for number in range(2 * BATCH_LINES)]


@pytest.mark.parametrize(
    "name",
    [
        "cut.jsonl.gz",
        "cut.jsonl.zst",
    ],
)
def test_a_cut_file_keeps_whole_batches_and_is_resumed(
    sqlite_engine: Engine, tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    # The last line is of noise, so that the cut lies well behind the first batch.
    noise = event(99_999, properties={"noise": Random(1).randbytes(400_000).hex()})
    whole = packed(encoded(*MANY[: BATCH_LINES + 10], noise), name)
    file.write_bytes(whole[:-500])
    with pytest.raises(UnreadableSource, match=name):
        sqlite_engine.ingest([str(file)])
    assert len(exported(sqlite_engine)) == BATCH_LINES
    file.write_bytes(whole)
    assert counts(sqlite_engine, str(file))["read"] == 11
    assert len(exported(sqlite_engine)) == BATCH_LINES + 11


@pytest.mark.parametrize("name", ["wrong.jsonl.gz", "wrong.jsonl.zst"])
def test_a_file_that_is_not_packed_as_its_name_says(
    sqlite_engine: Engine, save: SAVE, name: str
) -> None:
    with pytest.raises(UnreadableSource, match=name):
        sqlite_engine.ingest([save(event(1), name=name)])


def test_a_file_that_changed_behind_the_cursor_begins_anew(
    sqlite_engine: Engine, save: SAVE
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sqlite_engine.ingest([save(*MANY)], IngestOptions(on_progress=interrupt))
    assert len(exported(sqlite_engine)) == BATCH_LINES
    found = counts(sqlite_engine, save(event(100_000), *MANY[1:]))
    assert found["read"] == len(MANY)
    assert found["duplicates"] == BATCH_LINES - 1
