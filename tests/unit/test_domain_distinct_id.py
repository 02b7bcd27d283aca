"""Distinct IDs: how they are read, and which may never be linked."""

from typing import Any

import pytest

from personlog.domain.distinct_id import is_illegal, other_id, own_id
from personlog.domain.json_values import js_text

ANY_CASE = [
    "anonymous",
    "guest",
    "distinctid",
    "distinct_id",
    "id",
    "not_authenticated",
    "email",
    "undefined",
    "true",
    "false",
]
EXACT = ["[object Object]", "NaN", "None", "none", "null", "0"]

WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""ECMAScript's WhiteSpace and LineTerminator."""


@pytest.mark.parametrize("listed", ANY_CASE)
def test_listed_ids_are_illegal_in_any_case_quoted_or_not(listed: str) -> None:
    for spelled in (listed, listed.upper(), listed.title()):
        assert is_illegal(spelled)
        assert is_illegal(f"'{spelled}'")
        assert is_illegal(f'"{spelled}"')


@pytest.mark.parametrize("listed", EXACT)
def test_other_listed_ids_are_illegal_in_this_case_quoted_or_not(listed: str) -> None:
    assert is_illegal(listed)
    assert is_illegal(f"'{listed}'")
    assert is_illegal(f'"{listed}"')


BLANK: list[str] = ["", " ", " " * 300, "\t\r\n", WHITE_SPACE, *WHITE_SPACE]


def test_white_space_of_any_length_is_illegal() -> None:
    assert [blank for blank in BLANK if not is_illegal(blank)] == []


@pytest.mark.parametrize("text", ["\u0085", "\x1c", "\x1d", "\x1e", "\x1f", "\u200b", "\u180e"])
def test_what_javascript_does_not_count_as_white_space_is_legal(text: str) -> None:
    assert not is_illegal(text)
    assert not is_illegal(f" {text} ")


def test_the_cookieless_id_is_never_linked() -> None:
    assert is_illegal("$posthog_cookieless")


LEGAL: list[str] = [
    "nan", "NAN", "NULL", "Null", "NONE", "nOne", "[Object Object]", "00", "-1", "1",
    " null ", "guest ", " id", "\u00a0guest", "guest-1", "my_id", "ids",
    "`guest`", "'guest\"", "\"guest'", "''guest''", "'guest", "guest'", "' guest '",
    "' '", '""', "''", "'", '"', "'NULL'", '"nan"', "'None ", "user", "0.0",
]  # fmt: skip


def test_everything_else_is_legal() -> None:
    assert [legal for legal in LEGAL if is_illegal(legal)] == []


OWN_IDS: list[tuple[Any, str]] = [
    ("alice", "alice"),
    (" alice ", " alice "),
    ("Alice", "Alice"),
    ("   ", "   "),
    ("jos\u00e9", "jos\u00e9"),
    ("jose\u0301", "jose\u0301"),
    (12345, "12345"),
    (-7, "-7"),
    (0, "0"),
    (1.5, "1.5"),
    (True, "true"),
    (False, "false"),
    ([1, 2], "[1,2]"),
    ([], "[]"),
    ({"b": 1, "a": [None, "\u00fc"]}, '{"b":1,"a":[null,"\u00fc"]}'),
    ({}, "{}"),
    (12345678901234567890123, "12345678901234567890123"),
]


def test_an_own_id_is_text_as_it_is_or_compact_json() -> None:
    assert [own_id(value) for value, _ in OWN_IDS] == [text for _, text in OWN_IDS]


@pytest.mark.parametrize("value", [None, ""])
def test_null_and_empty_text_are_no_own_id(value: Any) -> None:
    assert own_id(value) is None


OTHER_IDS: list[tuple[Any, str]] = [
    ("device", "device"),
    (" device ", " device "),
    (None, "null"),
    (True, "true"),
    (False, "false"),
    (0, "0"),
    (42, "42"),
    (42.0, "42"),
    ("", ""),
    ({}, "[object Object]"),
    ({"a": 1}, "[object Object]"),
    ([], ""),
    ([1, "b", None, True, {}], "1,b,,true,[object Object]"),
    ([[1, 2], [3, [None]]], "1,2,3,"),
]


def test_an_other_id_is_turned_into_text_the_javascript_way() -> None:
    assert [other_id(value) for value, _ in OTHER_IDS] == [text for _, text in OTHER_IDS]


@pytest.mark.parametrize("read", [own_id, other_id])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\0b", "a\ufffdb"),
        ("\0", "\ufffd"),
        ("a\ud800b", "a\ufffdb"),
        ("\udfff\u00e9", "\ufffd\u00e9"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 200),
        ("\u00fc" * 201, "\u00fc" * 200),
        ("\U0001f600" * 201, "\U0001f600" * 200),
        ("\0" * 201, "\ufffd" * 200),
        (" " * 201, " " * 200),
    ],
)
def test_ids_are_cleaned_and_cut_to_200_characters(read: Any, value: str, text: str) -> None:
    assert read(value) == text


def test_ids_that_are_no_text_are_cut_too() -> None:
    assert own_id(["x" * 300]) == '["' + "x" * 198
    assert other_id(["x" * 150, "y" * 150]) == "x" * 150 + "," + "y" * 49


NUMBERS: list[tuple[float, str]] = [
    (0.0, "0"),
    (-0.0, "0"),
    (1.0, "1"),
    (-2.5, "-2.5"),
    (0.1, "0.1"),
    (1e16, "10000000000000000"),
    (1e20, "100000000000000000000"),
    (1e21, "1e+21"),
    (1.5e21, "1.5e+21"),
    (-1.25e300, "-1.25e+300"),
    (0.0001, "0.0001"),
    (0.00001, "0.00001"),
    (0.000001, "0.000001"),
    (1.5e-6, "0.0000015"),
    (-1.25e-5, "-0.0000125"),
    (1e-7, "1e-7"),
    (1.5e-7, "1.5e-7"),
    (5e-324, "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
]


def test_numbers_are_written_the_javascript_way() -> None:
    assert [js_text(number) for number, _ in NUMBERS] == [text for _, text in NUMBERS]


def test_whole_numbers_keep_every_digit_so_that_two_ids_never_become_one() -> None:
    assert js_text(9007199254740993) == "9007199254740993"
    assert js_text(12345678901234567890123) == "12345678901234567890123"
