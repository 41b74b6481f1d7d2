"""The command line of maelstrom-pytest.

    maelstrom-pytest [FILE_OR_DIR | NODE_ID]... [OPTION]... [-- PYTEST_ARGUMENT...]

What a run needs is imported when there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from maelstrom_core.config_click import build_command, run_command
from maelstrom_pytest.config import FILE_NAME, PROGRAM, PytestConfig, pytest_arguments
from maelstrom_test_runner.command import SELECTING, check_instead, common_parameters

if TYPE_CHECKING:
    from maelstrom_core.config_sources import ConfigFile
    from maelstrom_test_runner.runner_file import RunnerFile
    from maelstrom_test_runner.selecting import Selection
    from maelstrom_worker.nursery import Nursery

SUMMARY = """Run the tests of a pytest project, each in a container of its own.

FILE_OR_DIR and NODE_ID select tests as they do for pytest. Everything after "--" goes to pytest."""


class Asked(NamedTuple):
    """What was asked for, beside the configuration."""

    arguments: tuple[str, ...]
    """pytest's; with `shell` those behind "--"."""
    file: RunnerFile
    selection: Selection
    listing: bool = False
    """Print the node ids of the tests, run none."""
    dry_run: bool = False
    """Print the specifications of the jobs, run none."""
    shell: str | None = None
    """Names the test whose container is to have a shell."""
    first: tuple[str, ...] = ()
    """Files whose tests are wanted first."""


Run = Callable[["PytestConfig", Asked], int]
"""Does what was asked for."""


def run_cli(arguments: Sequence[str], run: Run | None = None, *, nursery: Nursery | None = None) -> int:
    """Run the program and return its exit code. Raises MaelstromError.

    Without a `nursery` one is started where it is needed.
    """
    split = list(arguments).index("--") if "--" in arguments else len(arguments)
    extra = tuple(arguments[split + 1 :])
    read: list[RunnerFile] = []

    def project_files() -> list[ConfigFile]:
        from maelstrom_pytest import project_file

        read.append(project_file.read(Path.cwd()))
        return read[0].config_files()

    def act(config: PytestConfig, selection: tuple[str, ...], **given: Any) -> int:
        check_instead(given)
        if given["watch"]:
            return _watch_here(config, arguments[:split], arguments[split:])
        if given["init"]:
            return _write_file(read[0])
        if given["replay"] is not None:
            if selection or given["shell"] is not None or any(given[name] for name in OWN_SELECTING):
                raise click.UsageError("--replay FILE shows a run that is over, and takes no selection")
            return _replay_here(config, given["replay"])
        if given["shell"] is not None and (selection or any(given[name] for name in OWN_SELECTING)):
            raise click.UsageError("--shell TEST is for one test, and takes no other selection")
        from maelstrom_pytest.rules import LANGUAGE
        from maelstrom_test_runner.selecting import read_selection

        chosen = read_selection(
            given["include"], given["exclude"], LANGUAGE, last_failed=given["last_failed"], shard=given["shard"]
        )
        shell = given["shell"]
        words = extra if shell else pytest_arguments(selection, given["keyword"], given["markers"], extra)
        asked = Asked(words, read[0], chosen, given["listing"], given["dry_run"], shell, given["first"])
        return (run or partial(_run_here, nursery))(config, asked)

    command = build_command(
        PROGRAM, PytestConfig, act, summary=SUMMARY, parameters=_parameters(), project_files=project_files
    )
    return run_command(command, arguments[:split])


OWN_SELECTING = ("keyword", "markers", *SELECTING)


def _parameters() -> list[click.Parameter]:
    return [
        click.Argument(["selection"], nargs=-1, metavar="[FILE_OR_DIR | NODE_ID]... [-- PYTEST_ARGUMENT...]"),
        click.Option(["-k", "keyword"], metavar="EXPRESSION", help="Run tests whose names match, as pytest's -k."),
        click.Option(["-m", "markers"], metavar="EXPRESSION", help="Run tests whose markers match, as pytest's -m."),
        *common_parameters(FILE_NAME, example="markers.contains(slow)", names="node ids"),
    ]


def _write_file(present: RunnerFile) -> int:
    """Write a file in the project's root, unless there is one for this directory. Raises UserError."""
    from maelstrom_pytest.default_file import CONTENTS
    from maelstrom_pytest.shown import find_root
    from maelstrom_test_runner.runner_file import already_there, write_default

    if present.path is not None:
        raise already_there(present.path)
    path = find_root(Path.cwd()) / FILE_NAME
    write_default(path, CONTENTS)
    click.echo(f"wrote {path}")
    return 0


def _run_here(nursery: Nursery | None, config: PytestConfig, asked: Asked) -> int:
    """Run in the current directory, for the people at the terminal."""
    import os
    import sys

    from maelstrom_core import log
    from maelstrom_pytest.plans import Call
    from maelstrom_pytest.program import open_runner, run

    log.listen(config.log_level)
    call = Call(
        Path.cwd(),
        asked.arguments,
        os.environ,
        asked.listing,
        asked.file,
        asked.selection,
        dry_run=asked.dry_run,
        first=tuple(str(Path.cwd() / path) for path in asked.first),
    )
    if asked.shell is not None:
        from maelstrom_pytest.shell import run_shell

        return run_shell(config, call, asked.shell, nursery)
    _take_any_text()
    return run(config, call, sys.stdout, open_runner=partial(open_runner, nursery=nursery))


def _watch_here(config: PytestConfig, own: Sequence[str], extra: Sequence[str]) -> int:
    """Run this very command line whenever something changes. Raises HostError."""
    import sys

    from maelstrom_pytest.shown import find_root
    from maelstrom_test_runner.ignored import Ignored
    from maelstrom_test_runner.watching import watch_project

    def command(changed: Sequence[str]) -> list[str]:
        first = [f"--first={path}" for path in changed]
        return [sys.executable, "-m", "maelstrom_pytest", *own, "--no-watch", *first, *extra]

    root = find_root(Path.cwd())
    outputs = [path for path in (config.report, config.junit_xml, config.trace) if path is not None]
    return watch_project(root, Ignored(root, outputs), command, sys.stdout)


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
