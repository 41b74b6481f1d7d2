r"""The character that begins a command to whoever shows a job's terminal: how it is written in configurations.

    ]         itself, any character of ASCII
    ^]        a control character: ^ and one of @ A-Z [ \ ] ^ _
    \n \r \t \0 \\ \' \" \x1d
                as in a program

Imports nothing of the project but `config_kinds`.
"""
# ruff: noqa: D102 - the methods are described by their base class

from __future__ import annotations

import re

from maelstrom_core.config_kinds import Kind

DEFAULT = 0x1D
"""^], as telnet has it."""
_LAST = 0x7F
_NAMED = {"n": 0x0A, "r": 0x0D, "t": 0x09, "\\": 0x5C, "0": 0x00, "'": 0x27, '"': 0x22}


class EscapeCharacter(Kind[int]):
    """One character of ASCII, as its number."""

    metavar = "CHARACTER"

    def from_text(self, text: str) -> int:
        return parse_escape_character(text)

    def from_toml(self, value: object) -> int:
        if isinstance(value, str):
            return parse_escape_character(value)
        raise ValueError(f"expected a string such as '^]', got {value!r}")

    def to_text(self, value: object) -> str:
        return format_escape_character(value) if isinstance(value, int) else str(value)


def parse_escape_character(text: str) -> int:
    """Return the number of the character that a text means; raises ValueError with a reason."""
    if not text:
        raise ValueError("it is empty: one character is needed")
    if not text.isascii():
        raise ValueError(f"`{text}` is not ASCII")
    if len(text) == 1:
        return ord(text)
    if text[0] == "^":
        return _control(text)
    if text[0] == "\\":
        return _escaped(text)
    raise ValueError(f"`{text}` has {len(text)} characters: one is needed, or a form such as ^] or \\x1d")


def format_escape_character(number: int) -> str:
    """Return the text for people that means this character; `parse_escape_character` reads it."""
    if number < 0x20:
        return f"^{chr(number + 0x40)}"
    return "\\x7f" if number == _LAST else chr(number)


def _control(text: str) -> int:
    if len(text) > 2:
        raise ValueError(f"`{text}` has more than one character after ^")
    character = text[1]
    if character.islower():
        raise ValueError(f"`{text}`: the letter after ^ is a capital one: ^{character.upper()}")
    if not "@" <= character <= "_":
        raise ValueError(f"`{text}` is no control character: after ^ comes one of @ A-Z [ \\ ] ^ _")
    return ord(character) - 0x40


def _escaped(text: str) -> int:
    if text[1] == "x":
        digits = re.fullmatch(r"\\x([0-9A-Fa-f]{2})", text)
        if digits is None:
            raise ValueError(f"`{text}`: \\x takes two hexadecimal digits")
        number = int(digits[1], 16)
        if number > _LAST:
            raise ValueError(f"`{text}` is beyond ASCII: the last is \\x7f")
        return number
    if len(text) > 2 or text[1] not in _NAMED:
        raise ValueError(f"`{text}` is not known: known are \\n \\r \\t \\0 \\\\ \\' \\\" and \\x with two digits")
    return _NAMED[text[1]]
