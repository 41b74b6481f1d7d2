"""Who may speak to a broker, over what: real processes, sockets, certificates."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from maelstrom_core import messages as m
from maelstrom_core.errors import ConfigError
from maelstrom_core.tls import client_context, explain, server_context
from maelstrom_core.wire import Closed, Greeted, Received
from tests.support.broker import Peer, running, start
from tests.support.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def refused(tmp_path: Path, *arguments: str | Path) -> str:
    with start(tmp_path / "credentials.toml", *arguments) as process:
        try:
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 2, error
    assert "Traceback" not in error
    return error


def test_beyond_the_loopback_interface_it_does_not_listen_without_tls(tmp_path: Path) -> None:
    for arguments in (("--listen", "0.0.0.0"), ("--http", "0.0.0.0:0")):
        error = refused(tmp_path, *arguments)
        assert "without TLS" in error
        assert "--tls-cert" in error


def test_over_tls_jobs_run_and_both_sides_know_whom_they_speak_to(tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.issue("broker")
    arguments = ("--listen", "0.0.0.0", "--tls-cert", certificate, "--tls-key", key)
    with running(tmp_path / "credentials.toml", *arguments) as broker:
        tls = client_context(authority.certificate)
        with Peer(broker.port, broker.hello("client", "c"), tls=tls) as client:
            assert isinstance(client.next(), Greeted)
            with Peer(broker.port, broker.hello("worker", "w", slots=1), tls=tls) as worker:
                assert isinstance(worker.next(), Greeted)
                client.say(m.Submit(1), b"job" * 100_000)
                run = worker.next()
                assert isinstance(run, Received)
                assert isinstance(run.message, m.Run)
                worker.say(m.Ended(run.message.attempt), run.body)
                ended = client.next()
                assert isinstance(ended, Received)
                assert ended.body == b"job" * 100_000
        with pytest.raises(ssl.SSLError) as caught:
            Peer(broker.port, broker.hello("client", "c"), tls=client_context(Authority(tmp_path, "other").certificate))
        assert "is not to be trusted" in explain(caught.value)
        with socket.create_connection(("127.0.0.1", broker.port), timeout=60) as plain:
            plain.sendall(b"\0" * 100)
            assert plain.recv(1000)[:1] in {b"", b"\x15"}  # closed, perhaps with an alert of TLS


def test_who_has_no_certificate_is_not_spoken_to_where_one_is_wanted(tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.issue("broker")
    arguments = ("--tls-cert", certificate, "--tls-key", key, "--tls-client-ca", authority.certificate)
    with running(tmp_path / "credentials.toml", *arguments) as broker:
        anonymous = client_context(authority.certificate)
        # some loops send an alert of TLS, others just close
        with Peer(broker.port, broker.hello("monitor"), tls=anonymous) as stranger, suppress(OSError):
            assert isinstance(stranger.next(), Closed)
        mine = client_context(authority.certificate, *authority.issue("worker 7"))
        with Peer(broker.port, broker.hello("monitor"), tls=mine) as friend:
            assert isinstance(friend.next(), Greeted)


def test_a_name_that_is_not_in_the_certificate_is_not_spoken_to(authority: Authority) -> None:
    ours = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(authority.certificate).wrap_bio(*ours, server_hostname="example.org")
    server = server_context(*authority.issue("broker")).wrap_bio(ours[1], ours[0], server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        client.do_handshake()


def test_files_of_tls_that_are_none_are_the_users_to_mend(tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.issue("broker")
    assert "no TLS without a certificate" in refused(tmp_path, "--tls-key", key)
    assert "failed to read" in refused(tmp_path, "--tls-cert", tmp_path / "missing")
    with pytest.raises(ConfigError, match="key values mismatch"):
        server_context(certificate, authority.key)
    with pytest.raises(ConfigError, match="authorities"):
        client_context(key)
    key.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        server_context(certificate, key)


def test_who_tries_tokens_is_soon_not_listened_to_and_others_are(tmp_path: Path) -> None:
    with running(tmp_path / "credentials.toml") as broker, broker.client() as client:
        client.next()
        told = set()
        for _ in range(30):
            with broker.client(token="wrong", source="127.0.0.2") as stranger:
                try:
                    event = stranger.next()
                except ConnectionResetError:  # it was closed before our greeting had come
                    continue
                assert isinstance(event, Closed)
                told.add(event.reason)
        assert told == {"the token is wrong", "too many failed greetings"}
        with broker.worker() as worker:
            assert isinstance(worker.next(), Greeted)
            client.say(m.Submit(1), b"job")
            assert isinstance(worker.next(), Received)
