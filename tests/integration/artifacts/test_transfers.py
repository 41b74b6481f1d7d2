"""Artifacts to and from a broker over real sockets: what comes is what went, and nothing half or wrong is ever seen."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from blake3 import blake3

from maelstrom_core import artifact_client
from maelstrom_core.artifact_client import ArtifactClient, ArtifactError
from maelstrom_core.artifact_wire import NEED_DATA, ArtifactConnection, Content, Event, Get, Go, Put, Refused, frame
from maelstrom_core.messages import PROTOCOL, Hello
from maelstrom_core.tls import client_context
from maelstrom_core.wire import Connection, Greeted
from tests.support.brokers import RunningBroker, running_broker
from tests.support.certificates import Authority

TEXT = b"the same line, again and again\n" * 40_000


def name_of(data: bytes) -> str:
    return blake3(data).hexdigest()


def until(condition: object) -> None:
    """Wait for what must come."""
    assert callable(condition)
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


class Raw:
    """A peer that says what it likes."""

    opened: ClassVar[list[Raw]] = []

    def __init__(self, broker: RunningBroker) -> None:
        self.socket = broker.dial()
        self.opened.append(self)
        greeting = Connection("artifacts")
        greeting.greet(Hello(PROTOCOL, "artifacts", broker.token))
        self.socket.sendall(b"".join(greeting.data_to_send()))
        while not (events := greeting.events()):
            greeting.receive_data(self.socket.recv(65536))
        assert isinstance(events[0], Greeted)
        self.connection = ArtifactConnection("peer", greeting.rest())

    def say(self, message: Get | Put, content: bytes = b"") -> None:
        self.socket.sendall(frame(message) + content)

    def next(self) -> Event:
        while (event := self.connection.next_event()) is NEED_DATA:
            data = self.socket.recv(65536)
            if data:
                self.connection.receive_data(data)
            else:
                self.connection.receive_eof()
        return event


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while Raw.opened:
        Raw.opened.pop().socket.close()


def leaves_nothing(broker: RunningBroker, digest: str) -> bool:
    return digest not in broker.stored() and not os.listdir(broker.store / "tmp")


@pytest.mark.parametrize("size", [0, 1, 70_000, 1 << 20, 5_000_001])
def test_what_comes_is_what_went(broker: RunningBroker, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    with broker.artifacts() as client:
        client.upload(name_of(data), tmp_path / "file")
        client.upload(name_of(data), data)
        assert client.fetch(name_of(data), size) == data
        with (tmp_path / "copy").open("w+b") as copy:
            copy.write(b"what an attempt before has left")
            copy.flush()
            client.fetch_into(name_of(data), size, copy.fileno())
    assert (tmp_path / "copy").read_bytes() == data


def test_what_is_compressed_on_the_way_is_stored_as_it_is(
    broker: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ArtifactClient, "_compresses", lambda _self, _sample: True)
    with broker.artifacts() as client:
        client.upload(name_of(TEXT), TEXT)
        client.upload(name_of(b""), b"")
    assert (broker.store / "artifacts" / name_of(TEXT)).read_bytes() == TEXT


def test_over_tls_it_is_the_same(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("broker")
    data = os.urandom(5_000_001)
    (tmp_path / "file").write_bytes(data)
    with running_broker(tmp_path, "--tls-cert", str(certificate), "--tls-key", str(key)) as broker:
        tls = client_context(authority.certificate)

        def dial() -> socket.socket:
            return tls.wrap_socket(broker.dial(), server_hostname="127.0.0.1")

        with ArtifactClient(dial, broker.token) as client:
            client.upload(name_of(data), tmp_path / "file")
            client.upload(name_of(TEXT), TEXT)
            assert client.fetch(name_of(data), len(data)) == data
            with pytest.raises(ArtifactError, match="another digest"):
                client.upload("0" * 64, data)
            with (tmp_path / "copy").open("w+b") as copy:
                client.fetch_into(name_of(TEXT), len(TEXT), copy.fileno())
        assert (tmp_path / "copy").read_bytes() == TEXT
        assert broker.stored() == {name_of(data), name_of(TEXT)}
        until(lambda: not os.listdir(broker.store / "tmp"))


def test_only_the_brokers_user_can_read_what_is_stored(broker: RunningBroker) -> None:
    with broker.artifacts() as client:
        client.upload(name_of(b"secret"), b"secret")
    for path in (broker.store, broker.store / "artifacts", broker.store / "tmp"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((broker.store / "artifacts" / name_of(b"secret")).stat().st_mode) == 0o600


def test_many_at_once_of_the_same_harm_nobody(broker: RunningBroker) -> None:
    data = os.urandom(3_000_000)
    peers = [Raw(broker) for _ in range(5)]
    for peer in peers:
        peer.say(Put(name_of(data), len(data), len(data)))
    assert [type(peer.next()) for peer in peers] == [Go] * 5
    for peer in peers:
        peer.socket.sendall(data)
    assert {type(peer.next()).__name__ for peer in peers} == {"Stored"}
    with broker.artifacts() as client:
        assert client.fetch(name_of(data), len(data)) == data
    until(lambda: not os.listdir(broker.store / "tmp"))


def test_bytes_that_were_changed_on_the_way_are_refused(broker: RunningBroker) -> None:
    data = bytearray(os.urandom(2_000_000))
    digest = name_of(data)
    data[1_234_567] ^= 1
    peer = Raw(broker)
    peer.say(Put(digest, len(data), len(data)))
    assert peer.next() == Go()
    peer.socket.sendall(data)
    answer = peer.next()
    assert isinstance(answer, Refused)
    assert answer.again
    assert "another digest" in answer.reason
    assert leaves_nothing(broker, digest)
    data[1_234_567] ^= 1
    peer.say(Put(digest, len(data), len(data)))  # the same connection goes on
    assert peer.next() == Go()
    peer.socket.sendall(data)
    assert type(peer.next()).__name__ == "Stored"


@pytest.mark.parametrize("content", [b"no zstd at all", b"\x28\xb5\x2f\xfd"], ids=["garbage", "truncated"])
def test_what_cannot_be_unpacked_is_refused(broker: RunningBroker, content: bytes) -> None:
    peer = Raw(broker)
    peer.say(Put("ab" * 32, 1000, len(content), "zstd"))
    assert peer.next() == Go()
    peer.socket.sendall(content)
    assert isinstance(peer.next(), Refused)
    assert leaves_nothing(broker, "ab" * 32)


def test_a_bomb_is_refused_when_it_exceeds_what_was_announced(broker: RunningBroker) -> None:
    from maelstrom_core.compression import zstd

    bomb = zstd.compress(b"\0" * (64 << 20))
    peer = Raw(broker)
    peer.say(Put("ab" * 32, 1000, len(bomb), "zstd"))
    assert peer.next() == Go()
    peer.socket.sendall(bomb)
    answer = peer.next()
    assert isinstance(answer, Refused)
    assert "larger than the 1000 bytes" in answer.reason
    assert leaves_nothing(broker, "ab" * 32)


def test_a_connection_that_is_cut_leaves_nothing(broker: RunningBroker) -> None:
    peer = Raw(broker)
    peer.say(Put("cd" * 32, 5_000_000, 5_000_000))
    assert peer.next() == Go()
    peer.socket.sendall(b"x" * 3_000_000)
    until(lambda: os.listdir(broker.store / "tmp"))
    peer.socket.close()
    until(lambda: leaves_nothing(broker, "cd" * 32))


def test_nonsense_ends_the_connection_and_only_that(broker: RunningBroker) -> None:
    peer = Raw(broker)
    peer.socket.sendall(b"\xff" * 100)
    event = peer.next()
    assert "too long" in getattr(event, "reason", "")
    with broker.artifacts() as client, pytest.raises(ArtifactError, match="has it not"):
        client.fetch("ef" * 32, 10)


def test_who_has_not_the_token_gets_nothing(broker: RunningBroker) -> None:
    with ArtifactClient(broker.dial, "wrong") as client, pytest.raises(ArtifactError, match="the token is wrong"):
        client.fetch("ef" * 32, 10)


def test_what_went_bad_on_the_brokers_disk_reaches_nobody(broker: RunningBroker) -> None:
    data = os.urandom(100_000)
    with broker.artifacts(attempts=1) as client:
        client.upload(name_of(data), data)
        (broker.store / "artifacts" / name_of(data)).write_bytes(b"x" * 100_000)
        with pytest.raises(ArtifactError, match="another digest"):
            client.fetch(name_of(data), 100_000)


def test_what_is_larger_than_expected_is_not_taken(broker: RunningBroker) -> None:
    with broker.artifacts() as client:
        client.upload(name_of(TEXT), TEXT)
        with pytest.raises(ArtifactError, match="more than 10"):
            client.fetch(name_of(TEXT), 10)
        with Path(os.devnull).open("r+b") as file, pytest.raises(OSError, match="Invalid argument"):
            client.fetch_into(name_of(TEXT), 10, file.fileno())
        assert client.fetch(name_of(TEXT), len(TEXT)) == TEXT


def test_a_file_that_becomes_shorter_is_told(broker: RunningBroker, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 2_000_000)

    class Shortening(ArtifactClient):
        def _offer(self, put: Put) -> bool:
            os.truncate(path, 1_000_000)
            return super()._offer(put)

    with Shortening(broker.dial, broker.token) as client, pytest.raises(ArtifactError, match="became shorter"):
        client.upload(name_of(b"x" * 2_000_000), path)
    until(lambda: leaves_nothing(broker, name_of(b"x" * 2_000_000)))


def test_a_store_that_is_full_says_so_and_what_nobody_needs_makes_room(tmp_path: Path) -> None:
    with running_broker(tmp_path, "--store-size", "100000") as broker, broker.artifacts() as client:
        pieces = [bytes([number]) * 40_000 for number in range(3)]
        for piece in pieces:
            client.upload(name_of(piece), piece)
        assert broker.stored() == set(map(name_of, pieces[1:]))
        with pytest.raises(ArtifactError, match="it has 100001 bytes, and the broker's store takes 100000"):
            client.upload(name_of(b"x" * 100_001), b"x" * 100_001)
        until(lambda: not os.listdir(broker.store / "tmp"))


def test_what_was_stored_survives_a_kill_and_what_was_coming_does_not(tmp_path: Path) -> None:
    with running_broker(tmp_path) as broker:
        with broker.artifacts() as client:
            client.upload(name_of(TEXT), TEXT)
        peer = Raw(broker)
        peer.say(Put("cd" * 32, 5_000_000, 5_000_000))
        assert peer.next() == Go()
        peer.socket.sendall(b"x" * 3_000_000)
        until(lambda: os.listdir(broker.store / "tmp"))
        broker.process.kill()
    with running_broker(tmp_path) as broker:
        assert broker.stored() == {name_of(TEXT)}
        assert os.listdir(broker.store / "tmp") == []
        with broker.artifacts() as client:
            assert client.fetch(name_of(TEXT), len(TEXT)) == TEXT


def test_a_fetch_that_breaks_is_begun_anew() -> None:
    data = os.urandom(100_000)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for sent in (data[:50_000], b"y" * 100_000, data):
            peer, _ = listening.accept()
            with peer:
                greeting = Connection("broker")
                while not greeting.events():
                    greeting.receive_data(peer.recv(65536))
                greeting.greet(Hello(PROTOCOL, "broker"))
                peer.sendall(b"".join(greeting.data_to_send()))
                peer.recv(65536)
                peer.sendall(frame(Content(name_of(data), 100_000)) + sent)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listening, ArtifactClient(lambda: socket.create_connection(listening.getsockname()), "token") as client:
        assert client.fetch(name_of(data), 100_000) == data
    thread.join()


def test_a_broker_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_client, "_PAUSE", 0.01)
    listening = socket.create_server(("127.0.0.1", 0))
    client = ArtifactClient(lambda: socket.create_connection(listening.getsockname()), "t", timeout=0.05, attempts=2)
    with listening, client, pytest.raises(ArtifactError, match="silent"):
        client.fetch("ab" * 32, 10)


def test_what_waits_for_a_broker_ends_when_it_is_given_up() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    client = ArtifactClient(lambda: socket.create_connection(listening.getsockname()), "t")
    told: list[str] = []

    def fetch() -> None:
        with pytest.raises(ArtifactError) as raised:
            client.fetch("ab" * 32, 10)
        told.append(raised.value.message)

    thread = threading.Thread(target=fetch)
    thread.start()
    with listening:
        peer, _ = listening.accept()
        with peer:
            peer.recv(65536)  # it waits for a greeting now
            client.give_up()
            thread.join(60)
    assert len(told) == 1, "it waits still"
    with pytest.raises(ArtifactError, match="given up"):
        client.fetch("ab" * 32, 10)
