"""What tests write, shown as it comes (--show-output): pipes as a job's standard streams, read in the event loop.

`Lines` cuts what comes into whole lines, pure; `LiveOutput` has the pipes of one job. Its standard input is a file in
memory with what it is to do. What a job writes last is read when it has ended: nobody has the pipes then.
"""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from maelstrom_client.pipes import OutputPipes
from maelstrom_core.errors import InfrastructureError
from maelstrom_core.job import Exited, Outcome, Output, Signaled, TimedOut
from maelstrom_core.spec import JobSpec
from maelstrom_worker.passing import offer

if TYPE_CHECKING:
    from maelstrom_test_runner.runner import Runner

LONGEST = 1 << 16
"""Characters after which a line is shown though it has no end."""
KEPT = 1 << 15
"""Bytes of each stream that are kept for a message about a job that came to grief."""
STREAMS = ("stdout", "stderr")

Take = Callable[[str, str], object]
"""Is given the name of a stream, and a text of whole lines."""


class Lines:
    """Bytes in, texts of whole lines out."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def add(self, data: bytes) -> str:
        """Return the lines that are complete now; "" where none is."""
        whole, end, self._rest = (self._rest + self._decoder.decode(data)).rpartition("\n")
        if len(self._rest) > LONGEST:
            whole, end, self._rest = whole + end, self._rest, ""
        return whole + end

    def finish(self) -> str:
        """Return what is left without an end."""
        return self._rest + self._decoder.decode(b"", final=True)


class LiveOutput:
    """The standard streams of one job, inside an event loop."""

    def __init__(self, request: bytes, take: Take) -> None:
        """Make them; the job is to read `request`. Raises OSError."""
        self._take = take
        self._pipes = OutputPipes(asyncio.get_running_loop(), self._read)
        self._lines = {name: Lines() for name in STREAMS}
        self._kept = {name: bytearray() for name in STREAMS}
        self._lost = dict.fromkeys(STREAMS, 0)
        ends: list[int] = []
        try:
            ends.append(_file(request))
            ends += (self._pipes.open(name) for name in STREAMS)
            ours, offered = offer(ends)
        except OSError:
            self.close()
            raise
        finally:
            for end in ends:
                os.close(end)
        ours.close()
        self.descriptor = offered.detach()
        """For the job, and then no longer ours."""

    def finish(self, outcome: Outcome) -> Outcome:
        """Show what the job, which has ended, wrote last; return its outcome with the end of what it wrote."""
        self._pipes.finish()
        for name, lines in self._lines.items():
            if rest := lines.finish():
                self._take(name, rest)
        self.close()
        if not isinstance(outcome, Exited | Signaled | TimedOut):
            return outcome
        stdout, stderr = (Output(bytes(self._kept[name]), self._lost[name]) for name in STREAMS)
        effects = msgspec.structs.replace(outcome.effects, stdout=stdout, stderr=stderr)
        return msgspec.structs.replace(outcome, effects=effects)

    def close(self) -> None:
        """Let go of the job's streams."""
        self._pipes.close()

    def _read(self, name: str, data: bytes) -> None:
        self._keep(name, data)
        if text := self._lines[name].add(data):
            self._take(name, text)

    def _keep(self, name: str, data: bytes) -> None:
        kept = self._kept[name]
        kept += data
        if (excess := len(kept) - KEPT) > 0:
            del kept[:excess]
            self._lost[name] += excess


def submit_shown(
    runner: Runner, spec: JobSpec, request: bytes, *, on_start: Callable[[], None], take: Take
) -> tuple[asyncio.Future[Outcome], LiveOutput]:
    """Hand out a job whose output is shown; see `Runner.submit`. Raises InfrastructureError, SpecError."""
    try:
        live = LiveOutput(request, take)
    except OSError as error:
        raise InfrastructureError(f"failed to make pipes for the output of a test: {error.strerror}") from error
    try:
        return runner.submit(spec, stdin=b"", on_start=on_start, descriptor=live.descriptor), live
    except BaseException:
        os.close(live.descriptor)
        live.close()
        raise


def _file(data: bytes) -> int:
    """Return a file in memory, to be read from its beginning. Raises OSError."""
    file = os.memfd_create("request", os.MFD_CLOEXEC)
    with open(file, "wb", closefd=False) as stream:
        stream.write(data)
    os.lseek(file, 0, os.SEEK_SET)
    return file
