"""Many jobs in a row and many at once, through maelstrom-run, as a user has it; and after kill -9 of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.integration.endurance.conftest import CRASH, JOBS, LITTER, SLOTS
from tests.support.census import Census, census, growth, private_memory, settled
from tests.support.programs import HOST, PATIENCE, RUN, Programs, alive, descendants, eventually, shell_job

LIMITS = ("--output-limit", "1000")
BATCH = 5
"""Rounds that are sent at once: what they print fits a pipe."""
GROWTH = 6 << 10
"""KiB that the memory of all processes together may differ by, as it does from one moment to the next."""
MOUNTS = [
    {"type": "proc", "mount_point": "/proc"},
    *({"type": "tmp", "mount_point": name} for name in ("/tmp", "/dev/shm")),
    {"type": "devices", "devices": ["null", "zero"]},
]


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    (tmp_path / "home").mkdir()
    return Programs(tmp_path / "home")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def litter(script: str, **fields: object) -> dict[str, object]:
    own = {"layers": [HOST, {"stubs": ["/var/tmp/"]}], "mounts": MOUNTS, "network": "loopback"}
    return shell_job(LITTER + script, **own, enable_writable_file_system=True, **fields)


def every_way() -> list[dict[str, object]]:
    return [
        *(litter("exit 0"), litter("exit 3"), litter(CRASH), litter("wait", timeout=0.1)),
        shell_job("head -c 300000 /dev/zero"),
        shell_job("true", working_directory="/no/such/directory"),
        {**shell_job("true"), "program": "/no/such/program"},
        {**shell_job("true"), "layers": [{"tar": "no-such.tar"}]},
    ]


@contextmanager
def machine(programs: Programs) -> Iterator[None]:
    """Fail if what is on the machine beside processes differs at the end from what it was at the beginning."""
    programs.environment()  # makes the directory of temporary files
    mounts = Path("/proc/self/mountinfo")

    def look() -> Census:
        own = census(os.getpid(), programs.temporary)
        kept = ("system v", "/dev/shm", "cgroups", "temporary files")
        return {name: own[name] for name in kept} | {"mounts": len(mounts.read_text().splitlines())}

    before = look()
    yield
    assert look() == before


def run(process: subprocess.Popen[bytes], jobs: list[dict[str, object]]) -> None:
    """Have a program run jobs; when this returns the last one has ended, and others are about to."""
    assert process.stdin is not None
    assert process.stdout is not None
    for each in [*jobs, shell_job("echo; echo the last")]:
        process.stdin.write(json.dumps(each).encode())
    process.stdin.flush()
    while b"the last" not in process.stdout.readline():
        pass


def run_every_way(process: subprocess.Popen[bytes], rounds: int) -> None:
    for _ in range(-(-rounds // BATCH)):
        run(process, every_way() * BATCH)


def meet_all_containers(process: subprocess.Popen[bytes], look: Callable[[], Census]) -> None:
    """Have each member meet all containers, which it keeps: until there is no more of anything after a round."""
    before: Census = {}
    for _ in range(10):
        for each in (litter("sleep 0.5"), shell_job("sleep 0.5"), shell_job("true")):
            run(process, [each] * 2)
        now = settled(look)
        if before and not growth(before, now):
            return
        before = now


def end_alike(process: subprocess.Popen[bytes]) -> None:
    """Have each member end with the same container: it sees the mounts of that in which its last job was."""
    run(process, [shell_job("sleep 1")] * 2)


def test_jobs_in_a_row_that_end_in_every_way_leave_nothing(programs: Programs, project: Path, tmp_path: Path) -> None:
    """While it runs it holds as much at the end as at the beginning."""
    with (
        machine(programs),
        (tmp_path / "errors").open("wb") as errors,
        programs.start(RUN, "--slots", "2", *LIMITS, cwd=project, stderr=errors) as process,
    ):
        look = partial(census, process.pid, programs.temporary)
        meet_all_containers(process, look)
        run_every_way(process, 3)
        end_alike(process)
        before, used = settled(look), private_memory(process.pid)
        run_every_way(process, JOBS // len(every_way()))
        end_alike(process)
        assert eventually(lambda: not growth(before, look())), growth(before, look())
        assert private_memory(process.pid) < used + GROWTH
        below = descendants(process.pid)
        process.communicate(timeout=PATIENCE)
        assert process.returncode != 0  # some of them failed, as they were to
        assert not any(alive(pid) for pid in below)


@pytest.mark.parametrize("moment", ["building", "full"])
def test_kill_9_in_the_middle_of_many_leaves_nothing(programs: Programs, project: Path, moment: str) -> None:
    with machine(programs), programs.start(RUN, "--slots", str(SLOTS), cwd=project) as process:
        assert process.stdin is not None
        job = json.dumps(litter("wait")).encode()
        process.stdin.write(job * 2 * SLOTS)
        process.stdin.flush()
        wanted = 2 if moment == "building" else 3 * SLOTS
        assert eventually(lambda: len(descendants(process.pid)) > wanted)
        os.kill(process.pid, signal.SIGSTOP)  # or it would go on forking while we look
        below = descendants(process.pid)
        process.kill()
        process.communicate(timeout=PATIENCE)
        assert eventually(lambda: not any(alive(pid) for pid in below))
    done = programs.jobs(shell_job("echo works"), cwd=project).check(0)
    assert done.out == "works\n"
    assert list((programs.cache / "layers" / "tmp").iterdir()) == []
