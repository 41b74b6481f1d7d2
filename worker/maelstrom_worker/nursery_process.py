"""The nursery: a single-threaded process that forks pool members, and outlives none of its masters.

    supervisor ── keeper ── nursery (pid 1 of a pid namespace) ── members ── jobs (namespaces of their own)

The keeper enters the user namespace and waits; it exists because only children enter a new pid namespace. Each process
is killed by the kernel when its parent dies, and when the nursery dies the kernel kills all that is in its pid
namespace: nothing can be left behind, whoever is killed and however. Imports no asyncio.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from maelstrom_container import outer, syscalls
from maelstrom_worker.messages import MESSAGE, MemberFds, MemberSettings
from maelstrom_worker.ring import MemoryFd

PASSED_FDS = 6
LAST_PASSED_FD = 3
"""The result channel: descriptors up to this one are replaced in a job."""

RunMember = Callable[[outer.Outer, MemberSettings, MemberFds, socket.socket], object]


def _die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, also if that has happened already."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def keep(parent: int, connection: socket.socket) -> NoReturn:
    """Be the keeper: enter the namespaces, fork the nursery into them, wait for its end."""
    gc.disable()  # whoever looks for garbage writes to memory that is shared so far
    try:
        _die_with_parent(parent)
        os.setsid()  # ^C is for the supervisor: it decides what ends
        try:
            outer.enter_namespaces()
        except OSError as error:
            connection.send(_refused(error))
            os._exit(1)
        ready, alive = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(alive)
            _nurse(connection, ready)
        connection.close()
        os.write(alive, b"!")
        os.close(ready)
        os.waitpid(child, 0)
    finally:
        os._exit(0)


def _refused(error: OSError) -> bytes:
    call = error.strerror.partition(":")[0] if error.strerror else "start"
    return msgspec.json.encode({"call": call, "errno": error.errno or 0})


def _nurse(connection: socket.socket, ready: int) -> NoReturn:
    """Be the nursery."""
    try:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent lives in another pid namespace, so getppid cannot tell whether it died just before: this can.
        if os.read(ready, 1) != b"!":
            os._exit(1)
        os.close(ready)
        syscalls.restore_default_signals()  # Python ignores some, and every job would inherit that
        _occupy_low_descriptors()
        # Only now, beside a caller that goes on; and not later, when there are no files to import from.
        from maelstrom_container import seccomp
        from maelstrom_worker.member import run_member

        seccomp.warm_up()
        try:
            sandbox = outer.build_outer()
        except OSError as error:
            connection.send(_refused(error))
            os._exit(1)
        connection.send(b"ready")
        gc.freeze()  # members share these pages until they write to them; what is in them is no garbage
        gc.enable()
        _Loop(connection, sandbox, run_member).run()
    finally:
        os._exit(1)


def _occupy_low_descriptors() -> None:
    """See that 0 to 3 are taken: what the launcher opens must not be among those that it replaces in a job.

    Standard error stays as it is: a bug of ours should be seen.
    """
    for number in (0, 1):
        fd = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(fd, number, inheritable=False)
        os.close(fd)
    while (fd := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) <= LAST_PASSED_FD:
        pass
    os.close(fd)


class _Loop:
    """Forks on request, reaps, and kills what a dead member left behind."""

    def __init__(self, connection: socket.socket, sandbox: outer.Outer, run_member: RunMember) -> None:
        self._socket = connection
        self._sandbox = sandbox
        self._run_member = run_member
        self._members: set[int] = set()
        self._incubator = 0
        self._memory = 0
        # Members ask at the desk. Whoever serves it is forked when somebody asks, and again should it die.
        self._desk, self._served_desk = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._wake, wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def run(self) -> None:
        desk = self._served_desk.fileno()
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        poll.register(desk, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake, MESSAGE)
                    self._reap()
                    if not self._incubator:
                        poll.register(desk, select.POLLIN)
                elif fd == desk:
                    poll.unregister(desk)
                    self._start_incubator()
                elif not self._serve():
                    return

    def _start_incubator(self) -> None:
        self._incubator = os.fork()
        if self._incubator == 0:
            try:
                self._become_child()
                self._desk.close()
                from maelstrom_worker.incubator import Incubator

                Incubator(self._sandbox, self._served_desk, memory=self._memory).run()
            except BaseException:  # noqa: BLE001 - the edge of a process: a bug is shown
                _show_bug()
            finally:
                os._exit(70)

    def _serve(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self._socket, MESSAGE, PASSED_FDS)
        if not message:
            return False
        asked = msgspec.json.decode(message)
        number, asked["controllers"] = asked.pop("member"), tuple(asked["controllers"])
        self._memory = asked["memory"]
        try:
            pid = os.fork()
        except OSError as error:
            self._socket.send(msgspec.json.encode({"member": number, "reason": str(error)}))
        else:
            if pid == 0:
                self._be_member(MemberSettings(**asked), fds)
            self._members.add(pid)
            pidfd = os.pidfd_open(pid)
            socket.send_fds(self._socket, [msgspec.json.encode({"member": number})], [pidfd])
            os.close(pidfd)
        for fd in fds:
            os.close(fd)
        return True

    def _be_member(self, settings: MemberSettings, fds: list[int]) -> NoReturn:
        try:
            self._become_child()
            self._served_desk.close()
            memory, own, supervisor, passing, *more = fds
            rest = more.pop(0) if settings.rest else -1
            tree = more[0] if more else -1
            given = MemberFds(MemoryFd(memory), own, supervisor, passing, tree, rest)
            self._run_member(self._sandbox, settings, given, self._desk)
        except BaseException:  # noqa: BLE001 - the edge of a process: a bug is shown
            _show_bug()
        finally:
            os._exit(70)

    def _become_child(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._socket.close()

    def _reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._incubator:
                self._incubator = 0
            elif pid not in self._members:
                continue
            self._members.discard(pid)
            self._kill_orphans()

    def _kill_orphans(self) -> None:
        """Kill the job of a member that died: it is ours now, and may have switched off its parent-death signal."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in {1, self._incubator, *self._members}:
                continue
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[1] == "1":
                    os.kill(int(entry.name), signal.SIGKILL)


def _show_bug() -> None:
    import traceback

    traceback.print_exc()
