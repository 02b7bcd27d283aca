"""UUIDs: which texts are one, and how ids are derived."""

from uuid import RFC_4122, UUID

from personlog.domain.uuids import (
    derive_line_uuid,
    derive_person_id,
    derive_stream_id,
    parse_uuid,
    uuid_text,
)

ARRIVED = 1_671_530_400_000
CREATING = bytes.fromhex("0190aaaa000040008000000000000009")


UUIDS: list[str] = [
    "0190aaaa-0000-4000-8000-000000000009",
    "0190AAAA-0000-4000-8000-00000000000F",
    "0190aAaA-0000-4000-8000-00000000000f",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "0190aaaa-0000-1000-0000-000000000009",
    "0190aaaa-0000-f000-f000-000000000009",
]


def test_any_version_and_variant_is_a_uuid() -> None:
    for text in UUIDS:
        found = parse_uuid(text)
        assert found == UUID(text).bytes
        assert uuid_text(found) == text.lower()


OTHER_FORMS: list[str] = [
    "", "nope", "0190aaaa00004000800000000000000f", "0190aaaa-0000-4000-8000-00000000000",
    "0190aaaa-0000-4000-8000-0000000000099", "0190aaaa-0000-4000-8000-00000000000g",
    " 0190aaaa-0000-4000-8000-000000000009", "0190aaaa-0000-4000-8000-000000000009\n",
    "{0190aaaa-0000-4000-8000-000000000009}", "urn:uuid:0190aaaa-0000-4000-8000-000000000009",
    "0190aaaa_0000_4000_8000_000000000009", "0190aaa-a0000-4000-8000-000000000009",
    "0190aaaa-0000-4000-8000-0000000000 9", "0190aaaa-0000-4000-8000-  0000000009",
    "0190aaaa-0000-4000-8000------------9", "0190aaaa-0000-4000-8000-00000000-009",
    "0190aaaa-0000-4000-8000-0000000000 0a", "0190aaaa-0000-4000-8000-00000000\u0660009",
    "0190aaaa-0000-4000--800-000000000009",
]  # fmt: skip


def test_any_other_form_is_none() -> None:
    assert [text for text in OTHER_FORMS if parse_uuid(text) is not None] == []


def test_a_person_id_begins_with_the_arrival_in_milliseconds() -> None:
    person_id = derive_person_id("shop", ARRIVED, CREATING, "user")
    assert int.from_bytes(person_id[:6], "big") == ARRIVED
    later = derive_person_id("shop", ARRIVED + 1, CREATING, "user")
    assert person_id < later


def test_derived_ids_are_version_8_of_the_usual_variant() -> None:
    # Twenty of each: a single one may have the right bits by chance.
    for number in range(20):
        for derived in (
            derive_person_id("shop", ARRIVED, CREATING, f"user {number}"),
            derive_line_uuid("shop", b"line", number),
            derive_stream_id("shop", "kind", number),
        ):
            uuid = UUID(bytes=derived)
            assert (uuid.version, uuid.variant) == (8, RFC_4122)


def test_a_person_id_depends_on_project_arrival_uuid_and_distinct_id() -> None:
    other_uuid = CREATING[:-1] + b"\x0a"
    found = [
        derive_person_id("shop", ARRIVED, CREATING, "user"),
        derive_person_id("shop2", ARRIVED, CREATING, "user"),
        derive_person_id("shop", ARRIVED, other_uuid, "user"),
        derive_person_id("shop", ARRIVED, CREATING, "user2"),
    ]
    assert len({each[6:] for each in found}) == 4
    assert derive_person_id("shop", ARRIVED + 1, CREATING, "user") not in found


def test_fields_do_not_run_into_each_other() -> None:
    assert derive_stream_id("a", "bc", 1) != derive_stream_id("ab", "c", 1)
    assert derive_line_uuid("a", b"bc", 0) != derive_line_uuid("ab", b"c", 0)


def test_the_same_input_gives_the_same_ids_for_ever() -> None:
    person_id = derive_person_id("shop", ARRIVED, CREATING, "jos\u00e9")
    line = derive_line_uuid("shop", b'{"event":"x"}', 1)
    stream = derive_stream_id("shop", "input.warning_raised", 9)
    assert uuid_text(person_id) == "01852ef9-c900-8f9c-a4e8-2b66090f5819"
    assert uuid_text(line) == "3e44288c-9d39-8538-9887-9085ee567497"
    assert uuid_text(stream) == "f2cf1841-6d51-8c51-b627-e70519c93298"


def test_equal_lines_of_one_file_stay_two_and_another_project_has_others() -> None:
    line = b'{"event":"x"}'
    found = {
        derive_line_uuid("shop", line, 0),
        derive_line_uuid("shop", line, 1),
        derive_line_uuid("shop", line + b" ", 0),
        derive_line_uuid("shop2", line, 0),
    }
    assert len(found) == 4


def test_a_stream_of_an_input_depends_on_project_kind_and_position() -> None:
    found = {
        derive_stream_id("shop", "input.warning_raised", 1),
        derive_stream_id("shop", "input.warning_raised", 2),
        derive_stream_id("shop", "project.rules_set", 1),
        derive_stream_id("shop2", "input.warning_raised", 1),
    }
    assert len(found) == 4
