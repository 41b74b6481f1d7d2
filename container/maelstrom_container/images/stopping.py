"""Has downloads end early: whoever waits for a network must not be waited for.

Imports nothing of the project but the errors.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref

from maelstrom_core.errors import InfrastructureError


class Stop:
    """Whether to go on; shared by all who download for one client."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._mutex = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def set(self) -> None:
        """Have everybody stop, those who wait for data included: their connections end."""
        with self._mutex:
            self._event.set()
            for connection in self._sockets:
                with contextlib.suppress(OSError):  # it has ended by itself
                    # not its own method: that of TLS takes things away from the thread that reads
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def check(self) -> None:
        """Raise InfrastructureError if everybody is to stop."""
        if self._event.is_set():
            raise InfrastructureError("the download was stopped")

    def wait(self, seconds: float) -> None:
        """Wait, not beyond the moment when everybody is to stop; raises then."""
        self._event.wait(seconds)
        self.check()

    def watch(self, connection: socket.socket) -> None:
        """Have `set` end a connection; raises if it was called already."""
        with self._mutex:
            self.check()
            self._sockets.add(connection)
