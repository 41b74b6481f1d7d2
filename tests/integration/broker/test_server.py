"""maelstrom-broker as a process, spoken to over real sockets by blocking code around the same `Connection`."""

from __future__ import annotations

import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from maelstrom_core import messages as m
from maelstrom_core.credentials import ROLES
from maelstrom_core.wire import Closed, Greeted, Received
from tests.support.broker import Running, running, start


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "state" / "credentials.toml") as process:
        yield process


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


def test_without_the_token_of_the_role_nobody_is_let_in(broker: Running) -> None:
    for token in ("", "wrong", "\u00e4", broker.credentials.worker, broker.credentials.admin):
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


def test_the_tokens_are_made_once_and_for_their_owner_only(broker: Running) -> None:
    path = broker.credentials_file
    made = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert all(len(broker.credentials.of(role)) >= 32 for role in ROLES)
    with start(path) as second:
        Running(second, path)
        second.kill()
    assert path.read_bytes() == made
    assert [each.name for each in path.parent.iterdir() if not each.is_dir()] == [path.name]


def test_tokens_that_others_can_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "credentials.toml"
    path.write_text("")
    path.chmod(0o644)
    with start(path) as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "can be read by others" in error
    assert "Traceback" not in error


def test_a_port_that_is_taken_is_the_users_to_mend(broker: Running, tmp_path: Path) -> None:
    with start(tmp_path / "other", "--port", str(broker.port)) as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"failed to listen on port {broker.port}" in error
