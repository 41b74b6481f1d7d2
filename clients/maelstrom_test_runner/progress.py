"""The one line at the bottom of a terminal that says how far a run is. Writes to the stream it is given.

Anything else that is printed goes through `print_lines`, which takes the line away first. On a stream that is no
terminal there is no progress line and no escape sequence. Imports nothing but how texts are measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TextIO

from maelstrom_test_runner.lines import cells, printable

MINIMUM_INTERVAL = 0.1
CLEAR = "\r\x1b[K"


class ProgressLine:
    """A line that is redrawn at a bounded rate; `clock` gives seconds, monotonic."""

    def __init__(self, stream: TextIO, *, active: bool, width: int, clock: Callable[[], float]) -> None:
        self._stream = stream
        self.active = active
        """Whether there is a terminal to show it on."""
        self._width = width
        self._clock = clock
        self._text: Callable[[], str] | None = None
        self._shown = False
        self._last = -MINIMUM_INTERVAL

    def update(self, text: Callable[[], str]) -> None:
        """Show another text, unless the last one has been shown just now; it is made when it is shown."""
        if not self.active:
            return
        self._text = text
        now = self._clock()
        if now - self._last >= MINIMUM_INTERVAL:
            self._last = now
            self._draw()
            self._stream.flush()

    def print_lines(self, lines: Iterable[str]) -> None:
        """Print lines above the progress line."""
        self._erase()
        for line in lines:
            self._stream.write(line + "\n")
        if self.active:
            self._draw()
        self._stream.flush()

    def resize(self, width: int) -> None:
        """Fit into another number of columns from now on."""
        self._width = width

    def clear(self) -> None:
        """Take the line away until it is updated again, for others to write."""
        if self._shown:
            self._erase()
            self._stream.flush()

    def close(self) -> None:
        """Take the line away for good."""
        self._erase()
        self.active = False
        self._stream.flush()

    def _draw(self) -> None:
        if self._text is None:
            return
        text = printable(self._text())
        while cells(text) >= self._width and text:
            text = text[:-1]
        self._stream.write(CLEAR + text)
        self._shown = True

    def _erase(self) -> None:
        if self._shown:
            self._stream.write(CLEAR)
            self._shown = False
