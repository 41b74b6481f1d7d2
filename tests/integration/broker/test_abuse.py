"""Whatever strangers do to a broker's sockets, it serves its clients: how many, how slow, how wrong they are."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import socket
import struct
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from maelstrom_core import messages as m
from maelstrom_core.admission import Limits
from maelstrom_core.http_server import LIMITS
from maelstrom_core.wire import Closed, Greeted, Received
from tests.support.broker import PATIENCE, Peer, Running, running

CROWD = 10_000
SEED = int(os.environ.get("MAELSTROM_TEST_SEED", "1"))
MEMORY = 200 << 20
"""Bytes that a broker may take more than before for all of it."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "credentials.toml", "--http", "127.0.0.1:0") as process:
        yield process


class Pair:
    """A client and a worker that go on working."""

    def __init__(self, broker: Running, stack: contextlib.ExitStack) -> None:
        self.client = stack.enter_context(broker.client("friend"))
        self.worker = stack.enter_context(broker.worker(slots=1, name="friend"))
        assert isinstance(self.client.next(), Greeted)
        assert isinstance(self.worker.next(), Greeted)
        self.sequence = 0

    def work(self, jobs: int = 20) -> None:
        """Have jobs run, each with its own body."""
        for _ in range(jobs):
            self.sequence += 1
            body = f"job {self.sequence}".encode()
            self.client.say(m.Submit(self.sequence), body)
            run = self.worker.next()
            assert isinstance(run, Received)
            assert isinstance(run.message, m.Run)
            self.worker.say(m.Ended(run.message.attempt), run.body)
            assert self.client.next() == Received(m.Finished(self.sequence, "friend"), body)


@pytest.fixture
def pair(broker: Running) -> Iterator[Pair]:
    with contextlib.ExitStack() as stack:
        yield Pair(broker, stack)


def stranger(port: int, stack: contextlib.ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))


def last_words(connection: socket.socket) -> bytes:
    """All that is said until the connection is closed, however it is."""
    words = b""
    with contextlib.suppress(ConnectionError):
        while more := connection.recv(65536):
            words += more
    return words


def test_garbage_and_frames_that_cannot_be_end_their_own_connections(broker: Running, pair: Pair) -> None:
    chance = random.Random(SEED)
    hello = json.dumps(
        {"type": "hello", "protocol": 1, "role": "client", "token": broker.credentials.client, "name": "x"}
    )
    greeting = struct.pack(">II", len(hello), 0) + hello.encode()
    old = hello.replace('"protocol": 1', '"protocol": 7').encode()
    wrong = [
        *(chance.randbytes(chance.randrange(8, 3000)) for _ in range(30)),
        struct.pack(">II", 1 << 30, 0) + b"{" * 1000,
        struct.pack(">II", 2, 1 << 30) + b"{}",
        struct.pack(">II", len(old), 0) + old,
        greeting + struct.pack(">II", 1 << 30, 0),
        greeting + struct.pack(">II", 20, 1 << 30),
        greeting + struct.pack(">II", 40_000, 0) + b"[" * 40_000,
        greeting * 2,
    ]
    for data in wrong:
        with contextlib.ExitStack() as stack:
            connection = stranger(broker.port, stack)
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            last_words(connection)
        pair.work(1)
    with contextlib.ExitStack() as stack:
        connection = stranger(broker.port, stack)
        connection.sendall(struct.pack(">II", len(old), 0) + old)
        assert b"version 7 of the protocol, this one version 1" in last_words(connection)


def test_a_crowd_that_says_nothing_keeps_nobody_out(broker: Running, pair: Pair) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CROWD + 500:
        pytest.skip(f"a process may open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (CROWD + 500, hard))
    memory = psutil.Process(broker.process.pid).memory_info().rss
    try:
        with contextlib.ExitStack() as stack:
            for number in range(CROWD):
                connection = stranger(broker.port if number % 3 else broker.http, stack)
                if number % 2:
                    connection.send(b"\0")  # a frame, or a request, that never goes on
                if number % 2000 == 0:
                    pair.work(2)
            pair.work()
            with broker.client("late") as late:
                assert isinstance(late.next(), Greeted)
            with urllib.request.urlopen(f"http://127.0.0.1:{broker.http}/api/status", timeout=PATIENCE) as answer:
                told = json.loads(answer.read())
            assert told["waiting"] <= Limits().waiting
            assert told["refused"]["said nothing while others came"] > 0
            assert told["status"]["finished"] == pair.sequence
            process = psutil.Process(broker.process.pid)
            assert process.num_fds() < Limits().waiting + LIMITS.waiting + 100
            assert process.memory_info().rss < memory + MEMORY
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_does_not_read_waits_for_itself_only(broker: Running, pair: Pair) -> None:
    memory = psutil.Process(broker.process.pid).memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(20):  # whoever asks for more than it reads
            watcher = stack.enter_context(broker.watcher())
            watcher.socket.setblocking(False)
            for _ in range(200):
                watcher.connection.send(m.GetJobs(1000))
                with contextlib.suppress(BlockingIOError):
                    watcher.socket.send(b"".join(watcher.connection.data_to_send()))
            page = stranger(broker.http, stack)
            page.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                page.send(b"GET /uPlot.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000)
        pair.work(100)
        assert psutil.Process(broker.process.pid).memory_info().rss < memory + MEMORY


def test_viewers_that_ask_without_end_hold_up_nobody(broker: Running, pair: Pair) -> None:
    with broker.client("many") as many, contextlib.ExitStack() as stack:
        for sequence in range(5000):
            many.connection.send(m.Submit(sequence, slots=1000), b"never")
        many.flush()
        for number in range(20):
            viewer = stranger(broker.http, stack)
            path = (b"/api/jobs?limit=1000", b"/api/status", b"/metrics", b"/api/history")[number % 4]
            viewer.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path * 200)
        pair.work(50)
        with urllib.request.urlopen(f"http://127.0.0.1:{broker.http}/healthz", timeout=PATIENCE) as answer:
            assert answer.read() == b"ok\n"
        pair.work(5)


def test_a_client_that_floods_is_heard_and_others_are_too(broker: Running, pair: Pair) -> None:
    with broker.client("flood") as flood:
        for sequence in range(2000):
            flood.connection.send(m.Submit(sequence, slots=1000), b"x" * 100)
        flood.connection.send(m.Submit(5))
        flood.flush()
        pair.work(20)
        while not isinstance(event := flood.next(), Closed):
            pass
        assert event == Closed("offered job 5 twice")
        pair.work(5)


def test_connections_that_break_again_and_again_leave_nothing(broker: Running, pair: Pair) -> None:
    process = psutil.Process(broker.process.pid)
    files = process.num_fds()
    for number in range(100):
        visitor = Peer(broker.port, broker.hello("client", f"v{number % 3}"))
        visitor.say(m.Submit(number, slots=1000), b"never")
        visitor.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        visitor.socket.close()
    pair.work()
    with broker.watcher() as watcher:
        watcher.next()
        while True:
            watcher.say(m.GetStatus())
            event = watcher.next()
            assert isinstance(event, Received)
            assert isinstance(event.message, m.Status)
            if event.message.clients == 1 and event.message.queued == 0:
                break
    assert process.num_fds() <= files + 1
