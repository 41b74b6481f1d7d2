"""The cgroups of one supervisor: made at the first job that is limited, gone when the supervisor is.

    the group that we were started in       holds nobody any more; has controllers enabled for what is below
      maelstrom-PID                         ours; its descriptor is what members make groups of jobs with
        own                                 the supervisor and all its other processes
        job-N                               one limited job

A *caretaker*, a process of its own, takes everything down when the supervisor closes a pipe or ends, however it does.
This file is its script, too (`python -I -S cgroup_tree.py SUPERVISOR DIRECTORY NAME CONTROLLERS`), so it imports
nothing but the standard library, and little of that.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maelstrom_container.cgroups import Delegated

PREFIX = "maelstrom-"
OWN = "own"
TRIES = 200
PAUSE = 0.005
"""Seconds between two tries, of what other processes keep from succeeding for a moment."""


class Tree:
    """The groups of this process; `close` them, else they go when the process does."""

    def __init__(self, directory: str, fd: int, controllers: tuple[str, ...], caretaker: int, pipe: int) -> None:
        self.fd = fd
        """Of the group in which those of jobs are made."""
        self.controllers = controllers
        self._directory = directory
        self._caretaker = caretaker
        self._pipe = pipe

    @classmethod
    def open(cls, found: Delegated) -> Tree:
        """Make the groups, and have this process and all in its group move. Raises OSError; then all is as it was."""
        directory, name = found.directory, f"{PREFIX}{os.getpid()}"
        sweep(directory)
        os.mkdir(f"{directory}/{name}", 0o755)
        try:
            if not found.shared:
                _move_all(directory, f"{directory}/{name}/{OWN}")
            _enable(directory, found.enable)
            _enable(f"{directory}/{name}", found.controllers)
            fd = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                caretaker, pipe = _start_caretaker(directory, name, found.enable)
            except OSError:
                os.close(fd)
                raise
        except OSError:
            take_down(directory, name, found.enable)
            raise
        return cls(f"{directory}/{name}", fd, found.controllers, caretaker, pipe)

    def close(self) -> None:
        """Take the groups away, and go back to where we were."""
        os.close(self.fd)
        os.close(self._pipe)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._caretaker, 0)


def sweep(directory: str) -> None:
    """Remove what a supervisor and its caretaker have left that were both killed."""
    for name in os.listdir(directory):
        pid = name.removeprefix(PREFIX)
        if name == pid or not pid.isdecimal() or (os.path.exists(f"/proc/{pid}") and int(pid) != os.getpid()):
            continue
        if not _is_populated(f"{directory}/{name}"):
            _remove_below(f"{directory}/{name}")
            _remove(f"{directory}/{name}")


def take_down(directory: str, name: str, controllers: tuple[str, ...]) -> None:
    """Kill what is in groups of jobs, remove all groups, and move whoever is left to where it came from."""
    top = f"{directory}/{name}"
    own = f"{top}/{OWN}"
    _remove_below(top, keep=OWN)
    for group in (top, directory):
        for controller in _enabled(group) if group == top else controllers:
            _write(f"{group}/cgroup.subtree_control", f"-{controller}")
    for _ in range(TRIES):
        if not os.path.isdir(own) or _remove(own):
            break
        for pid in _members(own):
            _write(f"{directory}/cgroup.procs", pid)
        time.sleep(PAUSE)
    _remove(top)


def _start_caretaker(directory: str, name: str, controllers: tuple[str, ...]) -> tuple[int, int]:
    """Return the process id, and the descriptor whose end it waits for."""
    reading, writing = os.pipe()
    try:
        command = [sys.executable, "-I", "-S", __file__, str(os.getpid()), directory, name, *controllers]
        actions = [
            (os.POSIX_SPAWN_DUP2, reading, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),  # whoever reads what the supervisor writes waits for nobody else
        ]
        return os.posix_spawn(sys.executable, command, {}, file_actions=actions, setsid=True), writing
    except OSError:
        os.close(writing)
        raise
    finally:
        os.close(reading)


def _move_all(directory: str, own: str) -> None:
    """Have everybody in a group move to a new one below it; they may fork meanwhile. Raises OSError."""
    os.mkdir(own, 0o755)
    for _ in range(TRIES):
        members = _members(directory)
        if not members:
            return
        for pid in members:
            try:
                _put(f"{own}/cgroup.procs", pid)
            except ProcessLookupError:
                continue  # it has just ended


def _enable(group: str, controllers: tuple[str, ...]) -> None:
    for controller in controllers:
        _put(f"{group}/cgroup.subtree_control", f"+{controller}")


def _enabled(group: str) -> list[str]:
    try:
        with open(f"{group}/cgroup.subtree_control", encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []


def _members(group: str) -> list[str]:
    try:
        with open(f"{group}/cgroup.procs", encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []


def _is_populated(group: str) -> bool:
    try:
        with open(f"{group}/cgroup.events", encoding="ascii") as file:
            return "populated 1" in file.read()
    except OSError:
        return False


def _remove_below(group: str, keep: str = "") -> None:
    """Remove the groups in one, and whoever is in them."""
    with contextlib.suppress(OSError):
        names = [entry.name for entry in os.scandir(group) if entry.is_dir() and entry.name != keep]
        for name in names:
            for _ in range(TRIES):
                if _remove(f"{group}/{name}"):
                    break
                _kill(f"{group}/{name}")
                time.sleep(PAUSE)


def _kill(group: str) -> None:
    if os.path.exists(f"{group}/cgroup.kill"):
        _write(f"{group}/cgroup.kill", "1")
        return
    for pid in _members(group):  # before 5.14
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(pid), 9)


def _remove(group: str) -> bool:
    try:
        os.rmdir(group)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _write(path: str, text: str) -> None:
    """Write what may be in vain."""
    with contextlib.suppress(OSError):
        _put(path, text)


def _put(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _wait_for_end(supervisor: int) -> None:
    """Wait until our parent, the supervisor, has closed the pipe, or is gone: others may hold the pipe open, too."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    with contextlib.suppress(ProcessLookupError):
        poll.register(os.pidfd_open(supervisor), select.POLLIN)
    if os.getppid() == supervisor:
        poll.poll()


if __name__ == "__main__":
    _wait_for_end(int(sys.argv[1]))
    take_down(sys.argv[2], sys.argv[3], tuple(sys.argv[4:]))
