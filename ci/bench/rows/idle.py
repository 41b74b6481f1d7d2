"""idle, idle-memory: what a pool of 64 slots costs while it has nothing to do.

The pool is in a process of its own (this module, run as a program), so that nobody's measuring wakes it. Each slot
has run one job before. There is no reference: the bounds are those of the values. Processes are counted by what the
kernel says of all of the pool's, from outside.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.bench.measure import Bench, Sample
from ci.bench.programs import REPOSITORY, BenchError

SLOTS = 64
SECONDS = 5.0
SETTLING = 1.0
MEMBER_DEPTH = 3
"""How far below the pool's process its members are: a keeper and a nursery stand between."""


@contextmanager
def pool() -> Iterator[int]:
    """Run an idle pool; yield its process."""
    command = [sys.executable, "-m", "ci.bench.rows.idle", str(SLOTS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline() != b"idle\n":
                raise BenchError("the pool did not start")
            time.sleep(SETTLING)
            yield process.pid
        finally:
            process.stdin.close()


def descendants(root: int) -> dict[int, int]:
    """Return the processes at and below one, each with how far below it is."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has just ended
    found = {root: 0}
    while fresh := {pid: found[parent] + 1 for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= fresh
    return found


def wake_ups(pids: list[int]) -> int:
    """Return how often the threads of these processes have been switched to so far."""
    switches = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for line in (thread / "status").read_text().splitlines():
                if "ctxt_switches" in line:
                    switches += int(line.split()[1])
    return switches


def private_bytes(pid: int) -> int:
    """Return the memory that a process shares with nobody."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private_"))


@contextmanager
def wake_ups_per_second() -> Iterator[Sample]:
    """Yield the wake-ups of all of the pool's processes per second."""
    with pool() as root:
        pids = list(descendants(root))

        def sample() -> float:
            before = wake_ups(pids)
            time.sleep(SECONDS)
            return (wake_ups(pids) - before) / SECONDS

        yield sample


@contextmanager
def mebibytes_per_member() -> Iterator[Sample]:
    """Yield the private memory of a member, on average."""
    with pool() as root:
        members = [pid for pid, depth in descendants(root).items() if depth == MEMBER_DEPTH]
        if len(members) != SLOTS:
            raise BenchError(f"the pool has {len(members)} members, not {SLOTS}")
        yield lambda: sum(map(private_bytes, members)) / SLOTS / (1 << 20)


def be_pool(slots: int) -> None:
    """Run a job on each slot, then nothing, until the standard input ends."""
    import asyncio

    from ci.bench import jobs

    async def idle() -> None:
        await jobs.all_at_once(client, jobs.job("/bin/sleep", "1"), slots)
        print("idle", flush=True)
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
        await ended.wait()

    with jobs.running_client(slots=slots) as (runner, client):
        runner.run(idle())


WAKE_UPS = Bench(
    name="idle",
    what=f"wake-ups per second of an idle pool with {SLOTS} slots",
    unit="wake-ups/s",
    better="less",
    reach=0.0,
    ours=wake_ups_per_second,
    reference=None,
    runs=3,
    warm_up=0,
)

MEMORY = Bench(
    name="idle-memory",
    what=f"private memory of each of its {SLOTS} members",
    unit="MiB",
    better="less",
    reach=3.0,
    ours=mebibytes_per_member,
    reference=None,
    runs=3,
    warm_up=0,
)

if __name__ == "__main__":
    be_pool(int(sys.argv[1]))
