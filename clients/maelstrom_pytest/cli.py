"""The command line of maelstrom-pytest.

    maelstrom-pytest [FILE_OR_DIR | NODE_ID]... [OPTION]... [-- PYTEST_ARGUMENT...]

What a run needs is imported when there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maelstrom_core.config_click import build_command, run_command
from maelstrom_pytest.config import PROGRAM, PytestConfig, pytest_arguments

if TYPE_CHECKING:
    from maelstrom_worker.nursery import Nursery

SUMMARY = """Run the tests of a pytest project, each in a container of its own.

FILE_OR_DIR and NODE_ID select tests as they do for pytest. Everything after "--" goes to pytest."""

Run = Callable[[PytestConfig, tuple[str, ...], bool], int]
"""Does what was asked for: the configuration, pytest's arguments, whether tests are listed only."""


RunShell = Callable[[PytestConfig, str, tuple[str, ...]], int]
"""Is the shell of a test: the configuration, what names the test, pytest's arguments."""


def run_cli(
    arguments: Sequence[str],
    run: Run | None = None,
    run_shell: RunShell | None = None,
    *,
    nursery: Nursery | None = None,
) -> int:
    """Run the program and return its exit code. Raises MaelstromError.

    Without a `nursery` one is started where it is needed.
    """
    split = list(arguments).index("--") if "--" in arguments else len(arguments)
    extra = tuple(arguments[split + 1 :])

    def act(
        config: PytestConfig,
        selection: tuple[str, ...],
        keyword: str | None,
        markers: str | None,
        listing: bool,
        *,
        shell: str | None,
        replay: Path | None,
    ) -> int:
        if replay is not None:
            if selection or listing or keyword is not None or markers is not None or shell is not None:
                raise click.UsageError("--replay FILE shows a run that is over, and takes no selection")
            return _replay_here(config, replay)
        if shell is not None:
            if selection or listing or keyword is not None or markers is not None:
                raise click.UsageError("--shell TEST is for one test, and takes no other selection")
            return (run_shell or partial(_shell_here, nursery))(config, shell, extra)
        return (run or partial(_run_here, nursery))(
            config, pytest_arguments(selection, keyword, markers, extra), listing
        )

    parameters: list[click.Parameter] = [
        click.Argument(["selection"], nargs=-1, metavar="[FILE_OR_DIR | NODE_ID]... [-- PYTEST_ARGUMENT...]"),
        click.Option(["-k", "keyword"], metavar="EXPRESSION", help="Run tests whose names match, as pytest's -k."),
        click.Option(["-m", "markers"], metavar="EXPRESSION", help="Run tests whose markers match, as pytest's -m."),
        click.Option(["-l", "--list", "listing"], is_flag=True, help="Print the node ids of the tests, run none."),
        click.Option(
            ["--shell"],
            metavar="TEST",
            help="Open a shell in the container of this test, named by its node id or the end of one.",
        ),
        click.Option(
            ["--replay"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Show a run again that --report has written, with the same display and reports.",
        ),
    ]
    command = build_command(PROGRAM, PytestConfig, act, summary=SUMMARY, parameters=parameters)
    return run_command(command, arguments[:split])


def _shell_here(nursery: Nursery | None, config: PytestConfig, test: str, arguments: tuple[str, ...]) -> int:
    """Be a shell in the current directory."""
    import os

    from maelstrom_core import logs
    from maelstrom_core.log import set_up
    from maelstrom_pytest.program import Call
    from maelstrom_pytest.shell import run_shell

    set_up(config.log_level)
    logs.listen(config.log_level)
    return run_shell(config, Call(Path.cwd(), arguments, os.environ), test, nursery)


def _run_here(nursery: Nursery | None, config: PytestConfig, arguments: tuple[str, ...], listing: bool) -> int:
    """Run in the current directory, for the people at the terminal."""
    import os
    import sys

    from maelstrom_core import logs
    from maelstrom_core.log import set_up
    from maelstrom_pytest.program import Call, open_runner, run

    set_up(config.log_level)
    logs.listen(config.log_level)
    _take_any_text()
    call = Call(Path.cwd(), arguments, os.environ, listing)
    return run(config, call, sys.stdout, open_runner=partial(open_runner, nursery=nursery))


def _replay_here(config: PytestConfig, path: Path) -> int:
    """Show a run that is over."""
    import sys

    from maelstrom_test_runner.outlets import replay_file

    _take_any_text()
    return replay_file(config, path, sys.stdout)


def _take_any_text() -> None:
    """Let our streams take what tests print, which need not be encodable."""
    import sys

    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
