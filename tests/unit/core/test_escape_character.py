"""How the escape character is written: behaviour MI2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.escape_character import EscapeCharacter, format_escape_character, parse_escape_character

FORMS = {
    "a": 0x61,
    "\x01": 1,
    "^": 0x5E,
    "\\": 0x5C,
    "^A": 1,
    "^]": 0x1D,
    "^\\": 0x1C,
    "^@": 0,
    "^_": 0x1F,
    "\\n": 0x0A,
    "\\r": 0x0D,
    "\\t": 0x09,
    "\\\\": 0x5C,
    "\\0": 0,
    "\\'": 0x27,
    '\\"': 0x22,
    "\\x00": 0,
    "\\x7f": 0x7F,
    "\\x1A": 0x1A,
    "\\x1b": 0x1B,
}
REASONS = {
    "": "it is empty",
    "\u00e4": "is not ASCII",
    "^ab": "more than one character after",
    "^a": r"capital one: \^A",
    "^&": "no control character",
    "ab": "has 2 characters",
    "\\x80": "beyond ASCII",
    "\\7": "is not known",
    "\\nn": "is not known",
    "\\x1234": "two hexadecimal digits",
    "\\x1": "two hexadecimal digits",
}


@pytest.mark.parametrize(("text", "number"), FORMS.items())
def test_mi2_forms(text, number):
    assert parse_escape_character(text) == number


@pytest.mark.parametrize(("text", "reason"), REASONS.items())
def test_mi2_each_mistake_has_its_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_escape_character(text)


@given(st.integers(0, 0x7F))
def test_what_is_shown_to_people_can_be_written_by_them(number):
    assert parse_escape_character(format_escape_character(number)) == number


def test_in_files_it_is_a_string():
    kind = EscapeCharacter()
    assert kind.from_toml("^A") == 1
    assert kind.to_toml(0x1D) == '"^]"'
    with pytest.raises(ValueError, match="expected a string such as"):
        kind.from_toml(1)
