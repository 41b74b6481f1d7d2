"""A cluster on this machine: a broker and workers as processes, each with a home of its own, and clients of it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.support.broker import PATIENCE, Running, start
from tests.support.programs import RUN, Done, Programs, stream

PROGRAMS = ("/bin/sh", "/bin/sleep", "/bin/cat", "/bin/echo")
SMALL = [
    {"paths": list(PROGRAMS), "follow_symlinks": True},
    {"shared_library_dependencies": list(PROGRAMS), "follow_symlinks": True},
]
"""Layers that hold next to nothing of this machine."""
MOUNTS = [{"type": "proc", "mount_point": "/proc"}]


def small_job(script: str, **fields: object) -> dict[str, object]:
    """Return the specification of a job that is a shell script, and can travel."""
    base: dict[str, object] = {"layers": [*SMALL, {"stubs": ["/proc/", "/tmp/"]}], "mounts": MOUNTS}
    return {**base, "environment": {"PATH": "/bin"}, "program": "/bin/sh", "arguments": ["-c", script], **fields}


class Worker:
    """A worker's process."""

    def __init__(self, programs: Programs, process: subprocess.Popen[str]) -> None:
        self.programs = programs
        self.process = process

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        self.process.kill()
        self.process.wait(PATIENCE)


class Cluster:
    """Everything in `directory`; a context manager, at whose end no process of it is left."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.credentials = directory / "credentials.toml"
        self.broker: Running | None = None
        self._stack = contextlib.ExitStack()
        self._workers = 0
        self.client = Programs(self._home("client"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_broker(self, port: int = 0, options: tuple[str, ...] = ()) -> Running:
        """Start a broker, on any port or the one that another had."""
        store = self.directory / "store"
        process = start(self.credentials, "--port", str(port), "--store", store, *options)
        self._stack.callback(_end, process)
        self.broker = Running(process, self.credentials)
        return self.broker

    @property
    def address(self) -> str:
        """Where the broker is."""
        assert self.broker is not None
        return f"127.0.0.1:{self.broker.port}"

    def start_worker(self, *options: str, slots: int = 2, address: str | None = None) -> Worker:
        """Start a worker; it need not be connected yet."""
        self._workers += 1
        programs = Programs(self._home(f"worker-{self._workers}"))
        arguments = ("--broker", address or self.address, "--credentials", str(self.credentials))
        command = [sys.executable, "-m", "maelstrom_worker", *arguments, "--slots", str(slots)]
        process = subprocess.Popen(
            [*command, "--name", f"worker-{self._workers}", *options],
            env=programs.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(_end, process)
        return Worker(programs, process)

    def options(self, *, local: bool = False) -> tuple[str, ...]:
        """Return what makes a program a client."""
        more = () if local else ("--no-local",)
        return ("--broker", self.address, "--credentials", str(self.credentials), "--slots", "2", *more)

    def run(self, *jobs: object, options: tuple[str, ...] = (), local: bool = False) -> Done:
        """Run a stream of jobs."""
        arguments = (*self.options(local=local), *options)
        return self.client.run(RUN, *arguments, cwd=self.client.home, stdin=stream(*jobs))

    @contextmanager
    def running(self, *jobs: object, options: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
        """Start a stream of jobs, whose end is not waited for."""
        with self.client.start(RUN, *self.options(), *options, cwd=self.client.home) as process:
            assert process.stdin is not None
            process.stdin.write(stream(*jobs))
            process.stdin.close()
            yield process

    def _home(self, name: str) -> Path:
        home = self.directory / name
        home.mkdir()
        return home


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
