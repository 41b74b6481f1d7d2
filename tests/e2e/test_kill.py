"""kill -9 of a program in the middle of a run leaves nothing but the cache, and the next run works."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.programs import (
    PATIENCE,
    PYTEST,
    RUN,
    Programs,
    alive,
    descendants,
    eventually,
    shell_job,
    sleepers,
    write_project,
)

SLEEPING_TESTS = "import subprocess\n" + "".join(
    f"def test_{number}(): subprocess.run(['sleep', '11111'])\n" for number in range(4)
)
PASSING_TESTS = "".join(f"def test_{number}(): pass\n" for number in range(6))


class Traces:
    """What a run could leave on this machine; made before it."""

    def __init__(self, programs: Programs, project: Path) -> None:
        self._programs = programs
        self._project = project
        programs.environment()  # makes the directory of temporary files
        self._before = self._look()
        self._below: set[int] = set()

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the program, having noted what runs below it."""
        os.kill(process.pid, signal.SIGSTOP)  # or it would go on forking while we look
        self._below = descendants(process.pid)
        process.kill()
        process.communicate(timeout=PATIENCE)

    def check(self) -> None:
        """Fail if there are any."""
        assert eventually(lambda: not any(alive(pid) for pid in self._below), 20)
        assert self._look() == self._before
        assert list(self._programs.temporary.iterdir()) == []

    def _look(self) -> dict[str, list[str]]:
        home, project = str(self._programs.home), str(self._project)
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        sockets = [line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()]
        return {
            "mounts": sorted(line for line in mounts if "maelstrom" in line or home in line or project in line),
            "sockets": sorted(name for name in sockets if "maelstrom" in name or home in name or project in name),
            "shared memory": [name for name in os.listdir("/dev/shm") if "maelstrom" in name],
            "temporary": [name for name in os.listdir("/tmp") if "maelstrom" in name],
            "home": sorted(name for name in os.listdir(home) if name != "cache"),
            "project": sorted(str(path.relative_to(project)) for path in self._project.rglob("*")),
        }


@pytest.mark.parametrize("moment", ["starting", "forked", "collecting", "running"])
def test_kill_9_of_maelstrom_pytest(fresh: Programs, project: Path, moment: str):
    collecting = "import subprocess\nsubprocess.run(['sleep', '11111'])\n" if moment == "collecting" else ""
    write_project(project, {"conftest.py": collecting, "test_a.py": SLEEPING_TESTS})
    conditions = {
        "starting": descendants,
        "forked": lambda pid: len(descendants(pid)) >= 3,
        "collecting": lambda pid: sleepers(pid, "11111"),
        "running": lambda pid: len(sleepers(pid, "11111")) >= 2,
    }
    traces = Traces(fresh, project)
    with fresh.start(PYTEST, "--slots", "2", cwd=project) as process:
        assert eventually(lambda: conditions[moment](process.pid))
        traces.kill(process)
    traces.check()
    write_project(project, {"conftest.py": "", "test_a.py": PASSING_TESTS})
    assert "Successful Tests: 6" in fresh.run(PYTEST, cwd=project).check(0).out


@pytest.mark.parametrize("moment", ["forked", "running"])
def test_kill_9_of_maelstrom_run(fresh: Programs, project: Path, moment: str):
    wanted = 3 if moment == "running" else 0
    traces = Traces(fresh, project)
    with fresh.start(RUN, "--slots", "3", cwd=project) as process:
        assert process.stdin is not None
        for _ in range(6):
            script = "(setsid sleep 22222 &) ; trap '' TERM HUP INT; sleep 22222"
            process.stdin.write(json.dumps(shell_job(script)).encode())
        process.stdin.flush()
        assert eventually(lambda: descendants(process.pid) and len(sleepers(process.pid, "22222")) >= wanted)
        traces.kill(process)
    traces.check()
    assert fresh.jobs(shell_job("echo works"), cwd=project).check(0).out == "works\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_deadly_signals_leave_nothing_either(fresh: Programs, project: Path, number: signal.Signals):
    traces = Traces(fresh, project)
    with fresh.start(RUN, "--", "sleep", "33333", cwd=project) as process:
        assert eventually(lambda: sleepers(process.pid, "33333"))
        below = descendants(process.pid)
        process.send_signal(number)
        process.communicate(timeout=PATIENCE)
        assert process.returncode != 0
    assert eventually(lambda: not any(alive(pid) for pid in below))
    traces.check()


def test_an_ordinary_run_leaves_nothing_but_the_cache(fresh: Programs, project: Path):
    write_project(project, {"test_a.py": PASSING_TESTS})
    traces = Traces(fresh, project)
    fresh.run(PYTEST, cwd=project).check(0)
    traces.check()


def test_two_runs_at_once_in_one_project(fresh: Programs, project: Path):
    """With an empty cache: both build the same layers."""
    write_project(project, {"test_a.py": PASSING_TESTS})
    with fresh.start(PYTEST, cwd=project) as first, fresh.start(PYTEST, cwd=project) as second:
        for process in (first, second):
            out, err = process.communicate(timeout=PATIENCE)
            assert (process.returncode, err) == (0, b"")
            assert b"Successful Tests: 6" in out
