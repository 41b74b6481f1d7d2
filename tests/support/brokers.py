"""A broker's process, for tests that speak to one."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from maelstrom_core import credentials
from maelstrom_core.artifact_client import ArtifactClient

HOUSE = Path(__file__).parents[2]


class RunningBroker:
    """A broker that listens; its token and store are below a directory of the test's."""

    def __init__(self, process: subprocess.Popen[str], directory: Path) -> None:
        self.process = process
        self.store = directory / "store"
        assert process.stdout is not None
        self.port = int(process.stdout.readline().split(",")[0].rpartition(":")[2])
        self.token = credentials.read(directory / "credentials.toml").client

    def dial(self) -> socket.socket:
        """Return a connected socket."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def artifacts(self, **options: int) -> ArtifactClient:
        """Return a client for artifacts."""
        return ArtifactClient(self.dial, self.token, **options)

    def stored(self) -> set[str]:
        """Return what is visible in the store."""
        return set(os.listdir(self.store / "artifacts"))


@contextlib.contextmanager
def running_broker(directory: Path, *arguments: str) -> Iterator[RunningBroker]:
    """Run a broker with its state below a directory; it is killed at the end."""
    paths = os.pathsep.join(str(HOUSE / folder) for folder in ("core", "broker"))
    command = [
        "--config-file",
        "-",
        "--credentials",
        directory / "credentials.toml",
        "--store",
        directory / "store",
        *arguments,
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "maelstrom_broker", *command],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield RunningBroker(process, directory)
        finally:
            process.kill()
