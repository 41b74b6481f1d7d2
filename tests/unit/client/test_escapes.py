"""What is typed for us and what for the job: behaviour MI1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_client.terminal.escapes import Command, Escapes

BANG = ord("!")
QUIT, SUSPEND = Command.QUIT, Command.SUSPEND


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (b"", []),
        (b"abc", [b"abc"]),
        (b"abc!\x03def", [b"abc", QUIT, b"def"]),
        (b"!\x1a", [SUSPEND]),
        (b"a!\x1a!\x03", [b"a", SUSPEND, QUIT]),
        (b"!!", [b"!"]),
        (b"!x", [b"!x"]),
        (b"!!!!!x", [b"!!!x"]),
        (b"\x03\x1a", [b"\x03\x1a"]),
    ],
)
def test_mi1_commands_begin_with_the_escape_character(typed, found):
    escapes = Escapes(BANG)
    assert escapes.feed(typed) == found
    assert not escapes.pending


def test_mi1_an_escape_character_at_the_end_waits_for_what_comes_next():
    escapes = Escapes(BANG)
    assert escapes.feed(b"a!") == [b"a"]
    assert escapes.pending
    assert escapes.feed(b"\x03") == [QUIT]
    assert not escapes.pending


def test_an_escape_character_that_nothing_follows_is_the_jobs():
    escapes = Escapes(BANG)
    assert escapes.flush() == b""
    escapes.feed(b"!")
    assert escapes.flush() == b"!"
    assert escapes.feed(b"\x03") == [b"\x03"]


@pytest.mark.parametrize("character", [0x03, 0x1A])
def test_an_escape_character_that_is_a_commands_own_is_itself_when_doubled(character):
    assert Escapes(character).feed(bytes((character, character))) == [bytes((character,))]


def whole(found: list[bytes | Command]) -> list[bytes | Command]:
    """Return it with neighbouring bytes joined."""
    joined: list[bytes | Command] = []
    for item in found:
        if isinstance(item, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += item
        else:
            joined.append(item)
    return joined


@given(st.lists(st.lists(st.sampled_from(b"!a\x03\x1a"), max_size=6).map(bytes)))
def test_how_it_is_cut_into_pieces_does_not_matter(pieces):
    at_once, piecewise = Escapes(BANG), Escapes(BANG)
    assert whole([found for piece in pieces for found in piecewise.feed(piece)]) == whole(
        at_once.feed(b"".join(pieces))
    )
    assert at_once.flush() == piecewise.flush()


@given(st.binary())
def test_doubled_escape_characters_carry_everything(data):
    doubled = data.replace(b"!", b"!!")
    assert b"".join(Escapes(BANG).feed(doubled)) == data
