"""What a worker tells of itself: its jobs and processes, and how the machine is. Looks by psutil; takes milliseconds.

What only the loop may look at is a `Snapshot`, taken there; `gather` may then run in a thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import psutil

from maelstrom_core import __version__
from maelstrom_core.metrics import Metric, single
from maelstrom_worker.story import Running, pid_of
from maelstrom_worker.supervisor import Supervisor

PROGRAM = 200
"""Characters of the name of a program."""


class Snapshot(msgspec.Struct, frozen=True):
    """What the supervisor knows."""

    slots: int
    queued: int
    running: list[Running]
    members: list[int]
    ended: dict[str, int]
    cache: int | None
    """Bytes of the cache of layers, if there is one."""


class JobStats(msgspec.Struct, frozen=True):
    """A job that runs: its processes, all together, as long as they live or were waited for by one that does."""

    job: int
    slot: int
    slots: int
    program: str
    pid: int | None
    """Of its first process, as this machine sees it; None where it has none yet, or any more."""
    processes: int
    elapsed: float
    """Seconds since a slot took it."""
    cpu: float
    """Seconds of processor time. A fork of a template may have run jobs before, whose time is in it, too."""
    memory: int
    """Bytes that are resident; what processes share counts for each."""


class ProcessStats(msgspec.Struct, frozen=True):
    """All processes of the worker, those of jobs included; or its pool members, by themselves."""

    count: int
    cpu: float
    memory: int


class HostStats(msgspec.Struct, frozen=True):
    """The machine."""

    processors: int
    cpu_percent: float
    """Of all processors, since it was looked at last."""
    load: tuple[float, float, float]
    memory_total: int
    memory_available: int
    disk_total: int
    """Of the file system of the cache; or else of temporary files."""
    disk_free: int


class Stats(msgspec.Struct, frozen=True):
    """What /stats tells."""

    version: str
    time: float
    """Of day, when this was looked at."""
    uptime: float
    slots: int
    used: int
    queued: int
    jobs: list[JobStats]
    ended: dict[str, int]
    """Jobs that began, ever, by kind of outcome."""
    members: ProcessStats
    processes: ProcessStats
    host: HostStats
    cache: int | None


def snapshot(supervisor: Supervisor, cache: int | None = None) -> Snapshot:
    """Return what the supervisor knows; to be called in its loop."""
    ended = {kind.__name__: count for kind, count in supervisor.ended.items()}
    queued, running = supervisor.look()
    return Snapshot(supervisor.slots, queued, running, supervisor.member_pids(), ended, cache)


class Gatherer:
    """Looks at processes and the machine; `disk` is a directory of the file system that is told of."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._start = time.monotonic()
        psutil.cpu_percent()  # from now on

    def gather(self, known: Snapshot) -> Stats:
        """Return everything; only one thread at a time may call this."""
        now = time.time()
        tree = _Tree(psutil.Process(os.getpid()))
        jobs = [_job(each, tree, now) for each in known.running]
        return Stats(
            version=__version__,
            time=now,
            uptime=time.monotonic() - self._start,
            slots=known.slots,
            used=sum(job.slots for job in jobs),
            queued=known.queued,
            jobs=jobs,
            ended=known.ended,
            members=_sum(tree.one(pid) for pid in known.members),
            processes=_sum(tree.processes.values()),
            host=self._host(),
            cache=known.cache,
        )

    def _host(self) -> HostStats:
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(self._disk))
        return HostStats(
            processors=psutil.cpu_count() or 1,
            cpu_percent=psutil.cpu_percent(),
            load=psutil.getloadavg(),
            memory_total=memory.total,
            memory_available=memory.available,
            disk_total=disk.total,
            disk_free=disk.free,
        )


class _Seen(msgspec.Struct, frozen=True):
    """One process."""

    pid: int
    created: float
    cpu: float
    memory: int


class _Tree:
    """A process and all below it, as they were at one moment; those that end meanwhile are left out."""

    def __init__(self, root: psutil.Process) -> None:
        self.processes: dict[int, _Seen] = {}
        self._children: dict[int, list[int]] = {}
        for process in (root, *root.children(recursive=True)):
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    waited_for = times.children_user + times.children_system if process is not root else 0
                    seen = _Seen(
                        process.pid,
                        process.create_time(),
                        times.user + times.system + waited_for,
                        process.memory_info().rss,
                    )
                    parent = process.ppid()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            self.processes[seen.pid] = seen
            self._children.setdefault(parent, []).append(seen.pid)

    def one(self, pid: int) -> _Seen:
        return self.processes.get(pid, _Seen(pid, 0.0, 0.0, 0))

    def with_below(self, pid: int) -> Iterator[_Seen]:
        """Yield a process, if it is one of these, and all below it."""
        if pid in self.processes:
            yield self.processes[pid]
            yield from self.below(pid)

    def below(self, pid: int) -> Iterator[_Seen]:
        """Yield all below a process, children before their own."""
        for child in sorted(self._children.get(pid, ()), key=lambda child: self.one(child).created):
            yield self.one(child)
            yield from self.below(child)


def _job(running: Running, tree: _Tree, now: float) -> JobStats:
    job = running.job
    program = job.program if job.template is None else f"fork of {job.template.program}"
    seen = list(tree.below(running.member) if job.template is None else tree.with_below(_fork_of(running)))
    total = _sum(seen)
    return JobStats(
        job=running.identity,
        slot=running.slot,
        slots=job.slots,
        program=program[:PROGRAM],
        pid=seen[0].pid if seen else None,
        processes=total.count,
        elapsed=max(0.0, now - running.since),
        cpu=total.cpu,
        memory=total.memory,
    )


def _fork_of(running: Running) -> int:
    """Return the process of a job that is forked from a template; -1 where there is none yet.

    It is no child of the pool member's, which has a descriptor of it, and of those that it keeps for later jobs.
    """
    try:
        for name in os.listdir(f"/proc/{running.member}/fd"):
            path = f"/proc/{running.member}/fd/{name}"
            if int(name) not in running.resting and os.readlink(path).startswith(_PIDFDS):
                return pid_of(int(name), running.member)
    except OSError:  # the member is gone; or it is another user's, as that of root is for whoever is not
        pass
    return -1


_PIDFDS = ("anon_inode:[pidfd]", "pidfd:[")
"""How the names of such descriptors begin: before Linux 6.9, and since then."""


def _sum(processes: Iterable[_Seen]) -> ProcessStats:
    count, cpu, memory = 0, 0.0, 0
    for process in processes:
        count, cpu, memory = count + 1, cpu + process.cpu, memory + process.memory
    return ProcessStats(count, cpu, memory)


def metrics(stats: Stats) -> list[Metric]:
    """Return what Prometheus is told."""
    host = stats.host
    ended = [({"outcome": kind}, count) for kind, count in stats.ended.items()]
    found = [
        Metric("maelstrom_worker_info", "gauge", "Version of the worker.", [({"version": stats.version}, 1)]),
        single("maelstrom_worker_uptime_seconds", "gauge", "How long the worker runs.", stats.uptime),
        single("maelstrom_worker_slots", "gauge", "Slots.", stats.slots),
        single("maelstrom_worker_slots_used", "gauge", "Slots of jobs that run.", stats.used),
        single("maelstrom_worker_jobs_queued", "gauge", "Jobs that wait for a slot.", stats.queued),
        Metric("maelstrom_worker_jobs_ended_total", "counter", "Jobs that began and have ended.", ended),
        single("maelstrom_worker_members", "gauge", "Pool members.", stats.members.count),
        single("maelstrom_worker_processes", "gauge", "Processes, those of jobs included.", stats.processes.count),
        single("maelstrom_worker_memory_bytes", "gauge", "What they have resident.", stats.processes.memory),
        single("maelstrom_worker_jobs_memory_bytes", "gauge", "That of jobs.", sum(job.memory for job in stats.jobs)),
        single("maelstrom_worker_jobs_cpu_seconds", "gauge", "Of jobs that run.", sum(job.cpu for job in stats.jobs)),
        single("maelstrom_host_processors", "gauge", "Processors.", host.processors),
        single("maelstrom_host_cpu_percent", "gauge", "Use of all processors since the last look.", host.cpu_percent),
        single("maelstrom_host_load1", "gauge", "Load, mean of a minute.", host.load[0]),
        single("maelstrom_host_memory_bytes", "gauge", "Memory.", host.memory_total),
        single("maelstrom_host_memory_available_bytes", "gauge", "Memory for new programs.", host.memory_available),
        single("maelstrom_host_disk_free_bytes", "gauge", "Room where the cache is.", host.disk_free),
    ]
    if stats.cache is not None:
        found.append(single("maelstrom_worker_cache_bytes", "gauge", "Size of the cache.", stats.cache))
    return found
