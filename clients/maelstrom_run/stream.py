"""Runs a stream of jobs: each starts as soon as its JSON object is complete, and is shown as soon as it is done.

Knows neither where the stream comes from nor what runs the jobs. Work per job is kept small (a call, no future, no
task): streams of many thousand short jobs are common.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Protocol

import msgspec

from maelstrom_core.errors import SpecError
from maelstrom_core.job import DEFAULT_INLINE_LIMIT, Outcome
from maelstrom_core.json_stream import Document, JsonStream
from maelstrom_core.run_input import RunInput
from maelstrom_core.spec import JobSpec
from maelstrom_run.backend import Client
from maelstrom_run.present import FAILURE, ExitCode, Printer, exit_code

BACKLOG = 10_000
"""Unfinished jobs at which reading pauses. Large, since only jobs that were read can go by their priority."""
BURST = 64
"""Objects taken from one chunk before results get their turn."""


class Turn(Protocol):
    """One turn of an event loop."""

    def __call__(self, *, wait: bool) -> None:
        """Make the calls that are due; wait until there are some, or not."""


class StreamOptions(msgspec.Struct, frozen=True):
    """What is the same for all jobs. `timeout` (seconds, 0 for none) replaces that of the jobs, if given."""

    timeout: float | None = None
    inline_limit: int = DEFAULT_INLINE_LIMIT
    backlog: int = BACKLOG


class Stream:
    """The jobs of one stream; `run` is called once. `turn` waits for something to happen, or only looks for it."""

    def __init__(self, client: Client, printer: Printer, options: StreamOptions, turn: Turn) -> None:
        self._client = client
        self._printer = printer
        self._options = options
        self._turn = turn
        self._exit_code = ExitCode()
        self._input = RunInput()
        self._number = 0  # of the last job that was read
        self._unfinished = 0
        self._silent = False

    def run(self, chunks: Iterator[bytes]) -> int:
        """Run all jobs to their end; return the exit code.

        An object that is wrong ends the reading; what was read before is run to its end.
        """
        try:
            try:
                self._read(chunks)
            except SpecError as error:
                self._printer.error(error)
                self._exit_code.add(error.exit_code)
            self._wait_until(0)
        except BaseException:
            self._silent = True  # the client will now cancel every job: not worth a line each
            raise
        return self._exit_code.code

    def _read(self, chunks: Iterator[bytes]) -> None:
        parser = JsonStream()
        for chunk in chunks:
            for count, document in enumerate(parser.feed(chunk), 1):
                self._take(document)
                if self._unfinished >= self._options.backlog:
                    self._wait_until(self._options.backlog - 1)
                elif not count % BURST:
                    self._turn(wait=False)
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
        report = partial(self._done, number)
        self._unfinished += 1
        try:
            self._client.start(spec, report, inline_limit=self._options.inline_limit)
        except SpecError as error:
            self._unfinished -= 1
            self._printer.error(error, number)
            self._exit_code.add(FAILURE)

    def _done(self, number: int, outcome: Outcome) -> None:
        self._unfinished -= 1
        if self._silent:
            return
        self._printer.show(outcome, number)
        self._exit_code.add(exit_code(outcome))

    def _wait_until(self, unfinished: int) -> None:
        """Wait until no more than `unfinished` jobs are."""
        while self._unfinished > unfinished:
            self._turn(wait=True)
