"""The fancy display: failures as they come, and below them what runs now, how far the run is, how long it will take.

The lower part of the screen is drawn by `rich`, which is imported when something is first drawn. What scrolls is
printed above it. Writes to the terminal it is given; what the parts look like is decided in `region`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from maelstrom_test_runner.displays.region import region
from maelstrom_test_runner.displays.text import detail_lines, output_lines
from maelstrom_test_runner.events import (
    AnyEvent,
    CollectionError,
    Ended,
    Finished,
    Interrupted,
    Message,
    Note,
    Output,
    Resized,
    Resumed,
    Suspended,
)
from maelstrom_test_runner.lines import prefixed_lines, status_line
from maelstrom_test_runner.state import RunState
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.summary import summary_lines

if TYPE_CHECKING:
    from maelstrom_test_runner.displays.painter import Painter


class FancyDisplay:
    """Shows a run on a terminal of `width` columns and `height` rows."""

    def __init__(self, stream: TextIO, *, width: int, height: int, colour: bool, durations: int = 0) -> None:
        self._stream = stream
        self._width = width
        self._height = height
        self._colour = colour
        self._durations = durations
        self._painter: Painter | None = None
        self._summarised = False
        self._suspended = False

    def take(self, event: AnyEvent, state: RunState) -> None:
        """Print what is to stay on the screen; the rest is drawn when time has passed."""
        if isinstance(event, Resized):
            self._width, self._height = event.columns, event.rows
            if self._painter is not None:
                self._painter.resize(event.columns, event.rows)
        elif isinstance(event, Suspended | Resumed):
            self._suspended = isinstance(event, Suspended)
            self.close()
        elif isinstance(event, Interrupted | Ended):
            self._summarise(state)
        elif lines := list(self._lines(event, state)):
            self._print(lines)

    def tick(self, at: float, state: RunState) -> None:
        """Draw the lower part anew, as far as it has changed."""
        if self._summarised or self._suspended or not (state.busy or state.running or state.expected):
            return
        if self._painter is None:
            from maelstrom_test_runner.displays.painter import Painter

            self._painter = Painter(self._stream, self._width, self._height, colour=self._colour)
        rows = region(state, at, width=self._width, height=self._height, unicode=self._painter.unicode)
        self._painter.draw(rows)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._painter is not None:
            self._painter.close()
            self._painter = None

    def _lines(self, event: AnyEvent, state: RunState) -> Iterable[str]:
        match event:
            case Finished(status=status) if status.is_failure or event.texts or status in {Status.XPASS, Status.FLAKY}:
                line = status_line(event.test.name, status, event.seconds, width=self._width, colour=self._colour)
                return [line, *detail_lines(event, colour=self._colour)]
            case Message(text=text) | CollectionError(text=text):
                return prefixed_lines(text)
            case Output():
                return output_lines(event, state, colour=self._colour)
            case Note(text=text):
                return prefixed_lines(f"note: {text}")
            case _:
                return ()

    def _print(self, lines: list[str]) -> None:
        if self._painter is not None:
            self._painter.print(lines)
            return
        self._stream.write("".join(line + "\n" for line in lines))
        self._stream.flush()

    def _summarise(self, state: RunState) -> None:
        """Take the lower part away and print the summary, once, where any test was expected."""
        self.close()
        if not self._summarised and (state.expected is not None or state.interrupted):
            self._print(
                summary_lines(state.summary(), width=self._width, colour=self._colour, durations=self._durations)
            )
        self._summarised = True
