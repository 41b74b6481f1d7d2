"""Our standard input as that of a job: what comes is pumped through a pipe.

The descriptor itself is never handed over. A job could change the flags and the position that all who have it share,
open the file behind it again (/proc/self/fd/0) for writing, or, if it is a terminal, make that do anything.
"""

from __future__ import annotations

import os

from maelstrom_core.errors import UserError
from maelstrom_worker.blocking import BlockingLoop

CHUNK = 1 << 16


def check_input(source: int = 0) -> None:
    """Raise UserError where there is no standard input."""
    try:
        os.fstat(source)
    except OSError as error:
        raise _unreadable(error) from error


class InputFeed:
    """Feeds one job; an `Attendant` of `SingleJob.run`. At most a chunk is in hand that the job has not taken."""

    busy = False

    def __init__(self, source: int = 0) -> None:
        self._source = source
        self._loop: BlockingLoop
        self._pipe = -1
        self._rest = b""

    def begin(self, loop: BlockingLoop) -> int:
        """Begin to read; return the descriptor for the job. Raises OSError."""
        self._loop = loop
        passed, self._pipe = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._pipe, False)
        loop.add_reader(self._source, self._on_input)
        return passed

    def started(self) -> None:
        """Need nothing."""

    def ended(self) -> None:
        """Read no more."""
        self.close()

    def close(self) -> None:
        """Let the job see the end of its input, if it lives."""
        if self._pipe >= 0:
            self._loop.remove_reader(self._source)
            self._loop.remove_writer(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    def _on_input(self) -> None:
        try:
            data = os.read(self._source, CHUNK)
        except BlockingIOError:  # somebody else who shares it was faster
            return
        except OSError as error:
            raise _unreadable(error) from error
        if not data:
            self.close()
            return
        self._rest = data
        self._loop.remove_reader(self._source)
        self._loop.add_writer(self._pipe, self._on_room)
        self._on_room()

    def _on_room(self) -> None:
        try:
            self._rest = self._rest[os.write(self._pipe, self._rest) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # the job wants no more
            self.close()
            return
        if not self._rest:
            self._loop.remove_writer(self._pipe)
            self._loop.add_reader(self._source, self._on_input)


def _unreadable(error: OSError) -> UserError:
    return UserError(f"failed to read standard input for the job: {error.strerror}")
