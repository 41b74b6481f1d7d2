"""Drawing at the bottom of a terminal, with `rich`: the only module of displays that imports it.

Lines are printed above what is drawn. Nothing is drawn that is there already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from maelstrom_test_runner.displays.region import Row

NAMES = {"": "", "2": "dim", "31": "red", "32": "green", "33": "yellow", "36": "cyan"}


class _Lines:
    """Lines that are written as they are, with whatever colours they have."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for line in self._lines:
            yield Segment(line)
            yield Segment.line()


class Painter:
    """The lower part of a terminal, from the first drawing until `close`."""

    def __init__(self, stream: TextIO, width: int, height: int, *, colour: bool) -> None:
        self._console = Console(
            file=stream,
            force_terminal=True,
            force_interactive=True,
            color_system="standard" if colour else None,
            no_color=not colour,
            width=width,
            height=height,
            legacy_windows=False,
            highlight=False,
            soft_wrap=True,
            _environ={},
        )
        self.unicode = (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"
        """Whether the terminal takes more than ASCII."""
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._live.start()
        self._drawn: list[Row] = []

    def draw(self, rows: list[Row]) -> None:
        """Show these rows instead of those that are there."""
        if rows == self._drawn:
            return
        self._drawn = rows
        text = Text("\n", no_wrap=True, overflow="crop").join(
            Text.assemble(*[(words, NAMES[colour]) for words, colour in row]) for row in rows
        )
        self._live.update(text, refresh=True)

    def print(self, lines: Sequence[str]) -> None:
        """Print lines above the rows."""
        self._console.print(_Lines(lines), end="", soft_wrap=True, crop=False)

    def resize(self, width: int, height: int) -> None:
        """Fit into another terminal from now on."""
        self._console.size = (width, height)
        self._drawn = []

    def close(self) -> None:
        """Take the rows away, and leave the terminal as it was."""
        self._live.stop()
