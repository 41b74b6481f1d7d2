"""Files of this machine that are what a layer from elsewhere holds: they are copied, and need not travel.

Machines that run the same distribution have most of what is installed in common. Looked at is what everybody may read
at the same path, below the directories of installed programs; what counts is the digest. Reads files, and writes only
to descriptors that it is given.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Sequence

from blake3 import blake3

from maelstrom_container.file_batches import batches, read_files
from maelstrom_container.host import HOST_DIRECTORIES
from maelstrom_container.manifest import Entry, File

INSTALLED = tuple(os.fsencode(name[1:]) + b"/" for name in HOST_DIRECTORIES if name != "/etc")
"""Where files are looked for, relative to the root. Not where secrets are: that would tell whose guess is right."""
_CHUNK = 1 << 20


class OwnFiles:
    """What this machine has; used by several threads."""

    def __init__(self, root: bytes = b"/", below: tuple[bytes, ...] = INSTALLED) -> None:
        self._root = root
        self._below = below
        self._mutex = threading.Lock()
        self.taken = 0
        """Bytes that need not travel."""

    def fill(self, wanted: Sequence[tuple[Entry, int]], contents: memoryview) -> bool:
        """Put what files hold where it belongs in the contents of a pack; tell whether all that is wanted is there."""
        if not all(entry.path.startswith(self._below) for entry, _ in wanted):
            return False
        size = 0
        for batch in batches((each, _file(each[0]).size) for each in wanted):
            found = read_files([self._root + entry.path for entry, _ in batch])
            for (entry, at), own in zip(batch, found, strict=True):
                node = _file(entry)
                if own is None or not own.mode & stat.S_IROTH or len(own.contents) != node.size:
                    return False
                if blake3(own.contents).hexdigest() != node.digest:
                    return False
                contents[at : at + node.size] = own.contents
                size += node.size
        self._took(size)
        return True

    def copy(self, entry: Entry, descriptor: int) -> bool:
        """Copy a file to an empty one; tell whether it is what it should be. If not, that one is empty again."""
        node = _file(entry)
        if not entry.path.startswith(self._below):
            return False
        try:
            reader = os.open(self._root + entry.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        with open(reader, "rb", buffering=0) as file:
            status = os.fstat(reader)
            if not stat.S_ISREG(status.st_mode) or not status.st_mode & stat.S_IROTH or status.st_size != node.size:
                return False
            hasher = blake3()
            with memoryview(bytearray(min(_CHUNK, node.size))) as buffer:
                while count := file.readinto(buffer):
                    hasher.update(buffer[:count])
                    written = 0
                    while written < count:
                        written += os.write(descriptor, buffer[written:count])
        if hasher.hexdigest() != node.digest:
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            return False
        self._took(node.size)
        return True

    def _took(self, size: int) -> None:
        with self._mutex:
            self.taken += size


def _file(entry: Entry) -> File:
    assert isinstance(entry.node, File)  # noqa: S101 - others have no contents
    return entry.node
