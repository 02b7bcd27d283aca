"""Tables: as wide as the terminal at most, nothing torn that tells rows apart."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from personlog.adapters.tables import columns, layout, printable, shortened

SHOWN = columns("position", "at?", "own_id:id", "what:text", "more?")
ROW = {
    "position": 7,
    "at": "2026-03-02T09:12:30Z",
    "own_id": "a-very-long-distinct-id-0123456789",
    "what": "identify of alice with phone",
    "more": "0123456789",
}


def test_all_is_shown_where_there_is_room() -> None:
    assert layout(SHOWN, [ROW], 140).lines == [
        "position  at                    own_id                              what"
        "                          more",
        "─" * 108,
        "7         2026-03-02T09:12:30Z  a-very-long-distinct-id-0123456789"
        "  identify of alice with phone  0123456789",
    ]


def test_optional_columns_give_way_first_then_ids_are_shortened_and_texts_fold() -> None:
    assert layout(SHOWN, [ROW], 80).lines == [
        "position  at                    own_id                   what",
        "─" * 80,
        "7         2026-03-02T09:12:30Z  a-very-long…-0123456789  identify of alice with",
        " " * 57 + "phone",
    ]
    assert layout(SHOWN, [ROW], 64).lines == [
        "position  own_id                      what",
        "─" * 64,
        "7         a-very-long-d…d-0123456789  identify of alice with",
        " " * 38 + "phone",
    ]
    assert layout(SHOWN, [ROW], 40).lines == [
        "position  own_id          what",
        "─" * 40,
        "7         a-very-…456789  identify of",
        " " * 26 + "alice with",
        " " * 26 + "phone",
    ]


def test_what_cannot_give_way_stays_whole() -> None:
    assert layout(columns("a", "b"), [{"a": "x" * 9, "b": "y" * 9}], 10).lines == [
        "a          b",
        "─" * 10,
        "xxxxxxxxx  yyyyyyyyy",
    ]


def test_missing_and_structured_values() -> None:
    rows: list[dict[str, Any]] = [
        {"a": None, "b": [1, {"c": True}]},
        {"b": ("two", "lines")},
        {"a": "no\nrow"},
    ]
    assert layout(columns("a", "b:text"), rows, 80).lines == [
        "a        b",
        "─" * 23,
        '         [1,{"c":true}]',
        "         two",
        "         lines",
        "no\\nrow",
    ]


@pytest.mark.parametrize(
    ("text", "width", "found"),
    [
        ("abcdefghij", 10, "abcdefghij"),
        ("abcdefghij", 9, "abcd…ghij"),
        ("abcdefghij", 8, "abcd…hij"),
        ("日本語テキスト", 8, "日本…ト"),
        (r"a\u0007b\u0007c\u0007d", 12, r"a\u0007b…d"),
    ],
)
def test_ids_are_shortened_in_their_middle(text: str, width: int, found: str) -> None:
    assert shortened(text, width) == found


def test_no_control_character_is_left() -> None:
    assert printable("a\x1b[31m\x07\u202e\x9bé日") == "a\\u001b[31m\\u0007\\u202e\\u009bé日"


texts = st.text(st.characters(codec="utf-8"), max_size=60)


@given(st.lists(st.tuples(texts, texts), max_size=5), st.integers(40, 200))
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, str]], width: int) -> None:
    found = layout(columns("a:id", "b:text"), [{"a": a, "b": b} for a, b in rows], width)
    assert all(cell_len(line) <= width for line in found.lines)
    assert all(line.isprintable() for line in found.lines)
    assert len(found.lines) >= 2 + len(rows)


def test_what_there_is_no_room_for_is_told() -> None:
    assert layout(SHOWN, [ROW], 140).left_out == []
    assert layout(SHOWN, [ROW], 40).left_out == ["at", "more"]
