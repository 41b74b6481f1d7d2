"""What ELF files say about the libraries they need, remembered: to read that takes longer than many a job.

It is good for a path as long as the file's signature stays the same. An optimisation only: whatever goes wrong, files
are read.
"""

from __future__ import annotations

import os
from pathlib import Path

from blake3 import blake3

from maelstrom_container.digest_cache import is_settled
from maelstrom_container.elf import Binary, read_binary
from maelstrom_container.file_batches import Signature, signature
from maelstrom_container.snapshots import Snapshots, Versioned

VERSION = 1


class _Known(Versioned, frozen=True, array_like=True):
    signature: Signature
    binary: Binary


class KnownBinaries:
    """Those of which something is known in a directory."""

    def __init__(self, directory: Path) -> None:
        self._snapshots = Snapshots(directory, _Known, VERSION)

    def read(self, path: str) -> Binary | None:
        """Return what a file says; the same as `read_binary`."""
        try:
            own = signature(os.stat(path))
        except OSError:
            return read_binary(path)
        key = blake3(os.fsencode(os.path.abspath(path))).hexdigest()
        known = self._snapshots.load(key)
        if known is not None and known.signature == own:
            return known.binary
        binary = read_binary(path)
        if binary is not None and is_settled(max(own.mtime, own.ctime)):
            self._snapshots.save(key, _Known(VERSION, own, binary))
        return binary
