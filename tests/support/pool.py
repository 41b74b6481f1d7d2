"""The test's side of `pool_server`: run jobs in real containers, and the containers that tests use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from maelstrom_core.job import Container, HostTree, Job, LayerDirectory, Outcome
from tests.support.pool_server import Answer, Ask, Cancel, Members
from tests.support.programs import PATIENCE

ROOT = Path(__file__).parents[2]
PATH = "PATH=/usr/local/bin:/usr/bin:/bin"


class Pool:
    """A supervisor with its members in another process."""

    def __init__(
        self, slots: int = 2, *, cwd: Path | None = None, memory: int = 0, prefix: tuple[str, ...] = ()
    ) -> None:
        """`memory` bounds each file system in memory, in bytes; 0: as this machine allows.

        `prefix` is a command in front of the other process's own.
        """
        folders = [str(ROOT / name) for name in ("core", "container", "worker", "clients", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.support.pool_server", str(slots), str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=cwd or ROOT,
        )
        self._last = 0
        self._answers: dict[int, Outcome] = {}

    def start(self, job: Job) -> int:
        self._last += 1
        self._send(Ask(self._last, job))
        return self._last

    def cancel(self, number: int) -> None:
        self._send(Cancel(number))

    def wait(self, number: int) -> Outcome:
        while number not in self._answers:
            answer = self._receive()
            assert answer.outcome is not None
            self._answers[answer.number] = answer.outcome
        return self._answers.pop(number)

    def run(self, job: Job) -> Outcome:
        return self.wait(self.start(job))

    def members(self) -> list[int]:
        self._send(Members())
        return self._receive().pids

    def close(self) -> None:
        """End the pool process, orderly if it still lives; again does nothing."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    def _send(self, value: Any) -> None:
        assert self.process.stdin is not None
        payload = msgspec.msgpack.encode(value)
        self.process.stdin.write(len(payload).to_bytes(4, "big") + payload)
        self.process.stdin.flush()

    def _receive(self) -> Answer:
        assert self.process.stdout is not None
        header = self.process.stdout.read(4)
        assert header, "the pool process ended"
        return msgspec.msgpack.decode(self.process.stdout.read(int.from_bytes(header, "big")), type=Answer)


def host_trees() -> tuple[HostTree, ...]:
    """Everything that the machine's programs need; merged /usr or not."""
    return tuple(HostTree(name, name) for name in ("/usr", "/bin", "/lib", "/lib64", "/etc") if Path(name).is_dir())


def container(*layers: LayerDirectory, **fields: Any) -> Container:
    """The machine's programs, with layers below them."""
    return Container(layers=(*layers, *host_trees()), **fields)


def shell(script: str, *, within: Container | None = None, **fields: Any) -> Job:
    fields.setdefault("environment", (PATH,))
    return Job(within if within is not None else container(), "/bin/sh", ("-c", script), **fields)


def python(script: str, *, within: Container | None = None, **fields: Any) -> Job:
    fields.setdefault("environment", (PATH,))
    return Job(within if within is not None else container(), "/usr/bin/python3", ("-c", script), **fields)
