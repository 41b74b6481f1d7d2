"""A broker's process, and blocking connections to it."""

from __future__ import annotations

import itertools
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from maelstrom_core import credentials
from maelstrom_core import messages as m
from maelstrom_core.wire import Connection, Event, Received

HOUSE = Path(__file__).parents[2]
NUMBERS = itertools.count()
PATIENCE = 120.0
"""Seconds after which what is waited for is taken to never come."""


class Peer:
    """A blocking connection to a broker."""

    def __init__(
        self, port: int, hello: m.Hello, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", source: str = ""
    ) -> None:
        self.socket = socket.create_connection(
            (host, port), timeout=PATIENCE, source_address=(source, 0) if source else None
        )
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
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
        """The next event that is no heartbeat."""
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
    """A broker's process, which listens."""

    def __init__(self, process: subprocess.Popen[str], credentials_file: Path) -> None:
        self.process = process
        assert process.stdout is not None
        self.told = process.stdout.readline()
        self.port = int(self.told.split(",")[0].rpartition(":")[2])
        page = re.search(r"https?://\S*:(\d+)/", self.told)
        self.http = int(page[1]) if page else 0
        self.credentials_file = credentials_file
        self.credentials = credentials.read(credentials_file)

    def hello(self, role: m.Role, name: str = "", slots: int = 0) -> m.Hello:
        offer = m.Offer(slots) if slots else None
        return m.Hello(m.PROTOCOL, role, self.credentials.of(role), name, offer=offer)

    def client(self, name: str = "c", token: str | None = None, **options: str) -> Peer:
        token = self.credentials.client if token is None else token
        return Peer(self.port, m.Hello(m.PROTOCOL, "client", token, name), **options)  # type: ignore[arg-type]

    def worker(self, slots: int = 2, name: str = "w") -> Peer:
        return Peer(self.port, self.hello("worker", name, slots))

    def watcher(self, role: m.Role = "monitor") -> Peer:
        return Peer(self.port, self.hello(role))


def start(credentials_file: Path, *arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
    store = () if "--store" in arguments else ("--store", f"{credentials_file}.store{next(NUMBERS)}")
    paths = os.pathsep.join(str(HOUSE / folder) for folder in ("core", "broker"))
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "maelstrom_broker",
            "--config-file",
            "-",
            "--credentials",
            credentials_file,
            *store,
            *arguments,
        ],
        env=os.environ | {"PYTHONPATH": paths} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(credentials_file: Path, *arguments: str | Path, **variables: str) -> Iterator[Running]:
    """Run a broker for a while."""
    with start(credentials_file, *arguments, **variables) as process:
        try:
            yield Running(process, credentials_file)
        finally:
            process.kill()
