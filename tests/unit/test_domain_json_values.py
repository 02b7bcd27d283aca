"""JSON values: equality by value, and the one text of equal values."""

from itertools import combinations, product
from typing import Any

import pytest

from personlog.domain.json_values import (
    canonical,
    clean_text,
    cleaned,
    compact,
    finite,
    js_text,
    same_value,
)

EQUAL: list[list[Any]] = [
    [None],
    [True],
    [False],
    [0, 0.0, -0.0],
    [1, 1.0],
    [-1, -1.0],
    [1.5],
    [10**21, 1e21],
    [2**53 + 1],
    [2.0**53, 2**53],
    [""],
    ["1"],
    ["true"],
    ["null"],
    ["a"],
    ["A"],
    ["jos\u00e9"],
    ["jose\u0301"],
    [[]],
    [{}],
    [[0], [0.0]],
    [[False]],
    [[None]],
    [[1, 2], [1.0, 2]],
    [[2, 1]],
    [[[1], 2]],
    [[1, [2]]],
    [{"a": 1, "b": {"c": [1, 2]}}, {"b": {"c": [1.0, 2.0]}, "a": 1.0}],
    [{"a": 1, "b": {"c": [True, 2]}}],
    [{"a": None}],
    [{"a": False}],
    [{"a": 0}],
    [{"b": None}],
    [{"a": None, "b": None}],
]
"""Groups of equal values; values of two groups differ."""


def test_equal_values_are_the_same_and_have_one_text() -> None:
    for group in EQUAL:
        for left, right in product(group, repeat=2):
            assert same_value(left, right), (left, right)
            assert canonical(left) == canonical(right)


def test_different_values_are_not_the_same_and_have_different_texts() -> None:
    for one, other in combinations(EQUAL, 2):
        for left, right in product(one, other):
            assert not same_value(left, right), (left, right)
            assert not same_value(right, left), (right, left)
            assert canonical(left) != canonical(right), (left, right)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1.0, "a": [True, None, -0.0, 1.5]}, '{"a":[true,null,0,1.5],"b":1}'),
        ({"b": {"d": 1, "c": 2}, "B": 3, "": 4}, '{"":4,"B":3,"b":{"c":2,"d":1}}'),
        ('a"b\\c/\u00e9\n\x01\x7f\u2028', '"a\\"b\\\\c/\u00e9\\n\\u0001\x7f\u2028"'),
        # By code point, which is not the order of UTF-16
        ({"\U00010000": 1, "\uffff": 2}, '{"\uffff":2,"\U00010000":1}'),
        (1e21, "1000000000000000000000"),
        (12345678901234567890123, "12345678901234567890123"),
        (0.1, "0.1"),
    ],
)
def test_the_canonical_text(value: Any, text: str) -> None:
    assert canonical(value).decode() == text


def test_compact_text_keeps_the_senders_order_and_characters() -> None:
    assert compact({"b": 1, "a": ["\u00e9", None, 1.0]}) == '{"b":1,"a":["\u00e9",null,1.0]}'


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain", "plain"),
        ("a\0b\0", "a\ufffdb\ufffd"),
        ("\ud83d", "\ufffd"),
        ("\udc00\ud83d\U0001f600", "\ufffd\ufffd\U0001f600"),
        ("\ufffd\n\x01", "\ufffd\n\x01"),
    ],
)
def test_null_and_lone_surrogates_become_the_replacement_character(text: str, clean: str) -> None:
    assert clean_text(text) == clean
    assert cleaned({text: [text, {"k": text}], "n": 1}) == {
        clean: [clean, {"k": clean}],
        "n": 1,
    }


def test_a_number_that_no_double_can_hold_is_refused() -> None:
    assert finite("1.7976931348623157e308") == 1.7976931348623157e308
    for text in ("1e309", "-1e309"):
        with pytest.raises(OverflowError, match=text):
            finite(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.2345678901234567e20, "123456789012345670000"),
        (-1.2345678901234567e20, "-123456789012345670000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (123456789012345680.0, "123456789012345680"),
        (-0.0, "0"),
        (0.0, "0"),
        (12.0, "12"),
        (-12.5, "-12.5"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (123456789012345667584, "123456789012345667584"),
    ],
)
def test_numbers_as_javascript_writes_them(number: float, text: str) -> None:
    assert js_text(number) == text
