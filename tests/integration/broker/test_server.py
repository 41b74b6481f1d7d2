"""maelstrom-broker as a process, spoken to over real sockets by blocking code around the same `Connection`."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from maelstrom_core import messages as m
from maelstrom_core.wire import Closed, Connection, Event, Greeted, Received

HOUSE = Path(__file__).parents[3]
NUMBERS = itertools.count()


class Peer:
    """A blocking connection to the broker."""

    def __init__(self, port: int, hello: m.Hello) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.connection = Connection(hello.role)
        self.connection.greet(hello)
        self.flush()
        self._events: list[Event] = []

    def flush(self) -> None:
        self.socket.sendall(b"".join(self.connection.data_to_send()))

    def say(self, message: m.Message, body: bytes = b"") -> None:
        self.connection.send(message, body)
        self.flush()

    def next(self) -> Event:
        while not self._events:
            data = self.socket.recv(65536)
            if data:
                self.connection.receive_data(data)
            else:
                self.connection.receive_eof()
            self._events = [
                event
                for event in self.connection.events()
                if not (isinstance(event, Received) and isinstance(event.message, m.Heartbeat))
            ]
        return self._events.pop(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class Running:
    """A broker's process."""

    def __init__(self, process: subprocess.Popen[str], token_file: Path) -> None:
        self.process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline().split(",")[0].rpartition(":")[2])
        self.token = token_file.read_text().strip()

    def client(self, name: str = "c", token: str | None = None) -> Peer:
        return Peer(self.port, m.Hello(m.PROTOCOL, "client", self.token if token is None else token, name))

    def worker(self, slots: int = 2) -> Peer:
        return Peer(self.port, m.Hello(m.PROTOCOL, "worker", self.token, "w", offer=m.Offer(slots)))


def start(token_file: Path, *arguments: str) -> subprocess.Popen[str]:
    paths = os.pathsep.join(str(HOUSE / folder) for folder in ("core", "broker"))
    store = f"{token_file}.store{next(NUMBERS)}"
    return subprocess.Popen(
        [sys.executable, "-m", "maelstrom_broker", "--token-file", token_file, "--store", store, *arguments],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Running]:
    token_file = tmp_path / "state" / "token"
    with start(token_file) as process:
        try:
            yield Running(process, token_file)
        finally:
            process.kill()


def test_jobs_go_to_the_worker_and_results_to_the_client(broker: Running) -> None:
    with broker.client() as client, broker.worker() as worker:
        assert isinstance(client.next(), Greeted)
        assert isinstance(worker.next(), Greeted)
        for sequence in range(100):
            client.say(m.Submit(sequence), f"job {sequence}".encode())
        for _ in range(100):
            event = worker.next()
            assert isinstance(event, Received)
            assert isinstance(event.message, m.Run)
            worker.say(m.Started(event.message.attempt))
            worker.say(m.Ended(event.message.attempt), event.body * 1000)
        told = {}
        for _ in range(100):
            event = client.next()
            assert isinstance(event, Received)
            assert isinstance(event.message, m.Finished)
            told[event.message.sequence] = event.body
    assert told == {sequence: f"job {sequence}".encode() * 1000 for sequence in range(100)}


def test_a_worker_that_is_gone_is_noticed_and_its_job_given_up_after_three(broker: Running) -> None:
    with broker.client() as client:
        client.next()
        client.say(m.Submit(1))
        for _ in range(3):
            with broker.worker() as worker:
                assert isinstance(worker.next(), Greeted)
                assert isinstance(worker.next(), Received)
        event = client.next()
        assert isinstance(event, Received)
        assert isinstance(event.message, m.Failed)
        assert len(event.message.attempts) == 3


def test_without_the_token_nobody_is_let_in(broker: Running) -> None:
    for token in ("", "wrong", "\u00e4"):
        with broker.client(token=token) as stranger:
            stranger.say(m.Submit(1))
            assert stranger.next() == Closed("the token is wrong")


def test_garbage_ends_its_own_connection_only(broker: Running) -> None:
    with broker.client() as client:
        client.next()
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 8, b"\0\0\0\2\0\0\0\0{}", b"\0\0\0\1\0\0\0\0["):
            with socket.create_connection(("127.0.0.1", broker.port), timeout=60) as stranger:
                stranger.sendall(garbage)
                answer = b""
                while data := stranger.recv(65536):
                    answer += data
                assert b'"goodbye"' in answer
        with broker.worker() as worker:
            client.say(m.Submit(1), b"job")
            assert isinstance(worker.next(), Greeted)
            event = worker.next()
            assert isinstance(event, Received)
            assert event.body == b"job"


def test_a_job_fails_if_its_artifacts_cannot_be_had(broker: Running) -> None:
    with broker.client() as client:
        client.next()
        client.say(m.Submit(1, (m.Artifact("0" * 64),)))
        wanted = client.next()
        assert isinstance(wanted, Received)
        assert isinstance(wanted.message, m.WantArtifact)
        client.say(m.NoArtifact("0" * 64, "lost it"))
        event = client.next()
        assert isinstance(event, Received)
        assert isinstance(event.message, m.Failed)
        assert "lost it" in event.message.reason


def test_it_says_goodbye_when_it_is_told_to_stop(broker: Running) -> None:
    with broker.client() as client:
        client.next()
        broker.process.send_signal(signal.SIGTERM)
        assert client.next() == Closed("the broker stops")
    assert broker.process.wait(60) == 0


def test_the_token_is_made_once_and_for_its_owner_only(broker: Running, tmp_path: Path) -> None:
    token_file = tmp_path / "state" / "token"
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert len(broker.token) >= 32
    with start(token_file) as second:
        assert Running(second, token_file).token == broker.token
        second.kill()


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("secret\n")
    token_file.chmod(0o644)
    with start(token_file) as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "can be read by others" in error
    assert "Traceback" not in error


def test_a_port_that_is_taken_is_the_users_to_mend(broker: Running, tmp_path: Path) -> None:
    with start(tmp_path / "other", "--port", str(broker.port)) as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"failed to listen on port {broker.port}" in error
