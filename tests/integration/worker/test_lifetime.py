"""Nothing is left behind: of a job, of a member, of a supervisor, however they end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from maelstrom_core.job import Cancelled, Exited, SystemFailure
from maelstrom_core.spec import Network, ProcMount
from tests.support.pool import Pool, container, python, shell
from tests.support.programs import alive, descendants, eventually

WITH_PROC = container(mounts=(ProcMount("/proc"),))


@pytest.fixture
def own_pool() -> Iterator[Pool]:
    pool = Pool(slots=2)
    yield pool
    pool.close()


def gone(pids: set[int]) -> bool:
    return not any(alive(pid) for pid in pids)


def mount_namespaces(pid: int) -> int:
    """Return how many mount namespaces a process holds descriptors of."""
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(os.readlink(entry))
    return sum(link.startswith("mnt:") for link in links)


def start_sleepers(pool: Pool, marker: str) -> list[int]:
    """Start two jobs that sleep, and return when both do."""
    script = "import os, signal, sys, time; [os.fork() for _ in range(2)]; time.sleep(1000)"
    jobs = [pool.start(python(f"marker='{marker}'; {script}")) for _ in range(2)]
    assert eventually(lambda: len(sleepers(pool, marker)) == 8)
    return jobs


def sleepers(pool: Pool, marker: str) -> set[int]:
    def matches(pid: int) -> bool:
        try:
            return marker.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    return {pid for pid in descendants(pool.process.pid) if matches(pid)}


def test_kill_9_of_the_supervisor_leaves_no_process(own_pool: Pool) -> None:
    start_sleepers(own_pool, "supervisor-killed")
    below = descendants(own_pool.process.pid)
    assert len(below) >= 12  # keeper, nursery, two members, eight sleepers
    own_pool.process.kill()
    own_pool.process.wait()
    assert eventually(lambda: gone(below))


def test_the_end_of_the_supervisor_leaves_no_process(own_pool: Pool) -> None:
    start_sleepers(own_pool, "supervisor-ended")
    below = descendants(own_pool.process.pid)
    own_pool.close()
    assert gone(below)


def test_kill_9_of_a_member_fails_its_job_only_and_the_slot_goes_on(own_pool: Pool) -> None:
    number = own_pool.start(python("marker='member-killed'; import time; time.sleep(1000)"))
    assert eventually(lambda: bool(sleepers(own_pool, "member-killed")))
    below = sleepers(own_pool, "member-killed")
    os.kill(own_pool.members()[0], signal.SIGKILL)
    outcome = own_pool.wait(number)
    assert isinstance(outcome, SystemFailure)
    assert "pool member" in outcome.message
    assert eventually(lambda: gone(below))
    assert isinstance(own_pool.run(shell("true")), Exited)


def test_a_job_that_refuses_to_die_with_its_member_dies_too(own_pool: Pool) -> None:
    """It switches off its parent-death signal; the nursery finds it."""
    script = (
        "marker='death-refused'; import ctypes, time; ctypes.CDLL(None).prctl(1, 0, 0, 0, 0);"
        "print('ready', flush=True); time.sleep(1000)"
    )
    number = own_pool.start(python(script))
    assert eventually(lambda: bool(sleepers(own_pool, "death-refused")))
    below = sleepers(own_pool, "death-refused")
    os.kill(own_pool.members()[0], signal.SIGKILL)
    assert isinstance(own_pool.wait(number), SystemFailure)
    assert eventually(lambda: gone(below))


def test_kill_9_of_the_nursery_fails_the_jobs_and_leaves_no_process(own_pool: Pool) -> None:
    jobs = start_sleepers(own_pool, "nursery-killed")
    below = descendants(own_pool.process.pid)
    keeper = next(iter(Path(f"/proc/{own_pool.process.pid}/task/{own_pool.process.pid}/children").read_text().split()))
    nursery = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()[0]
    os.kill(int(nursery), signal.SIGKILL)
    for job in jobs:
        assert isinstance(own_pool.wait(job), SystemFailure)
    assert eventually(lambda: gone(below))


def test_di10_a_cancelled_job_and_its_children_are_killed(own_pool: Pool) -> None:
    jobs = start_sleepers(own_pool, "cancelled")
    below = sleepers(own_pool, "cancelled")
    queued = own_pool.start(shell("true"))
    for job in jobs:
        own_pool.cancel(job)
    assert [own_pool.wait(job) for job in jobs] == [Cancelled(), Cancelled()]
    assert gone(below)
    assert isinstance(own_pool.wait(queued), Exited)


def test_a_queued_job_can_be_cancelled(own_pool: Pool) -> None:
    running = start_sleepers(own_pool, "holds-the-slots")
    queued = own_pool.start(shell("true"))
    own_pool.cancel(queued)
    assert own_pool.wait(queued) == Cancelled()
    for job in running:
        own_pool.cancel(job)


def test_cancelling_right_after_starting_works_every_time(own_pool: Pool) -> None:
    for _ in range(50):
        job = own_pool.start(shell("sleep 1000"))
        own_pool.cancel(job)
        assert own_pool.wait(job) == Cancelled()


def test_many_jobs_leave_neither_descriptors_nor_processes_nor_mounts(own_pool: Pool) -> None:
    job = shell("echo x", within=container(mounts=(ProcMount("/proc"),), network=Network.LOOPBACK))
    for number in [own_pool.start(job) for _ in range(40)]:
        own_pool.wait(number)
    members = own_pool.members()

    def count() -> tuple[int, ...]:
        pids = [own_pool.process.pid, *members]
        descriptors = [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]
        mounts = [len(Path(f"/proc/{pid}/mounts").read_text().splitlines()) for pid in pids]
        return (*descriptors, *mounts, len(descendants(own_pool.process.pid)))

    # a member lets go of the mounts of its last job when it has nothing else to do
    assert eventually(lambda: {mount_namespaces(member) for member in members} == {3})
    before = count()
    for number in [own_pool.start(job) for _ in range(300)]:
        assert isinstance(own_pool.wait(number), Exited)
    assert own_pool.members() == members
    assert eventually(lambda: count() == before)


def test_a_member_forgets_containers_that_were_not_used_for_long(own_pool: Pool, tmp_path: Path) -> None:
    from maelstrom_container.launcher import KEPT_CONTAINERS
    from maelstrom_core.job import LayerDirectory

    for number in range(3 * KEPT_CONTAINERS):
        layer = tmp_path / str(number)
        layer.mkdir()
        (layer / "number").write_text(str(number))
        outcome = own_pool.run(shell("cat /number", within=container(LayerDirectory(str(layer)))))
        assert isinstance(outcome, Exited)
        assert outcome.effects.stdout.data == str(number).encode()
    pid = own_pool.members()[0]
    assert eventually(lambda: mount_namespaces(pid) <= KEPT_CONTAINERS + 2)


def test_what_the_caller_ignores_a_job_does_not() -> None:
    """As under nohup; and what Python itself ignores."""
    ignored = {signal.SIGHUP, signal.SIGUSR1, signal.SIGRTMAX}
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    try:
        pool = Pool(slots=1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    try:
        outcome = pool.run(shell("grep SigIgn /proc/self/status", within=WITH_PROC))
    finally:
        pool.close()
    assert isinstance(outcome, Exited)
    assert outcome.effects.stdout.data == b"SigIgn:\t0000000000000000\n"


def test_a_member_without_a_job_keeps_no_mounts_of_the_last_one(own_pool: Pool) -> None:
    """They end while the next job runs, or when there is none: two views of the machine and one container remain."""
    for _ in range(3):
        own_pool.run(shell("true"))
    members = own_pool.members()
    assert members
    assert eventually(lambda: {mount_namespaces(member) for member in members} == {3})
