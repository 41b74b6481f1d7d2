"""Runs a stream of jobs: each starts as soon as its JSON object is complete, and is shown as soon as it is done.

Neither knows where the stream comes from nor what runs the jobs. Work per job is kept small (a callback, no task):
streams of many thousand short jobs are common.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from maelstrom_core.errors import MaelstromError, SpecError
from maelstrom_core.job import DEFAULT_INLINE_LIMIT, Cancelled, Outcome
from maelstrom_core.json_stream import Document, JsonStream
from maelstrom_core.run_input import RunInput
from maelstrom_core.spec import JobSpec
from maelstrom_run.backend import Client
from maelstrom_run.present import FAILURE, ExitCode, Printer, exit_code

BACKLOG = 10_000
"""Unfinished jobs at which reading pauses. Large, since only jobs that were read can go by their priority."""
BURST = 64
"""Objects taken from one chunk before results get their turn."""


class StreamOptions(msgspec.Struct, frozen=True):
    """What is the same for all jobs. `timeout` (seconds, 0 for none) replaces that of the jobs, if given."""

    timeout: float | None = None
    inline_limit: int = DEFAULT_INLINE_LIMIT
    backlog: int = BACKLOG


class Stream:
    """The jobs of one stream; `run` is called once."""

    def __init__(self, client: Client, printer: Printer, options: StreamOptions) -> None:
        self._client = client
        self._printer = printer
        self._options = options
        self._exit_code = ExitCode()
        self._input = RunInput()
        self._number = 0  # of the last job that was read
        self._unfinished = 0
        self._fatal: Exception | None = None
        self._progress: asyncio.Future[None] | None = None  # whom to wake when a job is done
        self._task: asyncio.Task[int] | None = None
        self._silent = False

    async def run(self, chunks: AsyncIterator[bytes]) -> int:
        """Run all jobs to their end; return the exit code.

        An object that is wrong ends the reading; what was read before is run to its end.
        """
        self._task = asyncio.current_task()
        try:
            try:
                await self._read(chunks)
            except SpecError as error:
                self._printer.error(error)
                self._exit_code.add(error.exit_code)
            await self._wait_until(0)
        except asyncio.CancelledError:
            self._silent = True  # the client will now cancel every job: not worth a line each
            if self._fatal is not None:
                raise self._fatal from None
            raise
        return self._exit_code.code

    async def _read(self, chunks: AsyncIterator[bytes]) -> None:
        parser = JsonStream()
        async for chunk in chunks:
            for count, document in enumerate(parser.feed(chunk), 1):
                self._take(document)
                if self._unfinished >= self._options.backlog:
                    await self._wait_until(self._options.backlog - 1)
                elif not count % BURST:
                    await asyncio.sleep(0)
        parser.finish()

    def _take(self, document: Document) -> None:
        try:
            item = self._input.parse(document.value)
        except SpecError as error:
            raise SpecError(f"object at line {document.line}: {error.message}", hint=error.hint) from None
        if isinstance(item, JobSpec):
            self._start(item)
        else:
            for name, container in item.items():
                self._client.add_container(name, container)

    def _start(self, spec: JobSpec) -> None:
        self._number = number = self._number + 1
        if self._options.timeout is not None:
            spec = msgspec.structs.replace(spec, timeout=self._options.timeout or None)
        try:
            future = self._client.submit(spec, inline_limit=self._options.inline_limit)
        except SpecError as error:
            self._printer.error(error, number)
            self._exit_code.add(FAILURE)
            return
        self._unfinished += 1
        future.add_done_callback(lambda done: self._done(number, done))

    def _done(self, number: int, future: asyncio.Future[Outcome]) -> None:
        self._unfinished -= 1
        try:
            self._show(number, future)
        except Exception as error:  # noqa: BLE001 - raised by `run`, wherever it is waiting
            self._fatal = error
            if self._task is not None:
                self._task.cancel()
        if self._progress is not None and not self._progress.done():
            self._progress.set_result(None)

    def _show(self, number: int, future: asyncio.Future[Outcome]) -> None:
        if self._silent:
            return
        try:
            outcome = Cancelled() if future.cancelled() else future.result()
        except MaelstromError as error:
            self._printer.error(error, number)
            self._exit_code.add(FAILURE)
        else:
            self._printer.show(outcome, number)
            self._exit_code.add(exit_code(outcome))

    async def _wait_until(self, unfinished: int) -> None:
        """Wait until no more than `unfinished` jobs are."""
        while self._unfinished > unfinished:
            self._progress = asyncio.get_running_loop().create_future()
            await self._progress
            self._progress = None
