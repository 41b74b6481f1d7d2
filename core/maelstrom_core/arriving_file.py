"""A file that is arriving: what a connection brings goes into it, and the digest of what went in comes out.

    arriving = ArrivingFile(descriptor, size)
    arriving.write(...)  # PIECE bytes at a time
    arriving.hexdigest()

What was received just now is hashed and written while the processor still has it in its own cache, which is why
`PIECE` is what it is, and a file that is told its size first costs a third less than one that grows: see
docs/decisions/artifacts.md.
"""

from __future__ import annotations

import errno
import os

from blake3 import blake3

PIECE = 512 << 10
"""Bytes to receive at a time."""
_WORTH_IT = 1 << 20
"""Bytes: of a smaller file the disk is not told before."""
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP, errno.ENODEV, errno.ESPIPE})
"""What it fails with where room cannot be had before."""


class ArrivingFile:
    """An empty file, open for writing; nobody else writes to it."""

    def __init__(self, descriptor: int, expected: int = 0) -> None:
        """Of so many bytes, if all goes well."""
        self.size = 0
        """Bytes that have come."""
        self._descriptor = descriptor
        self._expected = expected
        self._hasher = blake3()

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes. Raises OSError."""
        if self._expected >= _WORTH_IT:
            self._take_room()
        self._hasher.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self.size += len(data)

    def hexdigest(self) -> str:
        """Return the digest of what has come."""
        digest: str = self._hasher.hexdigest()
        return digest

    def _take_room(self) -> None:
        """Have the disk set aside what is expected, once."""
        expected, self._expected = self._expected, 0
        try:
            os.posix_fallocate(self._descriptor, 0, expected)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
