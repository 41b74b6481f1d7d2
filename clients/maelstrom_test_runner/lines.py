"""The lines of the simple user interface, as texts. Pure: no I/O, no terminal is asked.

Imports the status words only.
"""

from __future__ import annotations

import re

from maelstrom_test_runner.status import Status

STATUS_WIDTH = max(len(status.value) for status in Status)
SECONDS_WIDTH = 9
MINIMUM_NAME = 10
COLOURS = re.compile(r"(\x1b\[[0-9;:]*m|\t)")
ESCAPES = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]")


def printable(text: str) -> str:
    """Return a name fit for one line of a terminal: control characters become visible."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def cells(text: str) -> int:
    """Return the number of columns a printable text takes."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def cut_left(text: str, width: int) -> str:
    """Return the end of a text that fits into some columns, with a "<" where something is missing."""
    if cells(text) <= width:
        return text
    room = width - 1
    if text.isascii():
        return "<" + text[len(text) - room :]
    start = len(text)
    while start and (size := cells(text[start - 1])) <= room:
        room -= size
        start -= 1
    return "<" + text[start:]


def paint(text: str, parameters: str, *, colour: bool) -> str:
    """Return a text in a colour, or as it is."""
    return f"\x1b[{parameters}m{text}\x1b[0m" if colour else text


def plain(text: str) -> str:
    """Return a text without colours."""
    return ESCAPES.sub("", text)


def shown_line(line: str, *, colour: bool) -> str:
    """Return a line of foreign output, which moves no cursor: colours and tabs stay, other controls become visible.

    Of what was written over, as by progress bars, the last is left.
    """
    last = line.removesuffix("\r").rpartition("\r")[2]
    if last.isprintable():
        return last
    parts = COLOURS.split(last)
    marks = [mark if colour or mark == "\t" else "" for mark in parts[1::2]]
    end = "\x1b[0m" if any(mark not in {"", "\t"} for mark in marks) else ""
    return "".join(printable(text) + mark for text, mark in zip(parts[::2], [*marks, end], strict=True))


def status_line(
    name: str, status: Status, seconds: float | None, *, width: int, colour: bool, cached: bool = False
) -> str:
    """Return the line of a finished test: name, dots, status word, seconds; or that it is `cached`."""
    time = "(cached)" if cached else "" if seconds is None else f"{seconds:.3f}s"
    tail = f"{time:>{SECONDS_WIDTH}}" if time else ""
    room = max(MINIMUM_NAME, width - STATUS_WIDTH - SECONDS_WIDTH - 1)
    shown = cut_left(printable(name), room)
    dots = "." * (room - cells(shown) + STATUS_WIDTH - len(status.value))
    return f"{shown}{dots}{paint(status.value, status.colour, colour=colour)}{tail}"


def prefixed_lines(text: str, prefix: str = "") -> list[str]:
    """Return the lines of an output, each behind a prefix; a line end at the very end makes no further line."""
    if not text:
        return []
    return [prefix + line for line in text.removesuffix("\n").split("\n")]
