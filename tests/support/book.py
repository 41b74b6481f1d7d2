"""Reads the pages of the book as what a reader does: files to write, and commands with what they print.

    a paragraph that ends in "`path`:" and a fenced block below it      a file
    a fenced block ```console                                           commands

In a console block a line that begins with "$ " is a command, those below it that begin with "> " continue it, and the
rest is what it prints, on both streams; "..." stands for any lines, or for the rest of a line. A last line "[2]" is the
exit code; without it that is 0. Pure: `tests/e2e/test_book.py` runs the steps.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

FENCE = re.compile(r"(`{3,})([\w{}-]*)\s*")
FILE = re.compile(r"`([^`]+)`:$")
CODE = re.compile(r"\[(\d{1,3})\]")


class PageError(ValueError):
    """A page that cannot be run: the message says where and why."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its info string, its text, the line of its fence, and the last line of text above it."""

    info: str
    text: str
    line: int
    above: str


@dataclass(frozen=True, slots=True)
class File:
    """A file to be written, relative to the directory in which commands run."""

    path: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """A command, what it should print, and its exit code."""

    text: str
    output: str
    code: int
    line: int


Step = File | Command


def blocks(page: str) -> Iterator[Block]:
    """Return the fenced blocks of a page. Raises PageError for one without an end."""
    above, lines = "", enumerate(page.splitlines(), 1)
    for number, line in lines:
        if not (fence := FENCE.fullmatch(line)):
            above = line.strip() or above
            continue
        inner: list[str] = []
        for _, text in lines:
            if text == fence[1]:
                break
            inner.append(text)
        else:
            raise PageError(f"line {number}: this block has no end")
        yield Block(fence[2], "".join(text + "\n" for text in inner), number, above)
        above = ""


def steps(page: str) -> list[Step]:
    """Return what a reader of this page does, in order. Raises PageError."""
    found: list[Step] = []
    for block in blocks(page):
        if block.info == "console":
            found += _commands(block)
        elif named := FILE.search(block.above):
            found.append(File(_inside(named[1], block.line), block.text, block.line))
    return found


def runs(page: str) -> bool:
    """Tell whether a page has commands that can be run."""
    return any(block.info == "console" for block in blocks(page))


def difference(command: Command, code: int, output: str) -> str | None:
    """Return what is wrong with how a command ended, None if all is as the page says."""
    wrong = []
    if code != command.code:
        wrong.append(f"exit code {code} instead of {command.code}")
    if not re.fullmatch(_pattern(command.output), output):
        shown = difflib.unified_diff(
            command.output.splitlines(), output.splitlines(), "the page", "what was printed", lineterm=""
        )
        wrong.append("\n".join(shown) or f"blanks or the end of the last line differ: {output!r}")
    return f"line {command.line}: $ {command.text}\n" + "\n".join(wrong) if wrong else None


def _commands(block: Block) -> Iterator[Command]:
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    if parts[0] or len(parts) == 1:
        raise PageError(f'line {block.line}: a console block begins with "$ " and a command')
    line = block.line + 1
    for part in parts[1:]:
        lines = part.splitlines()
        end = next((index for index, text in enumerate(lines) if index and not text.startswith("> ")), len(lines))
        text = "\n".join([lines[0], *(more[2:] for more in lines[1:end])])
        output = lines[end:]
        code = CODE.fullmatch(output[-1]) if output else None
        if code:
            output.pop()
        yield Command(text, "".join(each + "\n" for each in output), int(code[1]) if code else 0, line)
        line += len(lines)


def _inside(path: str, line: int) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or path.endswith("/") or not pure.parts:
        raise PageError(f"line {line}: `{path}` is no file below the directory of the page")
    return str(pure)


def _pattern(expected: str) -> str:
    """Return a regular expression of all outputs that are as expected."""
    lines = []
    for line in expected.splitlines():
        if line == "...":
            lines.append(r"(?:[^\n]*\n)*")
        else:
            lines.append(r"[^\n]*".join(re.escape(part) for part in line.split("...")) + r"\n")
    return "".join(lines)
