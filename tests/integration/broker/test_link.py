"""The link of clients and workers to a broker: real processes and sockets, in a loop that blocks."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from maelstrom_core import link
from maelstrom_core import messages as m
from maelstrom_core.dial import Endpoint, UnreachableError
from maelstrom_core.link import Link, RefusedError
from maelstrom_core.tls import client_context
from maelstrom_core.wire import HEADER, Connection, Greeted, Received
from maelstrom_worker.blocking import BlockingLoop
from tests.support.broker import Running, running
from tests.support.certificates import Authority


class Owner:
    """Notes what its link tells."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def greeted(self, hello: m.Hello) -> None:
        self.told.append(hello.role)

    def received(self, message: m.AnyMessage, body: bytes) -> None:
        self.told.append((type(message).__name__, body))

    def drained(self) -> None:
        pass

    def lost(self, _reason: str) -> None:
        self.told.append("lost")

    def refused(self, error: RefusedError) -> None:
        self.told.append(str(error))


class Linked:
    """A link and who has it, in a loop of their own."""

    def __init__(self, endpoint: Endpoint, hello: m.Hello) -> None:
        self.loop, self.owner = BlockingLoop(), Owner()
        self.link = Link(self.loop, endpoint, hello, self.owner)

    def until(self, what: object) -> None:
        while what not in self.owner.told:
            self.loop.run_once()


def client(broker: Running, **changes: object) -> Linked:
    endpoint = Endpoint("127.0.0.1", broker.port, broker.credentials.client, **changes)  # type: ignore[arg-type]
    return Linked(endpoint, m.Hello(m.PROTOCOL, "client", broker.credentials.client, "link"))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "credentials.toml") as broker:
        yield broker


def test_what_is_sent_arrives_whatever_its_size(broker: Running) -> None:
    linked = client(broker)
    linked.link.connect(60)
    linked.link.send(m.Submit(1), b"x" * 10_000_000)
    with broker.worker() as worker:
        worker.next()
        linked.until("broker")
        run = None
        while run is None:
            linked.loop.run_once(wait=False)
            worker.socket.setblocking(False)
            try:
                worker.connection.receive_data(worker.socket.recv(1 << 20))
            except BlockingIOError:
                continue
            events = [each for each in worker.connection.events() if not isinstance(each, Greeted)]
            run = events[0] if events else None
        worker.socket.setblocking(True)
        worker.say(m.Ended(1), b"y" * 10_000_000)
        linked.until(("Finished", b"y" * 10_000_000))
    assert isinstance(run, Received)
    assert run.body == b"x" * 10_000_000
    linked.link.close()


def test_a_broker_that_comes_back_is_greeted_again(tmp_path: Path) -> None:
    with running(tmp_path / "credentials.toml") as broker:
        linked = client(broker)
        linked.link.start()
        linked.until("broker")
        broker.process.send_signal(signal.SIGKILL)
        linked.until("lost")
        broker.process.wait()
    linked.owner.told.clear()
    with running(tmp_path / "credentials.toml", "--port", str(broker.port)):
        linked.until("broker")
        assert linked.link.up
        linked.link.close()


def test_a_connection_that_is_reset_is_lost_at_once_in_every_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "BEAT", 10_000.0)  # else the next heartbeat would notice

    async def lose() -> list[object]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.settimeout(60)
            owner = Owner()
            linked = Link(
                asyncio.get_running_loop(), Endpoint(*listening.getsockname()), m.Hello(m.PROTOCOL, "client"), owner
            )
            linked.start()
            peer, _ = await asyncio.to_thread(listening.accept)
            greeting = Connection("broker")
            greeting.greet(m.Hello(m.PROTOCOL, "broker"))
            peer.sendall(b"".join(greeting.data_to_send()))
            while not owner.told:  # noqa: ASYNC110 - an owner only notes
                await asyncio.sleep(0.01)
            greeting.send(m.Heartbeat())
            peer.sendall(b"".join(greeting.data_to_send()))  # what comes before is read first
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            while "lost" not in owner.told:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            linked.close()
            return owner.told

    for run in (asyncio.run, uvloop.run):
        assert run(asyncio.wait_for(lose(), 60)) == ["broker", "lost"]


def test_over_tls_the_certificate_must_be_of_the_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("broker")
    with running(tmp_path / "credentials.toml", "--tls-cert", certificate, "--tls-key", key) as broker:
        own = client(broker, tls=client_context(authority.certificate))
        own.link.endpoint = Endpoint("localhost", broker.port, "", own.link.endpoint.tls)
        own.link.connect(60)
        own.until("broker")
        own.link.close()
        with pytest.raises(UnreachableError, match="not to be trusted"):
            client(broker, tls=client_context()).link.connect(0.1)
        with pytest.raises(UnreachableError, match="did not answer"):
            client(broker).link.connect(0.5)


def test_another_version_of_the_protocol_is_told_to_both_sides() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        linked = Linked(Endpoint("127.0.0.1", port), m.Hello(m.PROTOCOL, "client", "", "link"))
        linked.link.start()
        while True:
            linked.loop.run_once()
            server.setblocking(False)
            try:
                connection, _ = server.accept()
            except BlockingIOError:
                continue
            break
        with connection:
            newer = b'{"type":"hello","protocol":%d,"role":"broker"}' % (m.PROTOCOL + 1)
            connection.sendall(len(newer).to_bytes(4, "big") + bytes(HEADER - 4) + newer)
            while not linked.owner.told:
                linked.loop.run_once()
            (told,) = linked.owner.told
            assert "upgrade this one" in str(told)
            connection.setblocking(True)
            answer = b""
            while data := connection.recv(65536):
                answer += data
            assert b"upgrade this one" in answer
