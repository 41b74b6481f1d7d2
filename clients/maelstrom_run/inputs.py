"""The inputs of `--map`, as they arrive: lines, or texts that NUL characters separate; or numbers of a range.

Pure: may import the errors of the core only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from maelstrom_core.errors import SpecError

MAXIMUM_INPUT = 128 * 1024 - 1
"""Bytes of one input: the kernel takes no longer argument (MAX_ARG_STRLEN)."""

_RANGE = re.compile(r"(-?\d{1,18})\.\.(-?\d{1,18})(?:\.\.(\d{1,18}))?", re.ASCII)


class InputStream:
    """A push parser; empty lines are no inputs, empty texts between NUL characters are."""

    def __init__(self, *, null: bool) -> None:
        self._separator = b"\0" if null else b"\n"
        self._null = null
        self._rest = b""
        self._place = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """Take up more; yield every input that it completes. Raises SpecError for one that cannot be an argument."""
        *whole, self._rest = (self._rest + data).split(self._separator)
        for item in whole:
            self._place += 1
            if item or self._null:
                yield self._text(item)
        if len(self._rest) > MAXIMUM_INPUT:
            self._place += 1
            self._text(self._rest)

    def finish(self) -> Iterator[str]:
        """Say that there is no more; yield the last input, if nothing closed it."""
        if self._rest:
            self._place += 1
            yield self._text(self._rest)

    def _text(self, item: bytes) -> str:
        place = f"input {self._place}" if self._null else f"input at line {self._place}"
        if len(item) > MAXIMUM_INPUT:
            raise SpecError(
                f"{place}: it is longer than {MAXIMUM_INPUT} bytes, the longest argument of a program",
                hint="put it into a file, and give the file's name",
            )
        if b"\0" in item:
            raise SpecError(f"{place}: it holds a NUL character", hint="-0 takes NUL as what separates inputs")
        try:
            return item.decode()
        except UnicodeDecodeError:
            raise SpecError(f"{place}: it is not UTF-8 text, which a job's arguments must be") from None


def parse_range(text: str) -> range:
    """Return the numbers that `1..10` or `0..100..5` means, both ends included; `3..1` counts down.

    Raises ValueError.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is no range, such as 1..1000, or 0..100..5 for every fifth number")
    first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
    if not step:
        raise ValueError(f"`{text}` has a step of 0")
    return range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
