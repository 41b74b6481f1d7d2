"""What a job takes, it takes from itself, and it is given back when it ends."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from maelstrom_container.steps import FEWEST_INODES
from maelstrom_core.job import Cancelled, Exited, Signaled
from maelstrom_core.spec import BindMount, Network, ProcMount, TmpMount
from tests.integration.container.escape.conftest import Attack, MakeAttack
from tests.support.pool import Pool, container, python
from tests.support.programs import descendants, eventually

MIB = 1 << 20
SIZE = 4 * MIB
PLACES = ("/", "/tmp", "/run", "/dev/shm", "/var/tmp")
NOT_MEMORY = {"/dev/mqueue", "/dev/pts", "/proc", "/sys"}


@pytest.fixture(scope="module")
def small() -> Iterator[Pool]:
    """A pool whose jobs have little memory for files."""
    pool = Pool(slots=1, memory=SIZE)
    yield pool
    pool.close()


class TestMemory:
    @pytest.fixture
    def pool(self, small: Pool) -> Pool:
        return small

    def test_no_file_system_in_memory_takes_more_than_it_may(self, attack: Attack) -> None:
        lines = [line.split() for line in attack("bombs", *PLACES)]
        assert [line[0] for line in lines] == [place for place in PLACES for _ in range(2)]
        for place, written, error in lines[::2]:
            assert int(written) <= SIZE, place
            assert int(error) == errno.ENOSPC, place
        for place, made, error in lines[1::2]:
            assert int(made) <= FEWEST_INODES, place
            assert int(error) == errno.ENOSPC, place

    def test_there_is_no_other_place_to_write_to(self, pool: Pool, make: MakeAttack) -> None:
        outcome = pool.run(make("grep -E ' rw[, ]' /proc/self/mounts | cut -d' ' -f2"))
        assert isinstance(outcome, Exited)
        places = {line for line in outcome.effects.stdout.data.decode().splitlines() if line.startswith("/")}
        trees = {"/usr", "/bin", "/lib", "/lib64", "/etc"}  # overlays, whose upper layer is that of /
        assert places <= {*PLACES, *NOT_MEMORY, *trees}


def bombs(pool: Pool) -> set[int]:
    """Return the processes of the attack that run below a pool."""

    def matches(pid: int) -> bool:
        try:
            return b"forks.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    return {pid for pid in descendants(pool.process.pid) if matches(pid)}


def test_processes_that_hold_its_output_open_end_with_it(pool: Pool, attack: Attack) -> None:
    """That the job's end is seen at all shows that nobody waits for its pipes."""
    assert attack("forks", 100) == []
    assert eventually(lambda: not bombs(pool))


@pytest.mark.parametrize("command", ["kill -9 -1", "kill -9 0", "kill -9 1; kill -9 $$; kill -9 $PPID"])
def test_signals_to_everybody_reach_the_job_only(pool: Pool, make: MakeAttack, start: str, command: str) -> None:
    before = pool.members()
    for _ in range(2):
        outcome = pool.run(make(f"sleep 1000 & {command}; true"))
        assert isinstance(outcome, Exited | Signaled)
    assert set(before) <= set(pool.members())
    after = pool.run(make("echo as before"))
    assert isinstance(after, Exited)
    assert after.effects.stdout.data.endswith(b"as before\n")


NEIGHBOUR = """
import os, socket, time
server = socket.socket(socket.AF_UNIX)
server.bind("\\0neighbour")
server.listen()
for path in ("/tmp/neighbour", "/dev/shm/neighbour"):
    open(path, "w").close()
open("/shared/ready", "w").close()
time.sleep(1000)
"""


def test_a_job_at_the_same_time_is_out_of_reach(pool: Pool, attack: Attack, tmp_path: Path) -> None:
    mounts = (ProcMount("/proc"), TmpMount("/tmp"), TmpMount("/dev/shm"), BindMount("/shared", str(tmp_path)))
    neighbour = pool.start(python(NEIGHBOUR, within=container(mounts=mounts, network=Network.LOOPBACK)))
    assert eventually((tmp_path / "ready").exists)
    try:
        assert attack("sockets", "neighbour") == []
        assert attack("processes", os.getpid()) == []
    finally:
        pool.cancel(neighbour)
    assert isinstance(pool.wait(neighbour), Cancelled)
