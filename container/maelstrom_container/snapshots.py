"""What a directory was found to hold, kept until the next time. An optimisation only.

Whatever goes wrong, there is none. Imports nothing of the project.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

KEPT = 200
"""Snapshots of a directory; those written or read last."""
_LARGEST = 1 << 30


class Versioned(msgspec.Struct, frozen=True, array_like=True):
    """Base of what is kept: of another version it counts for nothing."""

    version: int


Snapshot = TypeVar("Snapshot", bound=Versioned)


class Snapshots(Generic[Snapshot]):
    """Snapshots in a directory, each by a name that is fit for a file."""

    def __init__(self, directory: Path, kind: type[Snapshot], version: int) -> None:
        self._directory = directory
        self._kind = kind
        self._version = version

    def load(self, key: str) -> Snapshot | None:
        """Return a snapshot, if there is one."""
        path = self._directory / key
        try:
            if path.stat().st_size > _LARGEST:
                return None
            snapshot = msgspec.msgpack.decode(path.read_bytes(), type=self._kind)
            if snapshot.version != self._version:
                return None
            os.utime(path)
        except (OSError, msgspec.MsgspecError):
            return None
        return snapshot

    def save(self, key: str, snapshot: Snapshot) -> None:
        """Keep a snapshot, in the place of what is kept under this key."""
        fresh = self._directory / f"{key}.{os.getpid()}"
        with contextlib.suppress(OSError):
            self._directory.mkdir(exist_ok=True)
            fresh.write_bytes(msgspec.msgpack.encode(snapshot))
            fresh.replace(self._directory / key)
            there = sorted(self._directory.iterdir(), key=lambda path: path.stat().st_mtime)
            for old in there[:-KEPT]:
                old.unlink(missing_ok=True)
