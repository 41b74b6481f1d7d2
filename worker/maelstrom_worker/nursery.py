"""The nursery: a single-threaded process, forked first, that forks pool members and outlives none of its masters.

    supervisor ── keeper ── nursery (pid 1 of a pid namespace) ── members ── jobs (namespaces of their own)

The keeper enters the user namespace and waits; it exists because only children enter a new pid namespace. Each process
is killed by the kernel when its parent dies, and when the nursery dies the kernel kills all that is in its pid
namespace: nothing can be left behind, whoever is killed and however. Imports no asyncio.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from maelstrom_container import outer, syscalls
from maelstrom_core.errors import HostError
from maelstrom_worker.member import MemberFds, MemberSettings, run_member
from maelstrom_worker.ring import MemoryFd

MESSAGE = 4096
PASSED_FDS = 5
LAST_PASSED_FD = 3
"""The result channel: descriptors up to this one are replaced in a job."""


class Born(msgspec.Struct, frozen=True):
    """The nursery's answer: a member lives, and `pidfd` tells when it does no more."""

    member: int
    pidfd: int


class Stillborn(msgspec.Struct, frozen=True):
    """The nursery's answer where a member could not be forked."""

    member: int
    reason: str


class Nursery:
    """The supervisor's handle of its nursery. Use `start`."""

    def __init__(self, keeper: int, connection: socket.socket) -> None:
        self._keeper = keeper
        self._socket = connection

    @classmethod
    def start(cls) -> Nursery:
        """Fork the nursery. Call early: while the process has one thread and few imports.

        It sets itself up while the caller goes on; `wait_until_ready` says whether that went well.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        keeper = os.fork()
        if keeper == 0:
            ours.close()
            _keep(parent, theirs)
        theirs.close()
        return cls(keeper, ours)

    def wait_until_ready(self) -> None:
        """Wait for the end of the set-up. Raises HostError where this host does not allow what is needed."""
        hello = self._socket.recv(MESSAGE)
        if hello != b"ready":
            self.close()
            raise refusal(json.loads(hello) if hello else {"call": "start", "errno": 0})
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait on for answers."""
        return self._socket.fileno()

    def request(self, member: int, settings: MemberSettings, fds: MemberFds) -> None:
        """Ask for a member; the answer comes through `answers`."""
        message = json.dumps({"member": member, **msgspec.structs.asdict(settings)}).encode()
        passed = [fds.memory, fds.own_bell, fds.supervisor_bell, fds.passing]
        if fds.tree >= 0:
            passed.append(fds.tree)
        socket.send_fds(self._socket, [message], passed)

    def answers(self) -> list[Born | Stillborn]:
        """Return what the nursery has said by now; raises EOFError when it is dead."""
        answers: list[Born | Stillborn] = []
        while True:
            try:
                message, fds, _, _ = socket.recv_fds(self._socket, MESSAGE, 1)
            except BlockingIOError:
                return answers
            if not message:
                raise EOFError
            said = json.loads(message)
            if fds:
                answers.append(Born(said["member"], fds[0]))
            else:
                answers.append(Stillborn(said["member"], said["reason"]))

    def close(self) -> None:
        """End the nursery and all below it; returns when they are gone."""
        self._socket.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._keeper, 0)


def refusal(said: dict[str, Any]) -> HostError:
    """Turn a failed set-up into an error with the doctor's line about it."""
    from maelstrom_container.doctor import explain

    call, code = str(said["call"]), int(said["errno"])
    reason = os.strerror(code) if code else "the process ended"
    return HostError(
        f"failed to set up a container on this host: {call}: {reason}",
        hint=explain(code, call) or "`maelstrom-run --doctor` says what this host allows",
    )


def _die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, also if that has happened already."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _keep(parent: int, connection: socket.socket) -> NoReturn:
    """Be the keeper: enter the namespaces, fork the nursery into them, wait for its end."""
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
    return json.dumps({"call": call, "errno": error.errno or 0}).encode()


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
        try:
            sandbox = outer.build_outer()
        except OSError as error:
            connection.send(_refused(error))
            os._exit(1)
        connection.send(b"ready")
        gc.collect()
        gc.freeze()  # members share these pages until they write to them
        _Loop(connection, sandbox).run()
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

    def __init__(self, connection: socket.socket, sandbox: outer.Outer) -> None:
        self._socket = connection
        self._sandbox = sandbox
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
        asked = json.loads(message)
        number, asked["controllers"] = asked.pop("member"), tuple(asked["controllers"])
        self._memory = asked["memory"]
        try:
            pid = os.fork()
        except OSError as error:
            self._socket.send(json.dumps({"member": number, "reason": str(error)}).encode())
        else:
            if pid == 0:
                self._be_member(MemberSettings(**asked), fds)
            self._members.add(pid)
            pidfd = os.pidfd_open(pid)
            socket.send_fds(self._socket, [json.dumps({"member": number}).encode()], [pidfd])
            os.close(pidfd)
        for fd in fds:
            os.close(fd)
        return True

    def _be_member(self, settings: MemberSettings, fds: list[int]) -> NoReturn:
        try:
            self._become_child()
            self._served_desk.close()
            memory, own, supervisor, passing, tree = *fds, *[-1] * (PASSED_FDS - len(fds))
            given = MemberFds(MemoryFd(memory), own, supervisor, passing, tree)
            run_member(self._sandbox, settings, given, self._desk)
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
