"""What binaries have listed, remembered: to ask one takes two containers, half of a run of few tests.

libtest's list is compiled into the binary: it stays the same as long as the file does. A binary in another container is
asked again, since it may fail to start there. An optimisation only: whatever goes wrong, binaries are asked.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from blake3 import blake3

from maelstrom_container.digest_cache import is_settled
from maelstrom_container.file_batches import Signature, signature
from maelstrom_container.snapshots import Snapshots, Versioned
from maelstrom_core.spec import ContainerSpec

VERSION = 1


class Listing(msgspec.Struct, frozen=True, array_like=True):
    """The tests of a binary."""

    names: tuple[str, ...]
    ignored: dict[str, str]
    """Why those are ignored that are, "" where that is not known."""


class _Known(Versioned, frozen=True, array_like=True):
    signature: Signature
    listing: Listing


class Listings:
    """Those of which something is known in a directory."""

    def __init__(self, directory: Path) -> None:
        self._snapshots = Snapshots(directory, _Known, VERSION)
        self._asked: dict[str, tuple[str, Signature]] = {}

    def load(self, executable: str, container: ContainerSpec) -> Listing | None:
        """Return what a binary is known to list."""
        try:
            own = signature(os.stat(executable))
        except OSError:
            return None
        digest = blake3(os.fsencode(executable) + b"\0")
        digest.update(msgspec.msgpack.encode(container))
        key = digest.hexdigest()
        self._asked[executable] = key, own
        known = self._snapshots.load(key)
        return known.listing if known is not None and known.signature == own else None

    def save(self, executable: str, listing: Listing) -> None:
        """Remember what a binary has listed since it was looked for in vain."""
        asked = self._asked.get(executable)
        if asked is None:
            return
        key, own = asked
        if is_settled(max(own.mtime, own.ctime)):
            self._snapshots.save(key, _Known(VERSION, own, listing))
