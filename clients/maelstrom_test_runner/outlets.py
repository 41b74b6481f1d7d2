"""Where a run goes to: the display and the reports that were asked for, and a recorded run shown by them again.

Each of them is imported when it is wanted.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import msgspec

from maelstrom_core.errors import UserError
from maelstrom_test_runner.config import RunnerConfig
from maelstrom_test_runner.displays.simple import SimpleDisplay
from maelstrom_test_runner.stream import Consumer
from maelstrom_test_runner.summary import EXIT_INTERRUPTED


class Screen(msgspec.Struct, frozen=True):
    """What a display is shown on."""

    stream: TextIO
    terminal: bool
    width: int
    colour: bool


def screen_of(stream: TextIO, environment: Mapping[str, str]) -> Screen:
    """Return what there is to know of a stream: 80 columns and no colours where it is no terminal."""
    terminal = stream.isatty()
    width = shutil.get_terminal_size().columns if terminal else 80
    return Screen(stream, terminal, width, terminal and not environment.get("NO_COLOR"))


def open_outlets(config: RunnerConfig, screen: Screen, *, recorded: bool = True) -> list[Consumer]:
    """Return the display and the reports that a configuration asks for. Raises UserError.

    `recorded`: the report of all events is one of them.
    """
    outlets: list[Consumer] = []
    if recorded and config.report is not None:
        from maelstrom_test_runner.recording import Recorder

        outlets.append(Recorder(config.report))
    if config.junit_xml is not None:
        from maelstrom_test_runner.junit import JUnitReport

        outlets.append(JUnitReport(config.junit_xml))
    outlets.append(open_display(config, screen))
    return outlets


def open_display(config: RunnerConfig, screen: Screen) -> Consumer:
    """Return the display that was asked for."""
    return SimpleDisplay(
        screen.stream,
        terminal=screen.terminal,
        width=screen.width,
        colour=screen.colour,
        quiet=config.ui == "quiet",
    )


def replay_file(config: RunnerConfig, path: Path, stream: TextIO) -> int:
    """Show a recorded run, write its reports, and return what it ended with. Raises UserError.

    One that was killed ends as if it had been interrupted.
    """
    from maelstrom_test_runner.recording import read
    from maelstrom_test_runner.stream import replay

    if config.report is not None and config.report.exists() and os.path.samefile(config.report, path):
        raise UserError(f"failed to write the report {config.report}: it is the one that --replay reads")
    state = replay(read(path), open_outlets(config, screen_of(stream, os.environ)))
    if state.begun is None:
        raise UserError(f"{path} is empty", hint="it is written by --report")
    return EXIT_INTERRUPTED if state.code is None else state.code
