"""Peers that stall: the broker's side parts with them, and keeps nothing of what they began."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from blake3 import blake3

from maelstrom_broker import artifact_link, artifact_transfer
from maelstrom_broker.artifacts import ArtifactService
from maelstrom_broker.store import Store
from maelstrom_core.artifact_wire import Get, Go, Put, frame

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Door(asyncio.Protocol):
    """Gives every connection to the service, as if it had greeted."""

    def __init__(self, service: ArtifactService) -> None:
        self._service = service

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._service.serve(transport, b"", b"", lambda: None)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_transfer, "SLOW", 0.2)
    monkeypatch.setattr(artifact_link, "SLOW", 0.2)


def with_service(store: Store, test: Callable[[ArtifactService, Peer], Awaitable[None]]) -> None:
    """Run a test with a service in its loop, and a connection to it."""

    async def run() -> None:
        service = ArtifactService(store, lambda _event: None, lambda _digest: False)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Door(service), "127.0.0.1", 0)
        peer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            await asyncio.wait_for(test(service, peer), 60)
        finally:
            peer[1].close()
            server.close()
            service.close()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come."""
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")


def test_who_sends_nothing_more_is_parted_with(tmp_path: Path) -> None:
    async def stall(service: ArtifactService, peer: Peer) -> None:
        reader, writer = peer
        writer.write(frame(Put("ab" * 32, 5_000_000, 5_000_000)))
        assert await reader.readexactly(len(frame(Go()))) == frame(Go())
        writer.write(b"x" * 10)
        assert await reader.read() == b""
        assert service.store.used == 0

    with_service(Store(tmp_path, 10_000_000), stall)
    assert os.listdir(tmp_path / "tmp") == []


def test_who_sends_a_byte_now_and_then_is_parted_with(tmp_path: Path) -> None:
    async def dribble(_service: ArtifactService, peer: Peer) -> None:
        reader, writer = peer
        writer.write(frame(Put("ab" * 32, 5_000_000, 5_000_000)))
        await reader.readexactly(len(frame(Go())))
        ended = asyncio.ensure_future(reader.read())
        while not ended.done():
            writer.write(b"x")
            await asyncio.wait([ended], timeout=0.05)
        assert isinstance(ended.exception(), ConnectionError) or ended.result() == b""

    with_service(Store(tmp_path, 10_000_000), dribble)
    assert os.listdir(tmp_path / "tmp") == []


def test_who_reads_nothing_is_parted_with(tmp_path: Path) -> None:
    store = Store(tmp_path, 100_000_000)
    data = os.urandom(50_000_000)
    incoming, _ = store.expect(blake3(data).hexdigest(), len(data), lambda _digest: False)
    incoming.write(data)
    incoming.check()
    store.arrived(incoming)

    async def ignore(service: ArtifactService, peer: Peer) -> None:
        reader, writer = peer
        assert isinstance(reader, asyncio.StreamReader)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is one that reads
        writer.write(frame(Get(blake3(data).hexdigest())))
        await until(lambda: bool(service.open))
        await until(lambda: not service.open)

    with_service(store, ignore)
