"""The broker on a socket: asyncio around the pure machine. Decides nothing but who may come in.

Back-pressure: who does not read is not listened to either; what waits for one reader is bounded by the connection.
Connections for artifacts are given to `artifacts` when they have greeted. Who may connect at all `admission` decides.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from maelstrom_broker import effects as e
from maelstrom_broker.artifacts import OUTPUT_KEPT, ArtifactService
from maelstrom_broker.broker import Broker
from maelstrom_broker.garbage import Garbage
from maelstrom_broker.records import Peer
from maelstrom_broker.store import Store
from maelstrom_core import log
from maelstrom_core.admission import Admission, Limits
from maelstrom_core.credentials import Credentials
from maelstrom_core.listening import Gate, Listening, Visit, listen
from maelstrom_core.messages import PROTOCOL, Hello, WantArtifact
from maelstrom_core.wire import Closed, Connection, Event, Greeted, Received

GREETING = 10.0
"""Seconds in which the first frame must have come."""
FAREWELL = 5.0
"""Seconds in which those who are parted with can read why."""
_JOINED = 1 << 18
"""Bytes that are sent as one piece: to copy them is cheaper than to tell of each."""


class Server:
    """All connections of a broker."""

    def __init__(
        self,
        broker: Broker,
        credentials: Credentials,
        limits: Limits | None = None,
        store: Store | None = None,
        outputs: Store | None = None,
    ) -> None:
        """Without a store jobs that need artifacts fail, and say so; `outputs` is the store of what jobs print."""
        self.broker = broker
        self.links: set[Link] = set()
        self.admission: Admission[Visit] = Admission(limits)
        """Who is connected, and how many were not let in."""
        self.stopped = asyncio.Event()
        """Set when an admin wants the broker to end."""
        self._credentials = credentials
        self._peers: dict[Peer, Link] = {}
        self._numbers = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._touched: dict[Link, None] = {}
        """Whom something is to be sent."""
        self._settling = self._closed = False
        self._garbage = Garbage()
        self.artifacts: ArtifactService | None = None
        if store is not None:
            references = broker.gatherer.references
            self.artifacts = ArtifactService(store, self.handle, lambda digest: digest in references, outputs)

    def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> Listening:
        """Listen, and begin to be on the watch for who is silent; raises ConfigError."""
        listening = listen(Gate(self.admission, lambda visit: Link(self, visit), tls, refusal), host, port)
        self._tick()
        return listening

    def close(self, reason: str) -> None:
        """Part with everybody."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for link in list(self.links):
            link.part(reason)
        if self.artifacts is not None:
            self.artifacts.close()

    def authorised(self, hello: Hello) -> bool:
        """Tell whether somebody has the token of the role."""
        return self._credentials.permits(hello.role, hello.token)

    def enter(self, link: Link, hello: Hello) -> Peer:
        """Let somebody in; return the number that nobody had before."""
        self._numbers += 1
        peer = Peer(self._numbers)
        self._peers[peer] = link
        self._touched[link] = None
        log.info("connected", peer=peer, role=hello.role, name=hello.name)
        self.handle(e.Connected(peer, hello))
        return peer

    def leave(self, peer: Peer, reason: str) -> None:
        """Take note that somebody is gone."""
        if self._peers.pop(peer, None) is not None:
            log.info("disconnected", peer=peer, reason=reason)
            self.handle(e.Disconnected(peer, reason))

    def handle(self, event: e.Event) -> None:
        """Tell the broker. What it wants is done in a moment, when all that has come at the same time was told."""
        self.broker.take(event, self._loop.time())
        if not self._settling:
            self._settling = True
            self._loop.call_soon(self._settle)

    def _settle(self) -> None:
        """Do what the broker wants."""
        self._settling = False
        if self._closed:
            return
        for effect in self.broker.settle():
            if type(effect) is e.Send:
                link = self._peers.get(effect.peer)
                if link is not None:
                    link.connection.send(effect.message, effect.body)
                    self._touched[link] = None
                if type(effect.message) is WantArtifact and self.artifacts is None:
                    no_store = "this broker has no store of artifacts"
                    self.handle(e.NotStored(effect.message.digest, effect.peer, no_store))
            else:
                self._do(effect)
        touched, self._touched = self._touched, {}
        for link in touched:
            link.flush()

    def _do(self, effect: e.Effect) -> None:
        """Do what is rarely to be done."""
        match effect:
            case e.Stop(reason):
                log.info("stopped", reason=reason)
                self.stopped.set()
            case e.ReadManifest() if self.artifacts is not None:
                self.artifacts.read_manifest(effect)
            case e.Close(peer, reason):
                link = self._peers.pop(peer, None)
                if link is not None:
                    log.info("parted", peer=peer, reason=reason)
                    link.part(reason)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self.broker.settings.silence / 6, self._tick)
        self._garbage.tidy(
            sum(len(client.jobs) for client in self.broker.scheduler.clients.values()), self._loop.time()
        )
        self.handle(e.Tick())
        if self.artifacts is not None and self.artifacts.outputs is not None:
            self.artifacts.outputs.expire(OUTPUT_KEPT)


def refusal(reason: str) -> bytes:
    """Return the last words to somebody who is not even listened to."""
    connection = Connection("broker")
    connection.close(reason)
    return b"".join(connection.data_to_send())


class Link(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: Server, visit: Visit) -> None:
        self.connection = Connection("broker")
        self._server = server
        self._visit = visit
        self._peer: Peer | None = None
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first frame."""
        self._transport = cast("asyncio.Transport", transport)
        self._server.links.add(self)
        self._timer = asyncio.get_running_loop().call_later(GREETING, self._refuse, "said nothing", "said nothing")

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self.connection.receive_data(data)
        self._events(self.connection.events())

    def eof_received(self) -> None:
        """Take note that nothing more will come."""
        self.connection.receive_eof()
        self._events(self.connection.events())

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._server.links.discard(self)
        self._visit.gone()
        self.connection.close("")
        if self._timer is not None:
            self._timer.cancel()
        if self._peer is not None:
            self._server.leave(self._peer, str(exc) if exc else "the connection was closed")

    def pause_writing(self) -> None:
        """Who does not read is not listened to."""
        self._paused = True
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()
            self.flush()

    def part(self, reason: str) -> None:
        """Say goodbye, and close when that is sent, or after a while."""
        self.connection.close(reason)
        self._close()

    def flush(self) -> None:
        """Send what is to be sent, unless too much is on its way; what waits is bounded, which is looked at here."""
        if not self._paused and not self._transport.is_closing():
            few = self.connection.queued <= _JOINED
            pieces = self.connection.data_to_send()
            if few:
                self._transport.write(b"".join(pieces))
            else:
                self._transport.writelines(pieces)
        if events := self.connection.events():  # what waits has become too much
            self._events(events)

    def _events(self, events: list[Event]) -> None:
        for event in events:
            if type(event) is Received:
                if self._peer is not None:
                    self._server.handle(e.Said(self._peer, event.message, event.body))
                continue
            match event:
                case Greeted(hello):
                    if not self._server.authorised(hello):
                        self._refuse("the token is wrong", "wrong token")
                        break
                    self._visit.greeted()
                    if self._timer is not None:
                        self._timer.cancel()
                    self.connection.greet(Hello(PROTOCOL, "broker"))
                    if hello.role == "artifacts":
                        self._switch()
                        return
                    self._peer = self._server.enter(self, hello)
                case Closed(reason, fault):
                    if self._peer is None and fault:
                        self._refuse(reason, "broken greeting")
                    elif self._peer is not None:
                        self._server.leave(self._peer, reason)
                    self._close()

    def _switch(self) -> None:
        """Give the connection to who serves artifacts."""
        service = self._server.artifacts
        if service is None:
            self.part("this broker has no store of artifacts")
            return

        def left() -> None:
            self._server.links.discard(self)
            self._visit.gone()

        greeting = b"".join(self.connection.data_to_send())
        service.serve(self._transport, greeting, self.connection.rest(), left)

    def _refuse(self, reason: str, kind: str) -> None:
        self._visit.failed(kind)
        refused = self._server.admission.refused[kind]
        log.info("refused", address=self._visit.address, reason=reason, refused=refused)
        self.part(reason)

    def _close(self) -> None:
        """Send what is left; close when it is sent. Who does not read it is cut off after a while."""
        if self._transport.is_closing():
            return
        self._transport.writelines(self.connection.data_to_send())
        self._transport.close()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(FAREWELL, self._transport.abort)
