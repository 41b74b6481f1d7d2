"""Programs of this machine that build and list tests, in an event loop: their output as streams, their ends awaited."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import IO

from maelstrom_test_runner.children import Child

LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of one line."""


class Followed:
    """A program whose output is read in an event loop."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._pidfd = os.pidfd_open(child.process.pid)
        self._ended = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._pidfd, self._end)
        self._transports: list[asyncio.ReadTransport] = []
        self.stdout: asyncio.StreamReader
        self.stderr: asyncio.StreamReader | None = None
        """None where it goes where ours goes."""

    async def open(self) -> None:
        """Begin to read."""
        process = self._child.process
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        self.stdout = await self._read(process.stdout)
        if process.stderr is not None:
            self.stderr = await self._read(process.stderr)

    async def _read(self, pipe: IO[bytes]) -> asyncio.StreamReader:
        reader = asyncio.StreamReader(limit=LINE_LIMIT)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        self._transports.append(transport)
        return reader

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self._child.process.wait()
        self._ended.set_result(None)

    async def wait(self) -> int:
        """Wait for its end; return its exit code, that of a program which a signal has killed is negative."""
        await asyncio.shield(self._ended)
        return self._child.process.returncode

    def close(self) -> None:
        """Read no more."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        for transport in self._transports:
            transport.close()


@asynccontextmanager
async def followed(child: Child, *, patience: float = 0.0) -> AsyncIterator[Followed]:
    """Follow a program; where it still runs at the end, stop it.

    With `patience` it is interrupted first, and has so many seconds to tidy up.
    """
    try:
        program = Followed(child)
        try:
            await program.open()
            yield program
        finally:
            try:
                if patience and child.signal(signal.SIGINT):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(program.wait(), patience)
                if child.signal(signal.SIGKILL):
                    await program.wait()
            finally:
                program.close()
    finally:
        child.close()


@asynccontextmanager
async def started(
    command: Sequence[str],
    directory: str | os.PathLike[str],
    *,
    environment: Mapping[str, str] | None = None,
    patience: float = 0.0,
) -> AsyncIterator[Followed]:
    """Start a program, and follow it: see `children.Child` and `followed`. Raises UserError where it cannot be."""
    async with followed(Child(command, directory, environment=environment), patience=patience) as program:
        yield program
