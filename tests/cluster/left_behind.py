"""What a cluster has left behind on its machine, when all of it has ended: there must be nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.cluster.parts import Cluster, Part
from tests.support.programs import alive, eventually

_HEX = re.compile(r"[0-9a-f]{64}")
PATIENCE = 20.0
"""Seconds in which what was killed must be gone."""


class Before:
    """What there was before, to be compared with."""

    def __init__(self) -> None:
        self._mounts = _mounts()
        self._shared = set(os.listdir("/dev/shm"))

    def left(self, cluster: Cluster) -> list[str]:
        """Return what is there now, and should not be."""
        eventually(lambda: not _processes(), PATIENCE)
        found = [f"process {each}" for each in _processes()]
        found += [f"mount {each}" for each in _mounts() - self._mounts]
        found += [f"/dev/shm/{each}" for each in set(os.listdir("/dev/shm")) - self._shared if "maelstrom" in each]
        for kind in ("shm", "sem", "msg"):
            found += [f"{kind} {each}" for each in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]]
        store = cluster.broker.host.directory / "store"
        found += _files(store / "tmp")
        for worker in cluster.workers:
            found += _of_worker(worker)
        client = cluster.client.programs
        found += [*_files(client.cache / "layers" / "tmp"), *_files(client.temporary)]
        return found


def _of_worker(worker: Part) -> list[str]:
    cache = worker.programs.cache
    found = [*_files(cache / "layers" / "tmp"), *_files(cache / "layers" / "removing")]
    found += _files(worker.programs.temporary)
    found += [name for name in _files(cache / "fetched") if not _HEX.fullmatch(os.path.basename(name))]
    return found


def _files(directory: Path) -> list[str]:
    return [str(directory / name) for name in os.listdir(directory)] if directory.is_dir() else []


def _processes() -> list[str]:
    """Return those besides this one and the one that waits for it: nobody else is on this machine."""
    ours = {1, os.getpid(), os.getppid()}
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in ours and alive(int(name)):
            try:
                command = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            found.append(f"{name} {command.strip()}")
    return found


def _mounts() -> set[str]:
    return {" ".join(line.split()[3:]) for line in Path("/proc/self/mountinfo").read_text().splitlines()}
