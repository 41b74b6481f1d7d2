"""Projects on disk, run natively and through the guest, to be compared."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import msgspec

from maelstrom_core.job import Outcome
from maelstrom_pytest import guest_files, program
from maelstrom_pytest.config import PytestConfig
from tests.integration.pytest_guest.subprocess_runner import SubprocessRunner
from tests.integration.pytest_guest.template_runner import TemplateRunner
from tests.support.cases import Cases, load_cases

RUNNER: type[SubprocessRunner] = SubprocessRunner
"""How jobs are run unless a test says so itself; a test may be run both ways."""
# of a pytest that may be running these tests
FOREIGN = ("PYTEST_", "COV_", "COVERAGE_", "PYTHON", "MAELSTROM_", "NO_COLOR", "COLUMNS", "FORCE_COLOR")


class Run(msgspec.Struct, frozen=True):
    """What a run through the guest printed and left."""

    code: int
    output: str
    cases: Cases
    outcomes: tuple[Outcome, ...]
    jobs: int
    refusals: tuple[str, ...] = ()
    """Of templates."""


RUNNERS = {"fresh": SubprocessRunner, "template": TemplateRunner}


def make(root: Path, files: Mapping[str, str] | None = None, /, **more: str) -> Path:
    """Write a project; in keywords `__` stands for a slash and the last `_` for the dot of the suffix."""
    named = {".".join(key.replace("__", "/").rsplit("_", 1)): text for key, text in more.items()}
    for name, text in (*(files or {}).items(), *named.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return root


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    # plugins of the environment that runs these tests cost each process more than pytest itself
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | more


def native(project: Path, *arguments: str, python: str = sys.executable, env: dict[str, str] | None = None) -> Cases:
    """Run plain pytest."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "native.xml"
        subprocess.run(
            [python, "-m", "pytest", f"--junitxml={report}", *arguments],
            cwd=project,
            env=env or environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return load_cases(report)


def ours(
    project: Path,
    *arguments: str,
    python: str = sys.executable,
    env: dict[str, str] | None = None,
    runner: SubprocessRunner | None = None,
    listing: bool = False,
    **values: object,
) -> Run:
    """Run through the guest, without containers, in this process; `values` are of the configuration."""
    chosen_runner = runner or RUNNER()
    stream = io.StringIO()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "ours.xml"
        defaults = {"python": python, "junit_xml": report, "cache_root": Path(scratch), "slots": 2, "template": False}
        code = program.run(
            PytestConfig(**(defaults | values)),
            program.Call(project, arguments, env or environment(), listing),
            stream,
            open_runner=lambda _config, _directory, **_note: chosen_runner,  # it is its own context
            mount_point=str(guest_files.SOURCE),
        )
        refusals = tuple(getattr(chosen_runner, "refusals", ()))
        outcomes = tuple(chosen_runner.outcomes)
        return Run(code, stream.getvalue(), load_cases(report), outcomes, len(chosen_runner.specs), refusals)


def warm(project: Path, *arguments: str, **more: object) -> Run:
    """Run by templates; none may refuse."""
    runner = TemplateRunner()
    run = ours(project, *arguments, runner=runner, **more)
    assert runner.refusals == [], run.output
    assert runner.warm
    return run


def assert_same(
    project: Path, *arguments: str, python: str = sys.executable, refused: bool = False, **settings: object
) -> Run:
    """Run both ways and compare test by test; there must be something to compare, and templates must be used."""
    expected = native(project, *arguments, python=python)
    run = ours(project, *arguments, python=python, **settings)
    assert run.cases == expected, run.output
    assert expected
    assert refused or not run.refusals
    return run
