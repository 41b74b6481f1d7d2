"""Reaching a broker: looking its name up, connecting, TLS; in a thread where a loop must not wait for that.

Imports `errors` of the project only; ssl and socket functions that block are called in `dial` alone.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from maelstrom_core.errors import InfrastructureError

if TYPE_CHECKING:
    import ssl

PATIENCE = 10.0
"""Seconds that looking up, connecting and TLS may take each."""
KEEP_ALIVE = 60
"""Seconds of silence after which the kernel looks whether the other machine is there: see `link` for our own beat."""


class Loop(Protocol):
    """What is needed of an event loop: asyncio's have it, and `maelstrom_worker.blocking`."""

    def add_reader(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Have `callback` called whenever something can be read."""

    def remove_reader(self, fd: int) -> bool:
        """Do so no more."""

    def add_writer(self, fd: int, callback: Callable[..., object], *args: Any) -> object:
        """Have `callback` called whenever something can be written."""

    def remove_writer(self, fd: int) -> object:
        """Do so no more."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> object:
        """Have `callback` called once, after that time."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where a broker is, and what makes it let us in. `tls` is a context of `ssl`, or None."""

    host: str
    port: int
    token: str = ""
    tls: Any = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __repr__(self) -> str:
        """Return no secrets: this may come to stand in a log."""
        return f"Endpoint({self})"


class UnreachableError(InfrastructureError):
    """There is no connection to a broker, for now."""


def dial(endpoint: Endpoint, patience: float = PATIENCE) -> socket.socket:
    """Return a connection to a broker, which blocks. Raises UnreachableError."""
    what = f"failed to connect to the broker at {endpoint}"
    try:
        connection = socket.create_connection((endpoint.host, endpoint.port), timeout=patience)
    except OSError as error:
        raise UnreachableError(
            f"{what}: {error.strerror or error}", hint="look whether it runs, and whether the address is right"
        ) from None
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE)
        return connection if endpoint.tls is None else _encrypted(connection, endpoint, what)
    except BaseException:
        connection.close()
        raise


def dial_plainly(endpoint: Endpoint) -> socket.socket:
    """Do the same for those who know errors of the system only: raises OSError."""
    try:
        return dial(endpoint)
    except UnreachableError as error:
        raise ConnectionError(error.message) from None


def _encrypted(connection: socket.socket, endpoint: Endpoint, what: str) -> ssl.SSLSocket:
    import ssl

    context: ssl.SSLContext = endpoint.tls
    from maelstrom_core.tls import explain

    try:
        return context.wrap_socket(connection, server_hostname=endpoint.host)
    except ssl.SSLCertVerificationError as error:
        hint = "--tls-ca names the file with the authority of its certificate"
        raise UnreachableError(f"{what}: {explain(error)}", hint=hint) from None
    except ssl.SSLError as error:
        raise UnreachableError(f"{what}: {explain(error)}") from None
    except OSError as error:
        raise UnreachableError(f"{what}: {error.strerror or error}") from None


class Dialler:
    """Dials in a thread, and tells in the loop: one call at a time."""

    def __init__(
        self, loop: Loop, endpoint: Endpoint, then: Callable[[socket.socket | UnreachableError], object]
    ) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._then = then
        self._bell = -1

    def begin(self) -> None:
        """Dial; `then` is called with what comes of it."""
        import threading

        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        call = _Call(self._endpoint, os.dup(self._bell))
        self._loop.add_reader(self._bell, self._heard, call)
        threading.Thread(target=call.run, daemon=True).start()

    def give_up(self) -> None:
        """Be told nothing any more; a connection that comes about is closed by its thread."""
        if self._bell >= 0:
            self._loop.remove_reader(self._bell)
            os.close(self._bell)
            self._bell = -1

    def _heard(self, call: _Call) -> None:
        self.give_up()
        result = call.take()
        if result is not None:
            self._then(result)


class _Call:
    """One attempt, shared by its thread and the loop; whoever has it last closes the connection."""

    def __init__(self, endpoint: Endpoint, bell: int) -> None:
        self._endpoint = endpoint
        self._bell = bell
        self._result: socket.socket | UnreachableError | None = None

    def run(self) -> None:
        """Dial, and ring."""
        try:
            self._result = dial(self._endpoint)
        except UnreachableError as error:
            self._result = error
        with contextlib.suppress(OSError):
            os.eventfd_write(self._bell, 1)
        os.close(self._bell)

    def take(self) -> socket.socket | UnreachableError | None:
        """Return what came of it, once."""
        result, self._result = self._result, None
        return result
