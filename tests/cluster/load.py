"""Jobs without end: each reads layers that are new again and again, and what it is to write is known before.

jobs = Jobs(cluster, seed)
jobs.run(killer.start, while_=lambda: killer.at_work)
jobs.told, jobs.wrong
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from tests.cluster.parts import MB, Cluster
from tests.support.cluster import MOUNTS, SMALL
from tests.support.programs import RUN

AHEAD = 24
"""Jobs that are unfinished at a time."""
RETRIES = 3
JOBS_PER_LAYER = 3
"""Jobs after which there is another layer; a job takes two of the last `WINDOW`."""
WINDOW = 8
LARGE = (MB, 4 * MB)
"""Bytes of a layer's large file."""
SMALL_FILES = 20
SILENCE = 150.0
"""Seconds after which a client that tells of no job is taken to never do so again."""
TOOLS = ("/usr/bin/b2sum",)
BASE = [
    *SMALL,
    {"paths": list(TOOLS), "follow_symlinks": True},
    {"shared_library_dependencies": list(TOOLS), "follow_symlinks": True},
    {"stubs": ["/proc/", "/tmp/"]},
]
SCRIPT = "sleep {seconds}; cd /layers; echo {number} $(cat {layers} | b2sum)"


class Layers:
    """Directories of the client's, made by a seed when they are first needed, and deleted when nobody needs them."""

    def __init__(self, directory: Path, seed: int) -> None:
        self._directory = directory / "layers"
        self._seed = seed
        self._made: dict[int, bytes] = {}
        self._oldest = 0

    def contents(self, number: int) -> bytes:
        """Return what is in a layer's files, one behind the other."""
        if number not in self._made:
            chance = random.Random(f"{self._seed} {number}")
            place = self._directory / f"{number:06}"
            place.mkdir(parents=True)
            parts = [chance.randbytes(chance.randrange(*LARGE))]
            parts += [chance.randbytes(chance.randrange(3000)) for _ in range(SMALL_FILES)]
            for at, part in enumerate(parts):
                (place / f"{at:02}").write_bytes(part)
            self._made[number] = b"".join(parts)
        return self._made[number]

    def forget(self, below: int) -> None:
        """Delete those with lower numbers."""
        while self._oldest < below:
            if self._made.pop(self._oldest, None) is not None:
                shutil.rmtree(self._directory / f"{self._oldest:06}")
            self._oldest += 1


class Jobs:
    """One run of maelstrom-run, which is given jobs as long as somebody wants, and what it tells of them."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.told: Counter[int] = Counter()
        """How often each job was told of, by its number."""
        self.wrong: list[str] = []
        """What was told, and is not as it should be."""
        self.given = 0
        self.attempts: Counter[int] = Counter()
        """How many jobs took so many attempts of the client."""
        self._chance = random.Random(seed)
        self._layers = Layers(cluster.client.host.directory, seed)
        self._expected: dict[int, str] = {}
        self._window: dict[int, int] = {}
        """The oldest layer of each job that is unfinished."""
        self._cluster = cluster
        self._since = time.monotonic()

    def run(self, begun: Callable[[], object], while_: Callable[[], bool]) -> int:
        """Run jobs as long as that is true; return the exit code of the client. `begun`: when the first one has ended.

        Raises TimeoutError.
        """
        options = ("--results", "-", "--retries", str(RETRIES), "--cache-size", str(100 * MB))
        with self._cluster.client.log.open("ab") as log:
            process = self._cluster.client.popen(
                RUN, *options, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            self._give(process, while_)
            for line in _lines(process.stdout):
                self._take(line)
                if self.told.total() == 1:
                    begun()
                self._give(process, while_)
            return process.wait()
        finally:
            process.kill()
            process.wait()

    def _give(self, process: subprocess.Popen[bytes], while_: Callable[[], bool]) -> None:
        stdin = process.stdin
        assert stdin is not None
        if stdin.closed:
            return
        while len(self._expected) < AHEAD and while_():
            stdin.write(self._next())
        stdin.flush()
        if not while_():
            stdin.close()

    def _next(self) -> bytes:
        self.given += 1
        newest = self.given // JOBS_PER_LAYER + WINDOW
        chosen = sorted(self._chance.sample(range(newest - WINDOW, newest), 2))
        names = [f"{number:06}/*" for number in chosen]
        contents = b"".join(map(self._layers.contents, chosen))
        script = SCRIPT.format(
            seconds=round(self._chance.uniform(0.05, 0.6), 2), number=self.given, layers=" ".join(names)
        )
        self._expected[self.given] = f"{self.given} {hashlib.blake2b(contents).hexdigest()} -\n"
        self._window[self.given] = newest - WINDOW
        job = {
            "layers": [*BASE, *({"glob": f"layers/{name}"} for name in names)],
            "mounts": MOUNTS,
            "environment": {"PATH": "/bin:/usr/bin"},
            "program": "/bin/sh",
            "arguments": ["-c", script],
        }
        return json.dumps(job).encode() + b"\n"

    def _take(self, line: bytes) -> None:
        try:
            result = json.loads(line)
            number = result["job"]
        except (ValueError, KeyError, TypeError):
            self.wrong.append(f"no result: {line!r}")
            return
        self.told[number] += 1
        print(f"{time.monotonic() - self._since:7.2f} s: told of job {number}", file=sys.stderr)
        self.attempts[result["attempts"]] += 1
        expected = self._expected.pop(number, None)
        if expected is None:
            self.wrong.append(f"told once more: {line!r}")
        elif (result["outcome"], result.get("code"), result["stdout"]) != ("exited", 0, expected):
            self.wrong.append(f"should have written {expected!r}: {line!r}")
        del self._window[number]
        self._layers.forget(min(self._window.values(), default=0))


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield lines as they come. Raises TimeoutError."""
    rest = b""
    while True:
        if not select.select([stream], [], [], SILENCE)[0]:
            raise TimeoutError(f"no job has ended for {SILENCE:.0f} seconds")
        data = os.read(stream.fileno(), 1 << 16)
        if not data:
            break
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
    if rest:
        yield rest
