"""Runs many jobs: each starts as soon as it is known and there is room for it, and is shown as soon as it is done.

Knows neither where the jobs come from nor what runs them. Work per job is kept small (a call, no future, no task): runs
of many thousand short jobs are common. What is in memory is bounded by the jobs that are unfinished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

import msgspec

from maelstrom_core.errors import SpecError
from maelstrom_core.job import DEFAULT_INLINE_LIMIT, ExecutionError, Outcome
from maelstrom_run.backend import Client
from maelstrom_run.log_file import JobLog
from maelstrom_run.ordered import Ordered
from maelstrom_run.present import ExitCode, Shown, exit_code, job_label
from maelstrom_run.progress import Counts, early_end
from maelstrom_run.task import Finished, Task, may_be_retried

BACKLOG = 10_000
"""Unfinished jobs at which reading pauses. Large, since only jobs that were read can go by their priority."""
BURST = 64
"""Jobs that are started before results get their turn."""
HELD_BYTES = 64 << 20
"""Output that waits for its turn, in bytes, at which reading pauses."""


class Turn(Protocol):
    """One turn of an event loop."""

    def __call__(self, *, wait: bool) -> None:
        """Make the calls that are due; wait until there are some, or not."""


class ManyOptions(msgspec.Struct, frozen=True):
    """What is the same for all jobs. `timeout` (seconds, 0 for none) replaces that of the jobs, if given."""

    timeout: float | None = None
    inline_limit: int = DEFAULT_INLINE_LIMIT
    backlog: int = BACKLOG
    retries: int = 0
    stop_after: int = 0
    """Failed jobs after which the run ends; 0 for no such number."""
    keep_order: bool = False


class _EnoughError(Exception):
    """So many jobs have failed that the run ends."""


class _Unfinished(msgspec.Struct):
    """A job that was given to the client."""

    task: Task
    attempts: int = 0
    identity: object = None


class ManyJobs:
    """The jobs of one run; `run` is called once. `turn` waits for something to happen, or only looks for it.

    `watch` is told the counts whenever they change; `clock` gives the time, in seconds since 1970.
    """

    def __init__(
        self,
        client: Client,
        shown: Shown,
        options: ManyOptions,
        turn: Turn,
        *,
        log: JobLog | None = None,
        watch: Callable[[Counts], object] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.counts = Counts()
        self._client = client
        self._shown = shown
        self._options = options
        self._turn = turn
        self._log = log
        self._watch = watch
        self._clock = clock
        self._exit_code = ExitCode()
        self._order = Ordered() if options.keep_order else None
        self._unfinished: dict[int, _Unfinished] = {}
        self._silent = False

    def run(self, tasks: Iterable[Task]) -> int:
        """Run all jobs to their end; return the exit code.

        A SpecError that comes instead of a job ends the reading; what was read before is run to its end.
        """
        try:
            try:
                self._take_all(tasks)
            except SpecError as error:
                self._shown.error(error)
                self._exit_code.add(error.exit_code)
            while self._unfinished:
                self._turn(wait=True)
        except _EnoughError:
            self._end_early(f"stopped after {self._options.stop_after} failed jobs: ")
        except KeyboardInterrupt:
            self._end_early("", interrupted=True)
            raise
        finally:
            self._silent = True  # the client will now cancel every job that is left: not worth a line each
        return self._exit_code.code

    def _take_all(self, tasks: Iterable[Task]) -> None:
        number = 0
        for task in tasks:
            number = task.number
            if not self._is_known(task):
                self._start(task)
            if self._is_full():
                while self._is_full():
                    self._turn(wait=True)
            elif not number % BURST:
                self._turn(wait=False)
        self.counts.total = number
        if self._log is not None:
            self._log.check_end(number)

    def _is_full(self) -> bool:
        unfinished = len(self._unfinished)
        if unfinished >= self._options.backlog:
            return True
        order = self._order
        return order is not None and unfinished > 0 and (len(order) >= BACKLOG or order.size >= HELD_BYTES)

    def _is_known(self, task: Task) -> bool:
        """Tell whether a job has ended in an earlier run, and take note of how."""
        code = None if self._log is None else self._log.code(task)
        if code is None:
            return False
        self.counts.known += 1
        self._exit_code.add(code)
        if self._order is not None:
            for finished in self._order.skip(task.number):
                self._show(finished)
        return True

    def _start(self, task: Task) -> None:
        if self._options.timeout is not None:
            spec = msgspec.structs.replace(task.spec, timeout=self._options.timeout or None)
            task = msgspec.structs.replace(task, spec=spec)
        self._unfinished[task.number] = unfinished = _Unfinished(task)
        self.counts.unfinished += 1
        self._attempt(unfinished)

    def _attempt(self, unfinished: _Unfinished) -> None:
        task = unfinished.task
        unfinished.attempts += 1
        try:
            unfinished.identity = self._client.start(
                task.spec,
                partial(self._done, unfinished),
                inline_limit=self._options.inline_limit,
                variables=task.variables,
            )
        except SpecError as error:
            self._done(unfinished, ExecutionError(error.message, error.hint))

    def _done(self, unfinished: _Unfinished, outcome: Outcome) -> None:
        if self._silent:
            return
        if unfinished.attempts <= self._options.retries and may_be_retried(outcome):
            self._attempt(unfinished)
            return
        task, counts = unfinished.task, self.counts
        del self._unfinished[task.number]
        finished = Finished(task, outcome, self._clock(), unfinished.attempts)
        counts.unfinished -= 1
        counts.succeeded += finished.success
        counts.failed += not finished.success
        self._exit_code.add(exit_code(outcome))
        if self._order is None:
            self._show(finished)
        else:
            for due in self._order.add(finished):
                self._show(due)
        if self._watch is not None:
            self._watch(counts)
        if not finished.success and counts.failed == self._options.stop_after:
            raise _EnoughError

    def _show(self, finished: Finished) -> None:
        """Show a job, and only then log it: what is logged is not run again, so its output would be lost."""
        self._shown.show(finished)
        if self._log is not None:
            self._log.add(finished)

    def _end_early(self, reason: str, *, interrupted: bool = False) -> None:
        """Show what is done, and say what is left."""
        self._silent = True
        for finished in self._order.rest() if self._order is not None else ():
            self._show(finished)
        running = [each.task for each in self._unfinished.values() if self._client.is_running(each.identity)]
        labels = [job_label(task.number, task.input) for task in running]
        kept = any(task.spec.out is not None or task.spec.capture is not None for task in running)
        lost = "; no files are kept of what was running" if kept else ""
        if self.counts.done or self._unfinished:
            self._shown.note(f"{reason}{early_end(self.counts, labels)}{lost}", interrupted=interrupted)
