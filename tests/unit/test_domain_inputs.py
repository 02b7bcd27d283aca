"""Inputs as they are stored: the numbers of statuses, and the texts of commands."""

import msgspec

from personlog.domain.inputs import Command, ReleaseBuffer, SetRules, Status

STORED: list[tuple[Command, bytes]] = [
    (
        SetRules({"buffer_seconds": 0}),
        b'{"command":"rules set","changes":{"buffer_seconds":0}}',
    ),
    (ReleaseBuffer(5), b'{"command":"buffer release","until":5}'),
]


def test_the_numbers_of_statuses_are_stored_and_stay() -> None:
    assert {each.value: each.text for each in Status} == {
        0: "attributed",
        1: "held",
        2: "personless",
        3: "dropped",
        4: "command",
    }


def test_commands_are_stored_by_name_and_read_back() -> None:
    for command, body in STORED:
        assert msgspec.json.encode(command) == body
        assert msgspec.json.decode(body, type=SetRules | ReleaseBuffer) == command
