"""The nursery as its supervisor sees it: a process, forked first, that forks pool members on request.

What it does is `nursery_process`, which it alone imports. Imports no asyncio; of containers, and of Python, what both
sides need and neither should import once more beside the other.
"""

from __future__ import annotations

import os
import pathlib  # noqa: F401 - for both sides
import signal  # noqa: F401 - for both sides
import socket
from types import TracebackType
from typing import Any, Self

import msgspec

from maelstrom_container import native  # noqa: F401 - for both sides
from maelstrom_core.errors import HostError
from maelstrom_worker.messages import MESSAGE, Born, MemberFds, MemberSettings, Stillborn

LAST_STREAM = 2
"""Standard error."""


class Nursery:
    """The supervisor's handle of its nursery. Use `start`."""

    def __init__(self, keeper: int, connection: socket.socket) -> None:
        self._keeper = keeper
        self._socket = connection

    @classmethod
    def start(cls) -> Nursery:
        """Fork the nursery. Call early: while the process has one thread and few imports.

        It imports what it needs, and sets itself up, while the caller goes on; `wait_until_ready` says whether that
        went well.
        """
        ours, theirs = (_above_streams(each) for each in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        parent = os.getpid()
        keeper = os.fork()
        if keeper == 0:
            try:
                ours.close()
                from maelstrom_worker.nursery_process import keep

                keep(parent, theirs)
            finally:
                os._exit(1)
        theirs.close()
        return cls(keeper, ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait_until_ready(self) -> None:
        """Wait for the end of the set-up. Raises HostError where this host does not allow what is needed."""
        try:
            hello = self._socket.recv(MESSAGE)
        except ConnectionResetError:  # it ended with a request of ours unread; what it had said comes after that
            hello = self._socket.recv(MESSAGE)
        if hello != b"ready":
            self.close()
            raise refusal(msgspec.json.decode(hello) if hello else {"call": "start", "errno": 0})
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait on for answers."""
        return self._socket.fileno()

    def request(self, member: int, settings: MemberSettings, fds: MemberFds) -> None:
        """Ask for a member; the answer comes through `answers`."""
        message = msgspec.json.encode({"member": member, **msgspec.structs.asdict(settings)})
        passed = [fds.memory, fds.own_bell, fds.supervisor_bell, fds.passing]
        passed += [fd for fd in (fds.rest, fds.tree) if fd >= 0]
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
            said = msgspec.json.decode(message)
            if fds:
                answers.append(Born(said["member"], fds[0]))
            else:
                answers.append(Stillborn(said["member"], said["reason"]))

    def close(self) -> None:
        """End the nursery and all below it; returns when they are gone. Once is enough."""
        self._socket.close()
        keeper, self._keeper = self._keeper, 0
        if keeper:
            os.waitpid(keeper, 0)


def _above_streams(connection: socket.socket) -> socket.socket:
    """Return the socket, with a descriptor above 2: whoever looks at those below shall see where they are closed."""
    if connection.fileno() > LAST_STREAM:
        return connection
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    with connection:
        return socket.socket(fileno=fcntl(connection, F_DUPFD_CLOEXEC, LAST_STREAM + 1))


def refusal(said: dict[str, Any]) -> HostError:
    """Turn a failed set-up into an error with the doctor's line about it."""
    from maelstrom_container.doctor import explain

    call, code = str(said["call"]), int(said["errno"])
    reason = os.strerror(code) if code else "the process ended"
    return HostError(
        f"failed to set up a container on this host: {call}: {reason}",
        hint=explain(code, call) or "`maelstrom-run --doctor` says what this host allows",
    )
