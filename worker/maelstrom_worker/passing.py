"""Descriptors for jobs, on their way from a supervisor to a pool member: a socket beside the rings.

Shared memory carries bytes only. A descriptor is sent before the request that it belongs to, with the number of that
request; so it is there when the member looks for it. A socketpair has no name that a job could find.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

NUMBER = 8
ENDS = 2


def open_passing() -> tuple[socket.socket, socket.socket]:
    """Return the supervisor's end and the member's. Raises OSError."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)


def offer(descriptors: Sequence[int]) -> tuple[socket.socket, socket.socket]:
    """Return our end, and the job's, of a socket in which descriptors lie for a job; they stay open here.

    It takes its standard streams, three, or one terminal; on our end `answer` tells of that. Raises OSError.
    """
    ours, theirs = open_passing()
    try:
        socket.send_fds(ours, [b"\0"], list(descriptors))
    except OSError:
        ours.close()
        theirs.close()
        raise
    return ours, theirs


def answer(ours: socket.socket) -> tuple[int, ...] | None:
    """Return both ends of the terminal that a job has made of the one it was offered; none where it took that one.

    None where it has not said anything yet, and never will once it is over.
    """
    try:
        message, fds, _, _ = socket.recv_fds(ours, 1, ENDS)
    except (BlockingIOError, ConnectionError):
        return None
    for fd in fds:
        os.set_inheritable(fd, False)
    return tuple(fds) if message else None


def pass_descriptor(connection: socket.socket, sequence: int, descriptor: int) -> None:
    """Send a descriptor for the request with this number; it stays open here. Raises OSError."""
    socket.send_fds(connection, [sequence.to_bytes(NUMBER, "big")], [descriptor])


def take_passed(connection: int, sequence: int) -> int:
    """Return the descriptor that was sent for a request; those of requests that never came are closed.

    Raises OSError where there is none.
    """
    with socket.socket(fileno=os.dup(connection)) as own:
        while True:
            message, fds, _, _ = socket.recv_fds(own, NUMBER, 1)
            for fd in fds:
                os.set_inheritable(fd, False)  # recv_fds of Python 3.11 ignores MSG_CMSG_CLOEXEC
            if not message:
                raise ConnectionResetError("the supervisor is gone")
            if int.from_bytes(message, "big") == sequence and fds:
                return fds[0]
            for fd in fds:
                os.close(fd)
