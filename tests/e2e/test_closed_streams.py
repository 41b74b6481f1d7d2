"""Programs whose caller has closed their standard streams, as some daemons and schedulers do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.programs import PATIENCE, PYTEST, RUN, Done, Programs, write_project

OTHERS = ("cargo_maelstrom", "maelstrom_go_test", "maelstrom_admin", "maelstrom_broker", "maelstrom_worker")
CLOSED = ("<&-", ">&-", "2>&-", "<&- >&- 2>&-")


def run_closed(programs: Programs, program: str, *arguments: str, closed: str, cwd: Path) -> Done:
    """Run a program with streams that are closed."""
    command = programs.command(program, arguments)
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command],
        cwd=cwd,
        env=programs.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("closed", CLOSED)
def test_commands_run_as_ever(programs: Programs, project: Path, closed: str) -> None:
    script = "echo out; echo err >&2; read line && exit 9; exit 4"
    done = run_closed(programs, RUN, "--", "sh", "-c", script, closed=closed, cwd=project).check(4)
    assert done.out == ("" if ">&- " in f"{closed} ".replace("2>&-", "") else "out\n")
    assert done.err == ("" if "2>&-" in closed else "err\n")
    assert run_closed(programs, RUN, closed="<&-", cwd=project).check(0).err == ""  # a stream of no jobs


@pytest.mark.parametrize("closed", CLOSED)
def test_tests_run_as_ever(programs: Programs, project: Path, closed: str) -> None:
    write_project(
        project, {"test_a.py": "def test_a(capfd):\n    print('printed')\n    assert capfd.readouterr().out\n"}
    )
    done = run_closed(programs, PYTEST, closed=closed, cwd=project).check(0)
    assert "Traceback" not in done.err


@pytest.mark.parametrize("program", OTHERS)
def test_every_program_is_there_without_any_stream(programs: Programs, project: Path, program: str) -> None:
    run_closed(programs, program, "--help", closed="<&- >&- 2>&-", cwd=project).check(0)
