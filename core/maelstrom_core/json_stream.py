"""Reads concatenated JSON objects as they arrive: each is given out as soon as its last brace is there.

    documents = JsonStream()
    for document in documents.feed(chunk): ...
    documents.finish()

Does no input of its own, but for the thin `read_documents`. Knows nothing of what the objects mean: may import
`errors` only.

How: at the start of an object the C decoder is tried at once, since most chunks hold whole objects. Where it fails,
a scan over brackets and strings says whether the object is incomplete (wait; the scan resumes where it stopped, so
a large object costs linear time) or complete and wrong (an error with line and column).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn, Protocol

from maelstrom_core.errors import SpecError

MAXIMUM_OBJECT_SIZE = 64 * 1024 * 1024
"""Characters of one object; a stream without end must not fill the memory."""

_SPACE = re.compile(r"[ \t\r\n]*")
_OUTSIDE = re.compile(r'[{}\[\]"]')
_INSIDE = re.compile(r'["\\]')
_CLOSES = {"}": "{", "]": "["}


class Document(NamedTuple):
    """One object of the stream, and where it begins: line and column count from 1."""

    value: dict[str, object]
    line: int
    column: int


class TextSource(Protocol):
    """A stream of text or bytes that gives what there is: `read1` of buffered files, `read` of others."""

    def __call__(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class JsonStream:
    """A push parser. After it has raised an error, it is of no further use."""

    def __init__(self) -> None:
        self._decode = json.JSONDecoder(parse_constant=_reject_constant).raw_decode
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._start = 0  # of what is not consumed, in _text; always on _line and _column of the stream
        self._line = 1
        self._column = 1
        self._scanned: int | None = None  # where the scan of an incomplete object resumes, if it has begun
        self._open: list[str] = []
        self._in_string = False

    def feed(self, data: bytes) -> Iterator[Document]:
        """Take up more of the stream; yield every object that it completes. Raises SpecError."""
        self._take_up(self._decoded(data, final=False))
        text = self._text
        while True:
            self._consume(_SPACE.match(text, self._start).end())  # type: ignore[union-attr]  # matches anywhere
            if self._start == len(text):
                return
            if text[self._start] != "{":
                self._fail("expected `{`, the begin of an object", self._start)
            if self._scanned is None:
                try:
                    value, end = self._decode(text, self._start)
                except (ValueError, RecursionError):
                    pass  # incomplete or wrong: the scan decides
                else:
                    yield self._give_out(value, end)
                    continue
            found = self._scan()
            if found is None:
                return
            yield self._give_out(self._decode_complete(found), found)

    def finish(self) -> None:
        """Say that the stream has ended; raise SpecError if it ended within an object."""
        self._decoded(b"", final=True)
        if self._start < len(self._text):
            raise SpecError(f"line {self._line}, column {self._column}: this object has no end")

    def _take_up(self, text: str) -> None:
        if self._scanned is not None:
            self._scanned -= self._start
        self._text = self._text[self._start :] + text
        self._start = 0

    def _give_out(self, value: object, end: int) -> Document:
        assert isinstance(value, dict)  # noqa: S101 - it began with a brace
        document = Document(value, self._line, self._column)
        self._consume(end)
        self._scanned = None
        return document

    def _decoded(self, data: bytes, *, final: bool) -> str:
        try:
            return self._utf8.decode(data, final)
        except UnicodeDecodeError as error:
            line = self._line + self._text.count("\n", self._start) + data.count(b"\n", 0, error.start)
            raise SpecError(f"line {line}: the input is not UTF-8 text") from error

    def _decode_complete(self, end: int) -> object:
        """Decode an object that is known to be complete, or say what is wrong with it."""
        try:
            return self._decode(self._text[:end], self._start)[0]
        except json.JSONDecodeError as error:
            self._fail(error.msg[:1].lower() + error.msg[1:], error.pos)
        except RecursionError:
            self._fail("this object is nested too deep", self._start)
        except ValueError as error:  # NaN, or an integer of thousands of digits
            self._fail(str(error).partition(":")[0], self._start)

    def _scan(self) -> int | None:
        """Return the end of the object that begins at `_start`; None if it has not arrived yet."""
        text = self._text
        if self._scanned is None:
            self._scanned = self._start
            self._open.clear()
            self._in_string = False
        position = self._scanned
        while match := (_INSIDE if self._in_string else _OUTSIDE).search(text, position):
            position = match.end()
            mark = match[0]
            if mark == '"':
                self._in_string = not self._in_string
            elif mark == "\\":
                if position == len(text):
                    position -= 1  # the escaped character is still to come
                    break
                position += 1
            elif mark in "{[":
                self._open.append(mark)
            elif self._open.pop() != _CLOSES[mark]:
                self._fail(f"unexpected `{mark}`", match.start())
            elif not self._open:
                return position
        else:
            position = len(text)
        self._scanned = position
        if len(text) - self._start > MAXIMUM_OBJECT_SIZE:
            self._fail(f"this object has more than {MAXIMUM_OBJECT_SIZE} characters", self._start)
        return None

    def _consume(self, end: int) -> None:
        self._line, self._column = self._position(end)
        self._start = end

    def _position(self, offset: int) -> tuple[int, int]:
        newlines = self._text.count("\n", self._start, offset)
        if not newlines:
            return self._line, self._column + offset - self._start
        return self._line + newlines, offset - self._text.rfind("\n", 0, offset)

    def _fail(self, message: str, offset: int) -> NoReturn:
        line, column = self._position(offset)
        raise SpecError(f"line {line}, column {column}: {message}")


def read_documents(read: TextSource, size: int = 65536) -> Iterator[Document]:
    """Yield the objects of a blocking stream; reads no further than needed for the one that is asked for."""
    stream = JsonStream()
    while data := read(size):
        yield from stream.feed(data)
    stream.finish()
