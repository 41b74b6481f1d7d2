"""The book's commands print what the book says: each page is done as a reader does it, in a directory of its own."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.book import Command, File, difference, runs, steps
from tests.support.cargo import CARGO, cargo_environment
from tests.support.go import GO, go_variables
from tests.support.programs import GO_TEST, PATIENCE, PYTEST, ROOT, RUN, Programs

BOOK = ROOT / "docs" / "book"
PAGES = [path for path in sorted(BOOK.glob("*.md")) if runs(path.read_text())]
COMMANDS = {
    "maelstrom-admin": "maelstrom_admin",
    "maelstrom-broker": "maelstrom_broker",
    "maelstrom-pytest": PYTEST,
    "maelstrom-run": RUN,
    "maelstrom-worker": "maelstrom_worker",
    "pytest": "pytest",
    "cargo-maelstrom": CARGO,
    "maelstrom-go-test": GO_TEST,
    "maelstrom-scripts": "maelstrom_scripts",  # a program of the page that writes it
}


@pytest.fixture(scope="session")
def commands(programs: Programs) -> Path:
    """Return a directory with the programs of the tree, by the names that users know."""
    directory = programs.home / "commands"
    directory.mkdir()
    for name, module in COMMANDS.items():
        script = directory / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n')
        script.chmod(0o755)
    return directory


def run(command: Command, directory: Path, environment: dict[str, str]) -> str | None:
    """Run a command as a reader types it; return what is wrong with it."""
    with subprocess.Popen(
        ["bash", "-c", command.text],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=3 * PATIENCE)  # some compile
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # bash has started others
            raise
    return difference(command, process.returncode, output.decode(errors="replace"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_does_what_it_says(page: Path, project: Path, programs: Programs, commands: Path) -> None:
    environment = programs.with_plugins.environment({"MAELSTROM_PYTEST_PYTHON": sys.executable, "LC_ALL": "C.UTF-8"})
    if page.stem == "go-test":
        if GO is None:
            pytest.skip("there is no go of 1.21 or later in PATH")
        environment |= go_variables()
    if page.stem == "cargo":
        environment |= cargo_environment()
    environment["PATH"] = f"{commands}{os.pathsep}{environment['PATH']}"
    for step in steps(page.read_text()):
        match step:
            case File(path, text):
                (project / path).parent.mkdir(parents=True, exist_ok=True)
                (project / path).write_text(text)
            case Command():
                wrong = run(step, project, environment)
                assert wrong is None, f"{page.name}, {wrong}"


def test_there_are_pages_to_run() -> None:
    assert len(PAGES) > 10
