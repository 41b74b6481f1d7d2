"""Running the tests of a native runner: which job is next, what becomes of each test.

Tests come while others run. Each is told about exactly once, after as many attempts as it takes. Knows neither
containers nor terminals.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Protocol

import msgspec

from maelstrom_core.job import Outcome
from maelstrom_core.limit_words import limited
from maelstrom_core.spec import JobSpec
from maelstrom_test_runner.directives import Directives, Treatment
from maelstrom_test_runner.history import History, Past
from maelstrom_test_runner.live import LiveOutput, submit_shown
from maelstrom_test_runner.native import Case, NativeRunner, Verdict, after_attempts, ignored, not_run
from maelstrom_test_runner.runner import Runner
from maelstrom_test_runner.slow import SlowAlarm
from maelstrom_test_runner.status import Status

WINDOW = 512
"""Jobs that are handed to the runner at a time: enough for it to choose from, few enough to be made as needed."""
SHORT = 0.05
"""Seconds below which it does not matter which of two tests begins first: they begin in the order in which they came,
so that jobs of one program follow each other, which makes them cheap."""


class Listener(Protocol):
    """Is told what happens to the tests of a run."""

    def started(self, case: Case) -> None:
        """Take note of a test that begins."""

    def requeued(self, case: Case) -> None:
        """Take note that it will be started again."""

    def finished(self, case: Case, verdict: Verdict) -> None:
        """Take note of its verdict."""

    def wrote(self, case: Case, stream: str, text: str) -> None:
        """Take note of what it has written; only where that is shown as it comes."""

    def note(self, text: str) -> None:
        """Take note of something that is worth a line."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of a run, as the command line has it."""

    slots: int = 1
    timeout: float | None = None
    """Seconds, 0 for none; None: what directives say."""
    retries: int = 0
    stop_after: int = 0
    slow_after: float = 0.0
    show: bool = False
    """Tell what tests write as it comes."""
    shown: Callable[[str], str] = str
    """Returns what people want to see of it."""
    file_name: str = ""
    """What the project's file is called."""


class _Work(msgspec.Struct, frozen=True, eq=False):
    """A test that waits or runs."""

    case: Case
    attempts: tuple[Verdict, ...] = ()
    live: LiveOutput | None = None
    heard: bool = False
    """It is listened to while it runs: the end of what it writes is kept then, not the beginning."""


class NativeRun:
    """The state of a run, in an event loop: what waits, what runs, and how many have failed."""

    def __init__(
        self,
        runner: Runner,
        native: NativeRunner,
        listener: Listener,
        directives: Directives,
        *,
        history: History,
        wishes: Wishes,
        urgent: Callable[[Case], bool] = lambda _: False,
    ) -> None:
        """`urgent` tests are wanted before all others."""
        self.failures = 0
        self._runner = runner
        self._native = native
        self._listener = listener
        self._directives = directives
        self._nothing = directives.treatment({})
        self._history = history
        self._wishes = wishes
        self._urgent = urgent
        self._window = wishes.slots if wishes.show else WINDOW  # each of them takes descriptors of ours
        self._queue: list[tuple[int, float, int, _Work]] = []
        self._numbers = count()
        self._flying: dict[asyncio.Future[Outcome], _Work] = {}
        self._failed: set[str] = set()
        self._noted: set[str] = set()
        self._all_known = False
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = loop.create_future()
        self._slow = SlowAlarm(wishes.slow_after, self._remark, loop.call_later) if wishes.slow_after else None

    def past(self, case: Case) -> Past | None:
        """Return what is remembered of a test."""
        return self._history.get(case.name, 0)

    def is_ignored(self, case: Case) -> bool:
        """Tell whether a test is not to be run."""
        return case.ignored is not None or self._treatment(case).ignore

    def add(self, cases: Sequence[Case]) -> None:
        """Take in some tests, and begin with them. Raises SpecError."""
        for case in cases:
            if case.ignored is not None:
                self._listener.finished(case, ignored(case.ignored))
            elif self._treatment(case).ignore:
                self._listener.finished(case, ignored(f"a directive of {self._wishes.file_name}"))
            elif case.known is not None:
                self._listener.finished(case, case.known)
            else:
                self._push(_Work(case))
        self._submit()

    def end(self) -> None:
        """Take note that no more tests will come."""
        self._all_known = True
        self._submit()

    async def wait(self) -> None:
        """Wait until all is over, or enough has failed. Raises what the runner raises."""
        await self._over

    def stop(self) -> None:
        """Let go of what still runs."""
        for future, work in list(self._flying.items()):
            self._runner.cancel(future)
            if work.live is not None:
                work.live.close()
        self._flying.clear()
        self._queue.clear()
        if self._slow is not None:
            self._slow.stop()
        self._over.cancel()

    def spec(self, case: Case) -> JobSpec:
        """Return the whole job of a test. Raises SpecError."""
        said, past = self._treatment(case), self.past(case)
        timeout = self._wishes.timeout if self._wishes.timeout is not None else said.timeout or None
        priority, seconds = self._rank(case, past)
        return msgspec.structs.replace(
            self._native.job(case, said),
            timeout=timeout or None,
            slots=said.slots,
            priority=priority,
            estimated_duration=seconds,
        )

    def _treatment(self, case: Case) -> Treatment:
        return self._directives.treatment(case.facts) if self._directives.all else self._nothing

    def _rank(self, case: Case, past: Past | None) -> tuple[int, float | None]:
        """Return how much a test is wanted before others, and how long it will probably take."""
        priority = 2 * self._urgent(case) + (past is not None and past.failed)
        seconds = None if past is None else past.seconds
        return priority, None if seconds is None else 0.0 if seconds < SHORT else seconds

    def _push(self, work: _Work) -> None:
        priority, seconds = self._rank(work.case, self.past(work.case))
        length = float("inf") if seconds is None else seconds
        heapq.heappush(self._queue, (-priority, -length, next(self._numbers), work))

    @property
    def _stopped(self) -> bool:
        return bool(self._wishes.stop_after) and self.failures >= self._wishes.stop_after

    def _submit(self) -> None:
        """Hand out jobs as far as the window goes; see whether all is over."""
        while self._queue and len(self._flying) < self._window and not self._stopped:
            self._start(heapq.heappop(self._queue)[-1])
        if (self._stopped or (self._all_known and not self._flying)) and not self._over.done():
            self._over.set_result(None)

    def _start(self, work: _Work) -> None:
        spec = self.spec(work.case)
        on_start = partial(self._on_start, work)
        if self._wishes.show or work.heard:
            take = partial(self._wrote, work.case)
            future, live = submit_shown(self._runner, spec, spec.stdin.encode(), on_start=on_start, take=take)
            work = msgspec.structs.replace(work, live=live)
        else:
            future = self._runner.submit(spec, stdin=b"", on_start=on_start)
        self._flying[future] = work
        future.add_done_callback(self._on_end)

    def _wrote(self, case: Case, stream: str, text: str) -> None:
        if self._wishes.show and (shown := self._wishes.shown(text)):
            self._listener.wrote(case, stream, shown)

    def _on_start(self, work: _Work) -> None:
        self._listener.started(work.case)
        if self._slow is not None:
            self._slow.begin(work.case.test, work.case.name)

    def _on_end(self, future: asyncio.Future[Outcome]) -> None:
        work = self._flying.pop(future, None)
        if work is None:  # nobody wants to know any more
            return
        if self._slow is not None:
            self._slow.end(work.case.test)
        if self._over.done():
            if work.live is not None:
                work.live.close()
            return
        try:
            outcome = future.result()
            self._judge(work, outcome if work.live is None else work.live.finish(outcome))
            self._submit()
        except BaseException as error:  # noqa: BLE001 - a callback: whoever waits for the end gets it
            if not self._over.done():
                self._over.set_exception(error)

    def _judge(self, work: _Work, outcome: Outcome) -> None:
        case = work.case
        if (told := limited(outcome)) is not None and told.lacking is not None:
            self._note_once(told.lacking)
        verdict = not_run(outcome) or self._native.judge(case, outcome)
        if verdict.unheard and work.live is None:
            self._listener.requeued(case)
            self._push(_Work(case, work.attempts, heard=True))
            return
        failed = verdict.status.is_failure
        if failed and not verdict.infrastructure and len(work.attempts) < self._wishes.retries:
            self._listener.requeued(case)
            self._push(_Work(case, (*work.attempts, verdict)))
            return
        self.failures += failed
        if failed:
            self._failed.add(case.name)
        if not verdict.infrastructure and verdict.status is not Status.SKIPPED:
            self._remember(case, verdict)
        self._listener.finished(case, after_attempts(verdict, work.attempts))

    def _remember(self, case: Case, verdict: Verdict) -> None:
        """Take note of a result for later runs; a part of a test says how the whole fares only where it fails."""
        failed, seconds = case.name in self._failed, verdict.seconds
        if verdict.partial:
            if not failed:
                return
            past = self.past(case)
            seconds = past.seconds if past is not None and past.seconds is not None else seconds
        self._history.add(case.name, 0, seconds=seconds, failed=failed)

    def _note_once(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            self._listener.note(text)

    def _remark(self, text: str) -> None:
        try:
            self._listener.note(text)
        except BaseException as error:  # noqa: BLE001 - a callback: whoever waits for the end gets it
            if not self._over.done():
                self._over.set_exception(error)
