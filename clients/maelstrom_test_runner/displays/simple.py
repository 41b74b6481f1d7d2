"""The simple display: one line per test, failures as the native runner prints them, a summary.

On a terminal with a line at the bottom that says how far the run is. `quiet` passes over what did not fail. Writes to
the stream it is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from maelstrom_test_runner.displays.text import detail_lines, output_lines, progress_text
from maelstrom_test_runner.events import (
    AnyEvent,
    Busy,
    CollectionError,
    Ended,
    Finished,
    Interrupted,
    Message,
    Note,
    Output,
    Remark,
    Requeued,
    Resized,
    Resumed,
    Skipped,
    Started,
    Suspended,
)
from maelstrom_test_runner.lines import prefixed_lines, status_line
from maelstrom_test_runner.progress import ProgressLine
from maelstrom_test_runner.state import RunState
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.summary import summary_lines


class SimpleDisplay:
    """Prints results as they come."""

    def __init__(
        self, stream: TextIO, *, terminal: bool, width: int, colour: bool, quiet: bool = False, durations: int = 0
    ) -> None:
        self._width = width
        self._colour = colour
        self._quiet = quiet
        self._durations = durations
        self._at = 0.0
        self._summarised = False
        self._suspended = False
        self._progress = ProgressLine(stream, active=terminal, width=width, clock=lambda: self._at)

    def take(self, event: AnyEvent, state: RunState) -> None:
        """Show an event, if there is anything to show of it."""
        self._at = event.at
        if isinstance(event, Resized):
            self._width = event.columns
            self._progress.resize(event.columns)
        elif isinstance(event, Interrupted | Ended):
            self._summarise(state)
        elif isinstance(event, Suspended | Resumed):
            self._suspended = isinstance(event, Suspended)
            self._progress.clear()
        elif isinstance(event, Busy | Started | Requeued):
            self._progress.update(lambda: progress_text(state, event.at))
        else:
            lines = self._lines(event, state)
            if lines:
                self._progress.print_lines(lines)
            if isinstance(event, Finished):
                self._progress.update(lambda: progress_text(state, event.at))

    def tick(self, at: float, state: RunState) -> None:
        """Show how far the run is."""
        self._at = at
        if self._progress.active and not self._suspended and (state.running or state.busy):
            self._progress.update(lambda: progress_text(state, at))

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._progress.close()

    def _lines(self, event: AnyEvent, state: RunState) -> Iterable[str]:
        match event:
            case Finished():
                if self._quiet and not event.status.is_failure:
                    return ()
                seconds = None if event.status is Status.SKIPPED else event.seconds
                line = self._status_line(event.test.name, event.status, seconds, cached=event.cached)
                return [line, *self._details(event)]
            case Skipped(name=name, told=False):
                return () if self._quiet else [self._status_line(name, Status.SKIPPED, None)]
            case Message(text=text) | CollectionError(text=text):
                return prefixed_lines(text)
            case Output():
                return output_lines(event, state, colour=self._colour)
            case Remark(text=text):
                return () if self._progress.active or self._quiet else prefixed_lines(text)
            case Note(text=text):
                return prefixed_lines(f"note: {text}")
            case _:
                return ()

    def _status_line(self, name: str, status: Status, seconds: float | None, *, cached: bool = False) -> str:
        return status_line(name, status, seconds, width=self._width, colour=self._colour, cached=cached)

    def _details(self, event: Finished) -> list[str]:
        return detail_lines(event, colour=self._colour)

    def _summarise(self, state: RunState) -> None:
        """Take the progress line away and print the summary, once, where any test was expected."""
        self._progress.close()
        if not self._summarised and (state.expected is not None or state.interrupted):
            self._summarised = True
            summary = state.summary()
            self._progress.print_lines(
                summary_lines(summary, width=self._width, colour=self._colour, durations=self._durations)
            )
