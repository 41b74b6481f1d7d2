"""Our standard streams as those of a job: what comes is pumped through pipes, both ways, while it runs.

No descriptor of ours is ever handed over. A job could change the flags and the position that all who have it share,
open the file behind it again (/proc/self/fd/0) for writing, or, if it is a terminal, make that do anything.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from maelstrom_client.pipes import CHUNK, OutputPipes
from maelstrom_core.errors import UserError
from maelstrom_worker.blocking import BlockingLoop
from maelstrom_worker.passing import offer


def check_input(source: int = 0) -> None:
    """Raise UserError where there is no standard input."""
    try:
        os.fstat(source)
    except OSError as error:
        raise _unreadable(error) from error


class LiveStreams:
    """Has one job read what we read, and shows what it writes as it comes; an `Attendant` of `SingleJob.run`.

    A job whose output nobody takes stops in its write, as natively.
    """

    busy = False

    def __init__(self, stdout: BinaryIO, stderr: BinaryIO, source: int = 0) -> None:
        self._feed = InputFeed(source)
        self._shown = (stdout, stderr)
        self._pipes: OutputPipes[BinaryIO] | None = None
        self.unfinished = False
        """Whether the last thing that was shown is a line without an end, to which a message of ours would be added."""

    def begin(self, loop: BlockingLoop) -> int:
        """Make the job's streams; return what it is passed. Raises OSError."""
        pipes = self._pipes = OutputPipes(loop, self._show)
        ends = [self._feed.begin(loop)]
        try:
            ends += (pipes.open(stream) for stream in self._shown)
            ours, offered = offer(ends)
        finally:
            for end in ends:
                os.close(end)
        ours.close()
        return offered.detach()

    def started(self) -> None:
        """Need nothing."""

    def ended(self) -> None:
        """Show what the job has written last: nobody writes any more."""
        self._feed.ended()
        if self._pipes is not None:
            self._pipes.finish()

    def close(self) -> None:
        """Let go of the job's streams."""
        self._feed.close()
        if self._pipes is not None:
            self._pipes.close()

    def _show(self, stream: BinaryIO, data: bytes) -> None:
        stream.write(data)
        stream.flush()
        beside_messages = stream is self._shown[1] or stream.isatty()
        self.unfinished = beside_messages and not data.endswith(b"\n")


class InputFeed:
    """Feeds one job. At most a chunk is in hand that the job has not taken."""

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
