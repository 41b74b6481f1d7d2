"""Listens on TCP for whoever `admission` lets in, with or without TLS. For brokers, and for what serves HTTP.

    listening = listen(Gate(admission, make_protocol, tls), "127.0.0.1", 0)
    ...
    listening.close()

The protocol that is made for a connection gets a `Visit`, to be told what becomes of it. A server of asyncio would tell
of a connection only after the handshake of TLS: here it is counted, and can be closed, from the first moment. (Nor
could a protocol begin TLS by itself: uvloop 0.22 reads the first bytes before that, whether reading is paused or not.)
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable

from maelstrom_core import log
from maelstrom_core.admission import Admission
from maelstrom_core.errors import ConfigError

HANDSHAKE = 10.0
"""Seconds that the handshake of TLS may take."""
BACKLOG = 1024
AT_ONCE = 100
"""Connections that are accepted before others have their turn."""
BREATH = 0.5
"""Seconds until the next one is accepted, after one could not be for want of descriptors or memory."""
_WANT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Visit:
    """One connection, from when it is accepted to when it is lost."""

    def __init__(self, admission: Admission[Visit], connection: socket.socket, address: str) -> None:
        self.address = address
        """Of the other side."""
        self.task: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None
        self._admission = admission
        self._socket = connection

    def greeted(self) -> None:
        """Tell that the other side has shown that it may come in."""
        self._admission.greeted(self)

    def failed(self, reason: str) -> None:
        """Tell that it has not."""
        self._admission.failed(self, asyncio.get_running_loop().time(), reason)

    def gone(self) -> None:
        """Tell that the connection is lost: to be told by the protocol, in any case."""
        self._admission.gone(self)

    def abort(self) -> None:
        """Close it at once."""
        if self.transport is not None:
            self.transport.abort()
            return
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self.task is not None:
            self.task.cancel()


class Gate:
    """What all connections pass. `tls` is the context of a server."""

    def __init__(
        self,
        admission: Admission[Visit],
        make: Callable[[Visit], asyncio.Protocol],
        tls: ssl.SSLContext | None = None,
        refusal: Callable[[str], bytes] | None = None,
    ) -> None:
        """`refusal` makes the last words to those who are not let in, for connections without TLS."""
        self.admission = admission
        self.make = make
        self.tls = tls
        self.refusal = refusal


def listen(gate: Gate, host: str, port: int, option: str = "port") -> Listening:
    """Listen, in the running loop; `option` is what chose the port. Raises ConfigError."""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(infos, key=lambda info: info[0] != socket.AF_INET)
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"failed to listen on port {port} of {host}: {error.strerror or error}",
            hint=f"choose another one with --{option}, or 0 for any that is free",
        ) from None
    listener.setblocking(False)
    return Listening(gate, listener)


class Listening:
    """Accepts connections until it is closed; those that are there stay."""

    def __init__(self, gate: Gate, listener: socket.socket) -> None:
        self._gate = gate
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.host, self.port = listener.getsockname()[:2]
        self._timer: asyncio.TimerHandle | None = None
        self._open()

    def close(self) -> None:
        """Accept no more; those whose handshake has not ended are closed."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for task in self._tasks:
            task.cancel()

    def _open(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in _WANT:
                    raise
                log.info("no connection can be accepted for a while", reason=error.strerror)
                self._loop.remove_reader(self._listener)
                self._timer = self._loop.call_later(BREATH, self._open)
                return
            self._arrived(connection, str(address[0]))

    def _arrived(self, connection: socket.socket, address: str) -> None:
        gate = self._gate
        connection.setblocking(False)
        visit = Visit(gate.admission, connection, address)
        reason = gate.admission.come(visit, address, self._loop.time())
        if reason is not None:
            with contextlib.suppress(OSError):
                if gate.refusal is not None and gate.tls is None:
                    connection.send(gate.refusal(reason))
            connection.close()
            return
        for other in gate.admission.surplus():
            other.abort()
        visit.task = self._loop.create_task(self._let_in(visit, connection))
        self._tasks.add(visit.task)
        visit.task.add_done_callback(self._tasks.discard)

    async def _let_in(self, visit: Visit, connection: socket.socket) -> None:
        gate = self._gate
        timeout = None if gate.tls is None else HANDSHAKE
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: gate.make(visit), connection, ssl=gate.tls, ssl_handshake_timeout=timeout
            )
        except (OSError, TimeoutError) as error:  # those of ssl are among them
            visit.failed("the handshake of TLS failed" if isinstance(error, ssl.SSLError) else "no handshake of TLS")
            visit.gone()
            connection.close()
        except BaseException:
            visit.gone()
            with contextlib.suppress(OSError):
                connection.close()
            raise
        else:
            visit.transport = transport
