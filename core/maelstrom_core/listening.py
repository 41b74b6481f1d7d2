"""Listens on TCP for whoever `admission` lets in, with or without TLS. For brokers, and for what serves HTTP.

    server = await listen(Gate(admission, make_protocol, tls), "127.0.0.1", 0)

The protocol that is made for a connection gets a `Visit`, to be told what becomes of it. asyncio would count a
connection only after the handshake of TLS: here it is counted, and can be closed, from the first moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import cast

from maelstrom_core.admission import Admission
from maelstrom_core.errors import ConfigError

HANDSHAKE = 10.0
"""Seconds that the handshake of TLS may take."""
BACKLOG = 1024


class Visit:
    """One connection, from when it is accepted to when it is lost."""

    def __init__(self, gate: Gate, transport: asyncio.Transport) -> None:
        self._gate = gate
        self._socket = transport
        peer = transport.get_extra_info("peername")
        self.address: str = peer[0] if isinstance(peer, tuple) else ""
        """Of the other side; for people."""

    def greeted(self) -> None:
        """Tell that the other side has shown that it may come in."""
        self._gate.admission.greeted(self)

    def failed(self, reason: str) -> None:
        """Tell that it has not."""
        self._gate.admission.failed(self, asyncio.get_running_loop().time(), reason)

    def gone(self) -> None:
        """Tell that the connection is lost: to be told by the protocol, in any case."""
        self._gate.admission.gone(self)

    def abort(self) -> None:
        """Close it at once."""
        self._socket.abort()


Make = Callable[[Visit], asyncio.Protocol]


class Gate:
    """What all connections pass. `tls` is the context of a server."""

    def __init__(
        self,
        admission: Admission[Visit],
        make: Make,
        tls: ssl.SSLContext | None = None,
        refusal: Callable[[str], bytes] | None = None,
    ) -> None:
        """`refusal` makes the last words to those who are not let in, for connections without TLS."""
        self.admission = admission
        self.make = make
        self.tls = tls
        self.refusal = refusal
        self.tasks: set[asyncio.Task[None]] = set()


async def listen(gate: Gate, host: str, port: int, what: str = "port") -> asyncio.Server:
    """Listen; `what` names the option that chose the port. Raises ConfigError."""
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(lambda: _Arrival(gate), host, port, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"failed to listen on port {port} of {host}: {error.strerror or error}",
            hint=f"choose another one with --{what}, or 0 for any that is free",
        ) from None


class _Arrival(asyncio.Protocol):
    """Of a connection until its own protocol takes over."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or not."""
        gate, plain = self._gate, cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        visit = Visit(gate, plain)
        reason = gate.admission.come(visit, visit.address, loop.time())
        if reason is not None:
            if gate.refusal is not None and gate.tls is None:
                plain.write(gate.refusal(reason))
                plain.close()
            else:
                plain.abort()
            return
        for other in gate.admission.surplus():
            other.abort()
        if gate.tls is None:
            protocol = gate.make(visit)
            plain.set_protocol(protocol)
            protocol.connection_made(plain)
        else:
            task = loop.create_task(_shake_hands(gate, gate.tls, visit, plain))
            gate.tasks.add(task)
            task.add_done_callback(gate.tasks.discard)


class _Early(asyncio.Protocol):
    """Keeps what comes between the end of the handshake and when its own protocol takes over: less than a pass."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = self.lost = False

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.data += data

    def eof_received(self) -> None:
        """Keep that, too."""
        self.ended = True

    def connection_lost(self, _exc: Exception | None) -> None:
        """Keep that, too."""
        self.lost = True


async def _shake_hands(gate: Gate, tls: ssl.SSLContext, visit: Visit, plain: asyncio.Transport) -> None:
    early = _Early()
    try:
        encrypted = await asyncio.get_running_loop().start_tls(
            plain, early, tls, server_side=True, ssl_handshake_timeout=HANDSHAKE
        )
    except (OSError, TimeoutError) as error:  # those of ssl are among them
        visit.failed("the handshake of TLS failed" if isinstance(error, ssl.SSLError) else "no handshake of TLS")
        visit.gone()
        plain.abort()
        return
    except BaseException:
        visit.gone()
        plain.abort()
        raise
    if encrypted is None or early.lost:
        visit.gone()
        plain.abort()
        return
    protocol = gate.make(visit)
    encrypted.set_protocol(protocol)
    protocol.connection_made(encrypted)
    if early.data:
        protocol.data_received(bytes(early.data))
    if early.ended:
        with contextlib.suppress(OSError):
            protocol.eof_received()
