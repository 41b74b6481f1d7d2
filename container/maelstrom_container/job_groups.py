"""The cgroups of limited jobs, as a pool member makes them: one for each job, removed when it is over.

Where there is no tree of groups (`cgroup_tree`) nothing is made, and the outcome says what that means. Imports no
asyncio: members are small.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

import msgspec

from maelstrom_container.cgroups import counter, kept_by_groups, lacking, written
from maelstrom_core.job import Effects, Exited, Limited, Outcome, Signaled, TimedOut
from maelstrom_core.spec import Limits

NO_GROUP = -1
MICROSECOND = 1e-6
_TEXT = 4096


class Use(msgspec.Struct, frozen=True):
    """What a group has counted: the most bytes at once and the seconds of all its processes, None where unknown."""

    out_of_memory: bool = False
    refused_processes: int = 0
    peak_memory: int | None = None
    cpu_user: float | None = None
    cpu_system: float | None = None


class JobGroups:
    """Makes groups in a tree: `tree` is its descriptor, or -1, and `reason` says why they do not keep all limits."""

    def __init__(self, tree: int = -1, controllers: tuple[str, ...] = (), reason: str = "") -> None:
        self.controllers = controllers
        self.reason = reason
        self._tree = tree

    def keeps(self, limits: Limits) -> bool:
        """Tell whether a group would keep one of the limits."""
        return kept_by_groups(limits, self.controllers) != Limits()

    def run(self, limits: Limits, number: int, launch: Callable[[int], object]) -> Use | None:
        """Have a job launched in a new group, whose descriptor `launch` is given; NO_GROUP where it needs none.

        Returns what the group has counted. Raises OSError where it cannot be made.
        """
        if not self.keeps(limits):
            launch(NO_GROUP)
            return None
        group = JobGroup(self._tree, f"job-{number}", written(limits, self.controllers))
        try:
            launch(group.fd)
            return group.use()
        finally:
            group.close()

    def told(self, outcome: Outcome, limits: Limits, use: Use | None = None) -> Outcome:
        """Return the outcome of a job with what came of its limits."""
        if not limits.is_of_jobs or not isinstance(outcome, Exited | Signaled | TimedOut):
            return outcome
        lack = lacking(limits, self.controllers, self.reason, root=os.geteuid() == 0)
        return msgspec.structs.replace(outcome, effects=_with_use(outcome.effects, limits, use or Use(), lack))


class JobGroup:
    """The group of one job; `close` it when the job is over."""

    def __init__(self, tree: int, name: str, files: tuple[tuple[str, str], ...]) -> None:
        """Make it. Raises OSError."""
        self._tree, self._name = tree, name
        os.mkdir(name, 0o755, dir_fd=tree)
        self.fd = -1
        try:
            self.fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree)
            for file, text in files:
                self._write(file, text)
        except OSError:
            self.close()
            raise

    def use(self) -> Use:
        """Return what it has counted so far."""
        peak = (self._read("memory.peak") or "").strip()  # since 5.19
        times = self._read("cpu.stat")
        user, system = counter(times, "user_usec"), counter(times, "system_usec")
        return Use(
            out_of_memory=bool(counter(self._read("memory.events"), "oom_kill")),
            refused_processes=counter(self._read("pids.events"), "max") or 0,
            peak_memory=int(peak) if peak.isdecimal() else None,
            cpu_user=None if user is None else user * MICROSECOND,
            cpu_system=None if system is None else system * MICROSECOND,
        )

    def close(self) -> None:
        """Remove it; where somebody is in it yet, whoever takes down the tree will."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        with contextlib.suppress(OSError):
            os.rmdir(self._name, dir_fd=self._tree)

    def _write(self, name: str, text: str) -> None:
        try:
            fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=self.fd)
        except FileNotFoundError:
            if name in {"memory.swap.max", "memory.oom.group"}:  # a kernel without swap
                return
            raise
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def _read(self, name: str) -> str | None:
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.fd)
        except OSError:
            return None
        try:
            return os.read(fd, _TEXT).decode("ascii", "replace")
        finally:
            os.close(fd)


def _with_use(effects: Effects, limits: Limits, use: Use, lack: str | None) -> Effects:
    return msgspec.structs.replace(
        effects,
        peak_memory=effects.peak_memory if use.peak_memory is None else use.peak_memory,
        cpu_user=effects.cpu_user if use.cpu_user is None else use.cpu_user,
        cpu_system=effects.cpu_system if use.cpu_system is None else use.cpu_system,
        limited=Limited(limits, use.out_of_memory, use.refused_processes, lack),
    )
