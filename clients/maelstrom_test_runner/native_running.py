"""Running the tests of a native runner: which job is next, what becomes of each test.

Tests come while others run. Each is told about exactly once, after as many attempts as it takes. Where several share a
job, whoever has no verdict of it is run alone; so is whoever failed, where they share one only to save time. Knows
neither containers nor terminals.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import count
from typing import Protocol

import msgspec

from maelstrom_core.job import Outcome, SystemFailure, effects_of
from maelstrom_core.limit_words import limited
from maelstrom_core.spec import JobSpec
from maelstrom_test_runner.companies import companies, families
from maelstrom_test_runner.directives import Directives, Treatment
from maelstrom_test_runner.history import History, Past
from maelstrom_test_runner.live import LiveOutput, submit_shown
from maelstrom_test_runner.native import (
    Case,
    Isolation,
    NativeRunner,
    SharingRunner,
    Verdict,
    after_attempts,
    ignored,
    not_run,
)
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

    def started(self, cases: Sequence[Case]) -> None:
        """Take note of tests that begin: those of one job."""

    def requeued(self, cases: Sequence[Case]) -> None:
        """Take note that they will be started again."""

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
    """A test that waits or runs, or several that share a job."""

    cases: tuple[Case, ...]
    attempts: tuple[Verdict, ...] = ()
    lost: int = 0
    """How often the machinery has given it up: that says nothing of a test, so it is none of its attempts."""
    accused: tuple[Case, ...] = ()
    """The test failed in the company of these."""
    live: LiveOutput | None = None
    heard: bool = False
    """It is listened to while it runs: the end of what it writes is kept then, not the beginning."""

    @property
    def name(self) -> str:
        """What a job goes by for people."""
        first, *others = self.cases
        return f"{first.name}, or one of {len(others)} others in its process," if others else first.name


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
        sharing = native if isinstance(native, SharingRunner) and not wishes.show else None
        self._sharing = None if sharing is None or sharing.isolation is Isolation.TEST else sharing
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
        wanted = []
        for case in cases:
            if case.ignored is not None:
                self._listener.finished(case, ignored(case.ignored))
            elif self._treatment(case).ignore:
                self._listener.finished(case, ignored(f"a directive of {self._wishes.file_name}"))
            elif case.known is not None:
                self._listener.finished(case, case.known)
            else:
                wanted.append(case)
        for members in self._shares(wanted):
            self._push(_Work(members))
        self._submit()

    def _shares(self, cases: Sequence[Case]) -> Sequence[tuple[Case, ...]]:
        """Return which tests share a job; what failed the last time is alone, since it would be run alone anyway."""
        sharing = self._sharing
        if sharing is None:
            return [(case,) for case in cases]

        def kin(case: Case) -> Hashable:
            past, own = self.past(case), sharing.kin(case)
            if own is None or (past is not None and past.failed):
                return None
            return own, id(self._treatment(case)), case.repetition

        def seconds(case: Case) -> float | None:
            past = self.past(case)
            return None if past is None else past.seconds

        if sharing.isolation is Isolation.AUTO:
            return companies(cases, kin=kin, seconds=seconds, slots=self._wishes.slots)
        return families(cases, kin=kin)

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
        return self._spec((case,))

    def _spec(self, cases: Sequence[Case]) -> JobSpec:
        said = self._treatment(cases[0])
        timeout = self._wishes.timeout if self._wishes.timeout is not None else said.timeout or None
        priority, seconds = self._rank(cases)
        if self._sharing is not None and len(cases) > 1:
            job = self._sharing.shared_job(cases, said)
        else:
            job = self._native.job(cases[0], said)
        return msgspec.structs.replace(
            job,
            timeout=timeout or None,
            **said.requirements,
            priority=priority,
            estimated_duration=seconds,
        )

    def _treatment(self, case: Case) -> Treatment:
        return self._directives.treatment(case.facts) if self._directives.all else self._nothing

    def _rank(self, cases: Sequence[Case]) -> tuple[int, float | None]:
        """Return how much a job is wanted before others, and how long it will probably take."""
        pasts = [self.past(case) for case in cases]
        urgent, failed = any(map(self._urgent, cases)), any(past is not None and past.failed for past in pasts)
        known = [past.seconds for past in pasts if past is not None and past.seconds is not None]
        if len(known) < len(cases):
            return 2 * urgent + failed, None
        seconds = sum(known)
        return 2 * urgent + failed, 0.0 if seconds < SHORT else seconds

    def _push(self, work: _Work) -> None:
        priority, seconds = self._rank(work.cases)
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
        spec = self._spec(work.cases)
        on_start = partial(self._on_start, work)
        if self._wishes.show or work.heard:
            take = partial(self._wrote, work.cases[0])
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
        self._listener.started(work.cases)
        if self._slow is not None:
            self._slow.begin(work.cases[0].test, work.name)

    def _on_end(self, future: asyncio.Future[Outcome]) -> None:
        work = self._flying.pop(future, None)
        if work is None:  # nobody wants to know any more
            return
        if self._slow is not None:
            self._slow.end(work.cases[0].test)
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
        if (told := limited(outcome)) is not None and told.lacking is not None:
            self._note_once(told.lacking)
        if isinstance(outcome, SystemFailure) and work.lost < self._wishes.retries:
            self._again(msgspec.structs.replace(work, lost=work.lost + 1))
            return
        if len(work.cases) > 1:
            self._judge_shared(work, outcome)
            return
        verdict = _placed(not_run(outcome) or self._native.judge(work.cases[0], outcome), outcome)
        if verdict.unheard and work.live is None:
            self._again(msgspec.structs.replace(work, heard=True))
            return
        self._report(work, verdict)

    def _judge_shared(self, work: _Work, outcome: Outcome) -> None:
        """Report what several tests have come to in one job; run the others alone, those in doubt as well."""
        assert self._sharing is not None  # noqa: S101 - for the type checker
        verdicts: Sequence[Verdict | None] = [None] * len(work.cases)
        if not_run(outcome) is None:
            verdicts = self._sharing.judge_shared(work.cases, outcome)
        in_doubt = self._sharing.isolation is Isolation.AUTO
        for index, (case, verdict) in enumerate(zip(work.cases, verdicts, strict=True)):
            if self._stopped:
                return
            if verdict is None:
                self._again(_Work((case,)))
            elif in_doubt and verdict.status.is_failure:
                self._again(_Work((case,), accused=work.cases[:index]))
            else:
                self._report(_Work((case,)), _placed(verdict, outcome))

    def _again(self, work: _Work) -> None:
        self._listener.requeued(work.cases)
        self._push(msgspec.structs.replace(work, live=None))

    def _report(self, work: _Work, verdict: Verdict) -> None:
        """Report what has become of a test, if this was its last attempt."""
        case, failed = work.cases[0], verdict.status.is_failure
        if work.accused and not failed:
            self._listener.note(
                f"{case.name} failed after {len(work.accused)} other tests in its process and passed alone: one of "
                f"them leaks, from {work.accused[0].name} on"
            )
        if failed and not verdict.infrastructure and len(work.attempts) < self._wishes.retries:
            self._again(_Work((case,), (*work.attempts, verdict), work.lost))
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


def _placed(verdict: Verdict, outcome: Outcome) -> Verdict:
    """Return a verdict with where its job ran, if that was on a cluster."""
    effects = effects_of(outcome)
    return verdict if effects is None or effects.ran is None else msgspec.structs.replace(verdict, ran=effects.ran)
