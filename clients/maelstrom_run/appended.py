"""Files that grow by whole lines: locked against a second run, and mended where a run was killed within a line.

May import the errors of the core only.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from maelstrom_core.errors import InfrastructureError, UserError

CHUNK = 65536


class AppendedFile:
    """An open file; whatever is written goes to its end, with no buffer of ours: what was written outlives us."""

    def __init__(self, path: str, what: str, *, resume: bool) -> None:
        """Open it, `what` being what users call it; one that holds something is refused unless the run is resumed.

        Raises UserError. What is no regular file (a pipe, a terminal) is only written to.
        """
        self._path = path
        self._what = what
        try:
            plain = not Path(path).exists() or Path(path).is_file()
            flags = os.O_RDWR | os.O_CREAT if plain else os.O_WRONLY
            self._descriptor = os.open(path, flags | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY, 0o666)
        except (OSError, ValueError) as error:
            raise UserError(f"failed to open the {what} {path}: {_reason(error)}") from error
        self.plain = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        try:
            if self.plain:
                self._take(resume=resume)
        except BaseException:
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        """Close it, and let others have it."""
        os.close(self._descriptor)

    def mend(self) -> int:
        """Cut off what stands behind the last end of a line; return how many bytes that were. Raises UserError."""
        if not self.plain:
            return 0
        size = position = os.fstat(self._descriptor).st_size
        end = 0
        while position and not end:
            start = max(0, position - CHUNK)
            end = os.pread(self._descriptor, position - start, start).rfind(b"\n") + 1
            end += start if end else 0
            position = start
        if end < size:
            os.ftruncate(self._descriptor, end)
        return size - end

    def lines(self, longest: int) -> Iterator[bytes]:
        """Yield the lines, the ends of lines with them; of one that is longer than `longest` the first part only."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)  # what is written goes to the end all the same
        with open(self._descriptor, "rb", closefd=False) as stream:
            while line := stream.readline(longest):
                yield line

    def append(self, line: bytes) -> None:
        """Write a line, whole or not at all. Raises InfrastructureError where that is not possible."""
        written = 0
        try:
            written = os.write(self._descriptor, line)
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except BrokenPipeError:
            raise
        except OSError as error:
            if written and self.plain:
                self.mend()
            raise InfrastructureError(
                f"failed to write to the {self._what} {self._path}: {error.strerror}",
                hint="when it can be written to again, --joblog with --resume goes on with the jobs that are missing",
            ) from error

    def _take(self, *, resume: bool) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another run is writing to the {self._what} {self._path}",
                hint="wait for its end, or give this run a file of its own",
            ) from None
        except OSError as error:
            raise UserError(f"failed to lock the {self._what} {self._path}: {error.strerror}") from error
        if not resume and os.fstat(self._descriptor).st_size:
            raise UserError(
                f"the {self._what} {self._path} is not empty",
                hint="--joblog with --resume goes on where its run ended; or name another file, or delete it",
            )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
