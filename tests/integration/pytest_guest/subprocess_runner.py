"""Runs the jobs of a run as plain processes: the same guest, the same channel, no container."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Self

from maelstrom_core.job import Effects, Exited, NotForked, Outcome, Output, Signaled, TimedOut
from maelstrom_core.spec import JobSpec

# subprocess can hand a descriptor down but not under another number
TRAMPOLINE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
if sys.argv[1] != "3":
    os.close(int(sys.argv[1]))
os.execve(sys.argv[2], sys.argv[2:], dict(os.environ))
"""


class SubprocessRunner:
    """A `session.Runner` without containers."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(2)
        self.specs: list[JobSpec] = []
        self.outcomes: list[Outcome] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def submit(
        self, spec: JobSpec, *, stdin: bytes, on_start: Callable[[], None] | None = None
    ) -> asyncio.Future[Outcome]:
        return asyncio.ensure_future(self._limited(spec, stdin, on_start))

    def cancel(self, future: asyncio.Future[Outcome]) -> None:
        future.cancel()

    async def _limited(self, spec: JobSpec, stdin: bytes, on_start: Callable[[], None] | None) -> Outcome:
        async with self._slots:
            if on_start is not None:
                on_start()
            return await self.run(spec, stdin=stdin)

    async def run(self, spec: JobSpec, *, stdin: bytes) -> Outcome:
        if spec.template is not None:
            return NotForked("there are no templates here")
        self.specs.append(spec)
        outcome = await self._run(spec, stdin)
        self.outcomes.append(outcome)
        return outcome

    async def _run(self, spec: JobSpec, stdin: bytes) -> Outcome:
        (element,) = spec.container.environment
        environment = {name: value.replace("$$", "$") for name, value in element.vars.items()}
        receiving, sending = os.pipe()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", TRAMPOLINE, str(sending), spec.program, *spec.arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(sending,),
            env=environment,
            cwd=spec.container.working_directory,
            start_new_session=True,
        )
        os.close(sending)
        reader = asyncio.StreamReader(limit=1 << 20)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(receiving, "rb")
        )
        outputs = asyncio.gather(process.communicate(stdin), reader.read())
        timed_out = False
        try:
            async with asyncio.timeout(spec.timeout):
                await process.wait()
        except TimeoutError:
            timed_out = True
        finally:
            with contextlib.suppress(ProcessLookupError):  # what a container's end would take with it
                os.killpg(process.pid, signal.SIGKILL)
        (stdout, stderr), result = await outputs
        transport.close()
        effects = Effects(stdout=Output(stdout), stderr=Output(stderr), result=Output(result))
        if timed_out:
            return TimedOut(effects)
        code = process.returncode or 0
        return Signaled(-code, effects) if code < 0 else Exited(code, effects)
