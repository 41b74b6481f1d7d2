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
    height: int
    colour: bool
    simple: bool
    """No more than lines can be shown on it."""


def screen_of(stream: TextIO, environment: Mapping[str, str]) -> Screen:
    """Return what there is to know of a stream: 80 columns and no colours where it is no terminal."""
    terminal = stream.isatty()
    size = shutil.get_terminal_size() if terminal else os.terminal_size((80, 24))
    dumb = environment.get("TERM") in {None, "", "dumb"}
    return Screen(
        stream=stream,
        terminal=terminal,
        width=size.columns,
        height=size.lines,
        colour=terminal and not dumb and not environment.get("NO_COLOR"),
        simple=dumb or not terminal,
    )


def open_outlets(
    config: RunnerConfig, screen: Screen, environment: Mapping[str, str], own: Consumer | None = None
) -> list[Consumer]:
    """Return the display and the reports that a configuration asks for. Raises UserError.

    `own` is a display of the runner's, which is for programs: nothing else may write to its stream.
    """
    display = open_display(config, screen) if own is None else own
    outlets: list[Consumer] = []
    if config.report is not None:
        from maelstrom_test_runner.recording import Recorder

        outlets.append(Recorder(config.report))
    if config.junit_xml is not None:
        from maelstrom_test_runner.reports.junit import JUnitReport

        outlets.append(JUnitReport(config.junit_xml))
    if config.trace is not None:
        from maelstrom_test_runner.reports.trace import TraceReport

        outlets.append(TraceReport(config.trace))
    outlets.append(display)
    if own is None and _for_github(config, environment):
        from maelstrom_test_runner.reports.github import GitHubReport

        summary = environment.get("GITHUB_STEP_SUMMARY")
        root = environment.get("GITHUB_WORKSPACE")
        outlets.append(GitHubReport(screen.stream, Path(summary) if summary else None, root=root))
    return outlets


def needs_cases(config: RunnerConfig, environment: Mapping[str, str]) -> bool:
    """Tell whether anything that a configuration asks for reads the test cases of events."""
    return config.report is not None or config.junit_xml is not None or _for_github(config, environment)


def _for_github(config: RunnerConfig, environment: Mapping[str, str]) -> bool:
    return config.github == "yes" or (config.github == "auto" and environment.get("GITHUB_ACTIONS") == "true")


def open_display(config: RunnerConfig, screen: Screen) -> Consumer:
    """Return the display that was asked for. Raises UserError."""
    if config.ui == "fancy" and screen.simple:
        raise UserError("failed to open the fancy display: this is no terminal that it could be drawn on")
    if config.ui == "fancy" or (config.ui == "auto" and not screen.simple):
        from maelstrom_test_runner.displays.fancy import FancyDisplay

        return FancyDisplay(
            screen.stream,
            width=screen.width,
            height=screen.height,
            colour=screen.colour,
            durations=config.durations,
        )
    return SimpleDisplay(
        screen.stream,
        terminal=screen.terminal,
        width=screen.width,
        colour=screen.colour,
        quiet=config.ui == "quiet",
        durations=config.durations,
    )


def replay_file(config: RunnerConfig, path: Path, stream: TextIO, own: Consumer | None = None) -> int:
    """Show a recorded run, write its reports, and return what it ended with. Raises UserError.

    One that was killed ends as if it had been interrupted.
    """
    from maelstrom_test_runner.recording import read
    from maelstrom_test_runner.stream import replay

    if config.report is not None and config.report.exists() and os.path.samefile(config.report, path):
        raise UserError(f"failed to write the report {config.report}: it is the one that --replay reads")
    outlets = open_outlets(config, screen_of(stream, os.environ), os.environ, own)
    state = replay(read(path), outlets)
    if state.begun is None:
        raise UserError(f"{path} is empty", hint="it is written by --report")
    return EXIT_INTERRUPTED if state.code is None else state.code
