"""The parts of a cluster, each on a host of its own: programs that are killed and started again with what they had.

with a machine of our own:
    cluster = Cluster(workers=4, plain=False)
    cluster.start()
    cluster.client.popen("maelstrom_run", ...)
    cluster.end()
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.cluster.hosts import ROOM, Host, Network
from tests.cluster.plan import BROKER, CLIENT
from tests.support.broker import PATIENCE
from tests.support.certificates import Authority
from tests.support.programs import Programs, eventually

PORT = 4000
SLOTS = 2
MB = 1_000_000
LOGS = ROOM / "logs"
NEVER = 999
"""The exit code of what did not end when it was told to."""


class Room:
    """How many bytes there are: on the disk of each host, in the cache of a worker, in the store of the broker."""

    def __init__(self, disk: int = 250 * MB, cache: int = 30 * MB, store: int = 150 * MB) -> None:
        self.disk, self.cache, self.store = disk, cache, store


class Part:
    """A program on a host, which goes on however often it is killed."""

    def __init__(self, host: Host, program: str, *options: str) -> None:
        self.host = host
        self.programs = Programs(host.directory)
        self.process: subprocess.Popen[bytes] | None = None
        self.ended: list[int] = []
        """The exit codes with which it has ended though nobody had it end."""
        self.log = LOGS / host.name
        self._said = 0
        self._command = [*host.command, sys.executable, "-m", program, *options]

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self._said = log.tell()
            self.process = subprocess.Popen(
                self._command,
                cwd=self.host.directory,
                env=self.programs.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._check().send_signal(number)

    def kill(self) -> None:
        """Kill it, as the kernel does when memory is short."""
        process = self._check()
        process.kill()
        process.wait(PATIENCE)

    def end(self) -> int:
        """Have it end; return its exit code."""
        process = self._check()
        eventually(lambda: self.log.stat().st_size > self._said or process.poll() is not None)  # it has begun
        process.terminate()
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return NEVER

    def _check(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        code = self.process.poll()
        if code is not None:
            self.ended.append(code)
        return self.process


class Client:
    """A host on which programs are run by hand."""

    def __init__(self, host: Host, options: Sequence[str]) -> None:
        self.host = host
        self.options = tuple(options)
        """What makes a program one of the cluster's."""
        self.programs = Programs(host.directory).with_plugins
        self.log = LOGS / host.name

    def popen(self, program: str, *arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
        """Start a program; `--` and what comes behind it are not options."""
        at = arguments.index("--") if "--" in arguments else len(arguments)
        command = self.programs.command(program, (*arguments[:at], *self.options, *arguments[at:]))
        return subprocess.Popen(
            [*self.host.command, *command], env=self.programs.environment(), **{"cwd": self.host.directory, **streams}
        )


class Cluster:
    """A broker, workers, and a client's host."""

    def __init__(self, *, workers: int, plain: bool, room: Room) -> None:
        """With `plain` they do without TLS. Every other worker is an ordinary user's."""
        network = Network(plain=plain)
        LOGS.mkdir()
        secrets = ROOM / "secrets"
        secrets.mkdir()
        credentials = ("--credentials", str(secrets / "credentials.toml"))
        host = network.host(BROKER, disk=room.disk)
        encrypted, trusting = _tls(secrets, host.address) if not plain else ((), ())
        self.broker = Part(
            host,
            "maelstrom_broker",
            *("--config-file", "-", "--listen", host.address, "--port", str(PORT), *credentials, *encrypted),
            *("--store", str(host.directory / "store"), "--store-size", str(room.store)),
        )
        joining = ("--broker", f"{host.address}:{PORT}", *credentials, *trusting)
        self.workers = [
            self._worker(network.host(f"worker-{number}", disk=room.disk, user=number % 2 == 0), joining, room)
            for number in range(1, workers + 1)
        ]
        self.client = Client(network.host(CLIENT, disk=8 * room.disk), (*joining, "--no-local"))
        self.parts = {part.host.name: part for part in (self.broker, *self.workers)}
        self.hosts = {name: part.host for name, part in self.parts.items()} | {CLIENT: self.client.host}

    def start(self) -> None:
        """Start everything; the broker listens then."""
        self.broker.start()
        assert eventually(lambda: b"listening" in self.broker.log.read_bytes()), self.broker.log.read_text()
        for worker in self.workers:
            worker.start()

    def end(self) -> dict[str, int]:
        """Have everything end, workers first; return the exit codes."""
        return {part.host.name: part.end() for part in (*self.workers, self.broker)}

    @staticmethod
    def _worker(host: Host, joining: Sequence[str], room: Room) -> Part:
        own = ("--name", host.name, "--slots", str(SLOTS), "--cache-size", str(room.cache))
        return Part(host, "maelstrom_worker", *joining, *own)


def _tls(directory: Path, address: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the options of a broker that has a certificate, and of those who believe it."""
    authority = Authority(directory)
    certificate, key = authority.issue("broker", address)
    for path in directory.iterdir():
        os.chmod(path, 0o600)
    return ("--tls-cert", str(certificate), "--tls-key", str(key)), ("--tls-ca", str(authority.certificate))
