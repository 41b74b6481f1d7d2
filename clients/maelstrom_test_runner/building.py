"""Programs of this machine that build and list tests: compilers and their like, in an event loop.

Each has a process group of its own, so that ^C is ours, and is gone with all that it has started when nobody wants it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from maelstrom_core.errors import UserError
from maelstrom_test_runner.guard import Guard

LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of one line."""


@asynccontextmanager
async def started(
    command: Sequence[str],
    directory: str | os.PathLike[str],
    *,
    environment: Mapping[str, str] | None = None,
    stderr: int | None = asyncio.subprocess.PIPE,
    patience: float = 0.0,
    guarded: bool = True,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a program with nothing on its input and a pipe for its output; where it still runs at the end, stop it.

    Its environment is ours where there is none; with `stderr` None error output goes where ours goes. With `patience`
    it is interrupted first, and has so many seconds to tidy up. One that is `guarded` ends with us, also by kill -9.
    Raises UserError where it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            limit=LINE_LIMIT,
            process_group=0,
        )
    except OSError as error:
        raise UserError(f"failed to start {command[0]}: {error.strerror}") from error
    guard = Guard(process.pid) if guarded else None
    try:
        yield process
    finally:
        if patience and _signal(process, signal.SIGINT):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.wait()), patience)
        if _signal(process, signal.SIGKILL):
            await process.wait()
        if guard is not None:
            guard.release()


def _signal(process: asyncio.subprocess.Process, number: int) -> bool:
    """Send a signal to a program and what it has started; tell whether it still ran."""
    if process.returncode is not None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    return True
