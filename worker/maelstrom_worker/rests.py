"""Files for output that exceeds the inline limit: what a worker's jobs print, until it is where clients can fetch it.

Each pool member has one, into which it writes (capture.c); when the job is over its part is copied to one of its own,
so that the member can go on. None of them has a name: whoever dies, and however, they are gone with the last process
that has them. The disk that they take is bounded: see `Rests.share`. Imports the core only.
"""

from __future__ import annotations

import os
from pathlib import Path

from maelstrom_core.job import REST_HEAD, Rest

STREAMS = 2
COPIES = 2
"""Of each byte, at most: what a member has written, and what is on its way to the broker."""


class Rests:
    """Makes them, below a directory; all together, of so many slots, take `limit` bytes at most."""

    def __init__(self, directory: Path, slots: int, limit: int) -> None:
        self._directory = directory
        self.share = limit // (slots * STREAMS * COPIES)
        """Bytes of one stream of one job."""

    def open(self) -> int:
        """Return a new file. Raises OSError."""
        try:
            return os.open(self._directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:  # some file systems know no files without a name
            import tempfile

            descriptor, path = tempfile.mkstemp(dir=self._directory)
            os.unlink(path)
            return descriptor

    def take(self, rest: Rest, limit: int, source: int) -> int:
        """Return a file with what a job has left in its member's, in the form of an artifact; that one is empty then.

        `limit` is what the request allowed for each stream. Raises OSError.
        """
        descriptor = self.open()
        try:
            os.write(descriptor, os.urandom(REST_HEAD))  # so nobody can guess what it will be called
            for stream, size in enumerate((rest.stdout, rest.stderr)):
                _copy(source, stream * limit, min(size, limit), descriptor)
            os.ftruncate(source, 0)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _copy(source: int, at: int, size: int, target: int) -> None:
    """Append a part of a file to another one. Raises OSError."""
    while size > 0:
        copied = os.copy_file_range(source, target, size, offset_src=at)
        if not copied:
            raise OSError("what a job has printed is not there")
        at += copied
        size -= copied
