"""Results that are kept: a test that has passed is not run again while nothing that it could see has changed.

    {"name": "TestA", "key": "...", "paths": ["/etc/hosts"], "inputs": "...", "seconds": 0.1, "stdout": ..., ...}

A file of such lines for each package, added to as results arrive; the last line of a test counts. The key is that of
all that is known before the test runs; what else it has read it tells itself. See docs/decisions/go.md.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from blake3 import blake3
from msgspec import UNSET

from maelstrom_core.job import Effects, Exited, Outcome, Output
from maelstrom_core.spec import ContainerSpec, JobSpec, Network
from maelstrom_core.spec_write import container_document
from maelstrom_go_test.inputs import Inputs
from maelstrom_go_test.packages import Package

FORMAT = 1
LONGEST = 64 * 1024
"""Bytes of either stream of a test; of one that writes more nothing is kept."""
SIZE_LIMIT = 256 * 1024 * 1024
GENERATIONS = 4
"""A file is written anew when it has this many lines for each test."""
LOG = "-test.testlogfile=/proc/self/fd/3"
"""The argument by which a binary tells what it reads, through the channel of a job's results."""
PASSING = frozenset({"SHLVL", "_", "OLDPWD"})
"""Variables that differ from shell to shell, and say nothing to a test."""
FOREIGN = ("image", "parent", "layers", "added_layers", "mounts", "added_mounts")
"""What of a directive brings files into a container that nobody looks at here."""


class Kept(msgspec.Struct, frozen=True):
    """The result of a test that has passed."""

    name: str
    key: str
    paths: tuple[str, ...]
    inputs: str
    """Digest of what was at the paths."""
    seconds: float
    stdout: bytes
    stderr: bytes

    def outcome(self) -> Outcome:
        """Return what its job ended with."""
        return Exited(0, Effects(stdout=Output(self.stdout), stderr=Output(self.stderr), duration=self.seconds))


class PackageCache:
    """The results of the tests of one package, built into one binary."""

    def __init__(self, directory: Path, package: Package, inputs: Inputs, binary: Path, *, opaque: bool) -> None:
        """`opaque`: its tests may read what they do not tell. Reads the binary."""
        self._directory = package.Dir
        self._path = directory / f"{blake3(package.ImportPath.encode()).hexdigest(16)}.jsonl"
        self._inputs = inputs
        self._binary = binary
        self._mark = _mark(binary)
        self._base = b"".join(
            [
                bytes([FORMAT]),
                blake3().update_mmap(binary).digest(),
                inputs.of_package(package.Dir, opaque=opaque),
            ]
        )
        self._containers: dict[int, bytes] = {}
        self._keys: dict[str, str] = {}
        self._known = self._read()

    def find(self, name: str, spec: JobSpec, said: ContainerSpec, timeout: object) -> Kept | None:
        """Return what is kept of a test that runs as this job, of which directives say this, if it still holds."""
        if not can_be_kept(spec.container, said):
            return None
        key = self._keys[name] = self._key(spec, timeout)
        kept = self._known.get(name)
        if kept is None or kept.key != key or self._inputs.of_log(kept.paths) != kept.inputs:
            return None
        return kept

    def keep(self, name: str, effects: Effects) -> None:
        """Keep the result of a test that has passed, if it can be known what it depends on."""
        key = self._keys.get(name)
        streams = (effects.stdout, effects.stderr, effects.result)
        if key is None or any(stream.lost for stream in streams) or any(len(s.data) > LONGEST for s in streams[:2]):
            return
        paths = self._inputs.logged(effects.result.data.decode("utf-8", "surrogateescape"), self._directory)
        if paths is None or any(not path.isprintable() for path in paths):
            return
        inputs = self._inputs.of_log(paths)
        if not self._inputs.settled or _mark(self._binary) != self._mark:
            return
        kept = Kept(name, key, tuple(paths), inputs, effects.duration, effects.stdout.data, effects.stderr.data)
        with contextlib.suppress(OSError), self._path.open("ab", buffering=0) as file:
            file.write(msgspec.json.encode(kept) + b"\n")

    def _key(self, spec: JobSpec, timeout: object) -> str:
        container = self._containers.get(id(spec.container))
        if container is None:
            container = self._containers[id(spec.container)] = _container_digest(spec.container)
        digest = blake3(self._base)
        digest.update(container)
        words = [str(timeout), spec.program, *spec.arguments]
        digest.update("\0".join(words).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _read(self) -> dict[str, Kept]:
        """Return what is kept; what cannot be read is not."""
        known: dict[str, Kept] = {}
        lines = 0
        decoder = msgspec.json.Decoder(Kept)
        with contextlib.suppress(OSError):
            with self._path.open("rb") as file:
                data = file.read(SIZE_LIMIT)
            for line in data.splitlines():
                lines += 1
                with contextlib.suppress(msgspec.MsgspecError):
                    kept = decoder.decode(line)
                    known[kept.name] = kept
            if lines > GENERATIONS * len(known) + 100:
                self._write_anew(known)
        return known

    def _write_anew(self, known: Mapping[str, Kept]) -> None:
        """Write what counts; what another run adds meanwhile is lost, and its tests run once more."""
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        fresh.write_bytes(b"".join(msgspec.json.encode(kept) + b"\n" for kept in known.values()))
        fresh.rename(self._path)


class Keeper:
    """The results of all packages of a run."""

    def __init__(self, directory: Path, inputs: Inputs, opaque: frozenset[str] | None) -> None:
        """`opaque`: packages whose tests may read what they do not tell; None: any may. Raises OSError."""
        directory.mkdir(exist_ok=True)
        self._directory = directory
        self._inputs = inputs
        self._opaque = opaque
        self._packages: dict[str, PackageCache] = {}
        self._failed: set[tuple[str, str]] = set()

    def open(self, package: Package, binary: Path) -> None:
        """Read what is kept of a package, and its binary. Raises OSError."""
        name = package.ImportPath
        opaque = self._opaque is None or name in self._opaque
        self._packages[name] = PackageCache(self._directory, package, self._inputs, binary, opaque=opaque)

    def find(self, package: Package, name: str, spec: JobSpec, said: ContainerSpec, timeout: object) -> Kept | None:
        """Return what is kept of a test, if it still holds; `timeout` is the time that it is given."""
        return self._packages[package.ImportPath].find(name, spec, said, timeout)

    def take(self, package: Package, name: str, outcome: Outcome, *, passed: bool) -> None:
        """Take note of how a test ended: it is kept if it has passed, and had not failed before in this run."""
        if not passed or not isinstance(outcome, Exited):
            self._failed.add((package.ImportPath, name))
        elif (package.ImportPath, name) not in self._failed:
            self._packages[package.ImportPath].keep(name, outcome.effects)


def can_be_kept(container: ContainerSpec, said: ContainerSpec) -> bool:
    """Tell whether all that a container shows is looked at; the network of this machine leads anywhere."""
    return container.network is not Network.LOCAL and all(getattr(said, name) is UNSET for name in FOREIGN)


def _container_digest(container: ContainerSpec) -> bytes:
    document = container_document(container)
    for element in document.get("environment", ()):
        element["vars"] = {name: value for name, value in element["vars"].items() if name not in PASSING}
    return blake3(msgspec.json.encode(document, order="deterministic")).digest()


def _mark(path: Path) -> tuple[int, int] | None:
    """Return what changes when another binary takes the place of one; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size
