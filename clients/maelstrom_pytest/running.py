"""Running the tests: which of them share a job, how the job is made, what becomes of each test.

Tests are forked from a template that has collected their file. What cannot be forked, or was collected in another way
alone than with the whole project, gets an interpreter of its own. A test is told about exactly once. Jobs that die in
the middle cost the test that was running, the others are run again (`verdict.judge_job`).

Jobs can begin on a guess, while pytest still collects. Nobody is told anything then: what has ended is held back until
it is known which jobs there are. Those that were guessed right count from there on as if they had begun later; the
others never were. No job can see another, so that is exact whatever is collected in the end.

Knows neither containers nor terminals.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec

from maelstrom_core.errors import MaelstromError
from maelstrom_core.job import Exited, NotForked, Outcome, Signaled, TimedOut
from maelstrom_core.spec import JobSpec, TemplateSpec
from maelstrom_pytest import plan as planning
from maelstrom_pytest.expressions import Learned
from maelstrom_pytest.plan import Isolation, Plan
from maelstrom_pytest.records import NO_TEMPLATE, Expressions, Item, Transcript, parse
from maelstrom_pytest.session import Runner
from maelstrom_pytest.verdict import Verdict, judge_job
from maelstrom_test_runner.history import History, Past

WINDOW = 512
"""Jobs that are handed to the runner at a time: enough for it to choose from, few enough to be made as needed."""


class Listener(Protocol):
    """Is told what happens to the tests of a run."""

    def started(self, items: Sequence[Item]) -> None:
        """Take note of a job with these tests, which begins."""
        ...

    def finished(self, item: Item, verdict: Verdict) -> None:
        """Take note of a test's verdict."""
        ...

    def requeued(self, items: Sequence[Item]) -> None:
        """Take note that a job ended without these tests; they will be started again."""
        ...

    def note(self, text: str) -> None:
        """Take note of something that is worth a line."""
        ...


async def run(
    runner: Runner,
    plan: Plan,
    items: Sequence[Item],
    listener: Listener,
    *,
    isolation: Isolation = Isolation.TEST,
    stop_after: int = 0,
    history: History | None = None,
    verify: int = 0,
    slots: int = 1,
) -> int:
    """Run the tests, all of which are known; see `Run.finish`."""
    whole = Run(runner, plan, listener, isolation=isolation, history=history, slots=slots)
    return await whole.finish(items, stop_after=stop_after, verify=verify)


def _key(item: Item) -> tuple[str, int]:
    return item.nodeid, item.occurrence


def _keys(work: _Work) -> tuple[tuple[str, int, str, bool], ...]:
    """Return what two jobs have in common that do the same."""
    return tuple((item.nodeid, item.occurrence, item.file, item.alone) for item in work.items)


class _Work(msgspec.Struct, frozen=True):
    """Some tests that share a job."""

    items: tuple[Item, ...]
    prune: bool = True
    cold: bool = False
    """Start an interpreter for them."""
    company: bool = False
    """They share it to save time only: what fails among them is to be confirmed alone."""
    accused: tuple[Item, ...] = ()
    """The test failed in the company of these."""
    verified: Verdict | None = None
    """The test has this verdict already, of a fork; only whether it gets the same now is of interest."""


class _Flight(msgspec.Struct):
    """A job that was handed to the runner."""

    work: _Work
    warm: bool
    """Whether it is forked from a template."""
    begun: bool = False


class Run:
    """The state of a run: what waits, what runs, and how many have failed."""

    def __init__(
        self,
        runner: Runner,
        plan: Plan,
        listener: Listener,
        *,
        isolation: Isolation = Isolation.TEST,
        history: History | None = None,
        slots: int = 1,
        hear: Callable[[Sequence[Item], Transcript], object] | None = None,
    ) -> None:
        self.isolation = isolation
        self.mismatches = 0
        self.failures = 0
        self._runner = runner
        self._plan = plan
        self._container = planning.container(plan)
        self._listener = listener
        self._hear = hear
        """Is told what a job has said about these tests, before their verdicts are."""
        self.learned = Learned()
        self._history = history
        self._slots = slots
        self._stop_after = 0
        self._queue: deque[_Work] = deque()
        self._sample: set[tuple[str, int]] = set()
        self._forks: int | None = None
        self._stages: dict[str, planning.Stage] = {}
        self._templates: dict[planning.Stage, TemplateSpec] = {}
        self._unforkable: set[str] = set()
        self._noted: set[str] = set()
        self._flying: dict[asyncio.Future[Outcome], _Flight] = {}
        self._held: list[tuple[_Flight, asyncio.Future[Outcome]]] = []
        self._over: asyncio.Future[None] | None = None
        """None as long as it is not known which tests there are."""

    def guess(self, items: Sequence[Item], *, forks: int | None = None) -> None:
        """Begin with tests that will probably be collected: all, or those of whole files, with `forks` in all."""
        works = self._works(items)
        if self._forks is None:
            self._forks = forks or len(works)
        self._stages.update(planning.stages(items))
        self._queue.extend(works)
        self._submit_guesses()

    def load_base(self, *, forks: int) -> None:
        """Have the template loaded from which all tests are forked, by a fork that runs none."""
        if not self._plan.templates:
            return
        self._forks = forks
        spec = planning.fork(self._container, self._template(()), timeout=None)
        future = self._runner.submit(spec, stdin=planning.fork_request(()))
        self._fly(future, _Flight(_Work(()), warm=True))

    async def finish(self, items: Sequence[Item], *, stop_after: int = 0, verify: int = 0) -> int:
        """Run the tests; stops early after `stop_after` failures (0: never). Raises what the runner raises.

        `verify` tests are also run in an interpreter of their own each; returns how many of these got another verdict.
        """
        works = self._works(items)
        if self._forks is None:
            self._forks = len(works)
        self._stop_after, self._stages = stop_after, planning.stages(items)
        self._sample = {_key(item) for item in items[:: max(1, len(items) // verify)][:verify]} if verify else set()
        self._over = asyncio.get_running_loop().create_future()
        try:
            for flight, future in self._settle(works):
                if not self._stopped:
                    self._listener.started(flight.work.items)
                    self._judge(flight.work, flight.warm, future.result())
            self._submit()
            await self._over
        finally:
            self.stop()
        return self.mismatches

    def stop(self) -> None:
        """Let go of what still runs."""
        for future in list(self._flying):
            self._runner.cancel(future)
        self._flying.clear()

    def _works(self, items: Sequence[Item]) -> list[_Work]:
        groups = planning.group(items, self.isolation, self._seconds, self._slots)
        company = self.isolation is Isolation.AUTO
        return [_Work(members, company=company) for members in planning.in_order(groups, self._seconds)]

    def _settle(self, works: Sequence[_Work]) -> list[tuple[_Flight, asyncio.Future[Outcome]]]:
        """Put what was guessed in its place among the jobs of the run; returns those that have ended already."""
        known = {_keys(work): work for work in works}
        ended = []
        for flight, future in self._held:
            work = known.pop(_keys(flight.work), None)
            if work is not None:
                flight.work = work
                ended.append((flight, future))
        for future, flight in list(self._flying.items()):
            work = known.pop(_keys(flight.work), None)
            if work is None:
                del self._flying[future]
                self._runner.cancel(future)
                continue
            flight.work = work
            if flight.begun:
                self._listener.started(work.items)
        self._queue = deque(work for work in works if _keys(work) in known)
        self._held = []
        return ended

    def _seconds(self, item: Item) -> float | None:
        """Return how long a test took in an earlier run."""
        past = self._past(item)
        return None if past is None else past.seconds

    def _past(self, item: Item) -> Past | None:
        return None if self._history is None else self._history.get(item.nodeid, item.occurrence)

    @property
    def _stopped(self) -> bool:
        return bool(self._stop_after) and self.failures >= self._stop_after

    def _submit_guesses(self) -> None:
        try:
            self._submit()
        except MaelstromError:  # will come again where somebody waits for it
            self._queue.clear()

    def _submit(self) -> None:
        """Hand out jobs as far as the window goes; see whether all is over."""
        while self._queue and len(self._flying) < WINDOW and not self._stopped:
            work = self._queue.popleft()
            spec, stdin, warm = self._job(work)
            flight = _Flight(work, warm)
            self._fly(self._runner.submit(spec, stdin=stdin, on_start=partial(self._on_start, flight)), flight)
        over = self._stopped or not self._flying
        if over and self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _fly(self, future: asyncio.Future[Outcome], flight: _Flight) -> None:
        self._flying[future] = flight
        future.add_done_callback(self._on_end)

    def _on_start(self, flight: _Flight) -> None:
        flight.begun = True
        if self._over is not None and flight.work.verified is None:
            self._listener.started(flight.work.items)

    def _job(self, work: _Work) -> tuple[JobSpec, bytes, bool]:
        """Return the job for some tests, its input, and whether it is forked from a template."""
        timeout = self._plan.timeout * len(work.items) if self._plan.timeout else None
        if self._plan.templates and work.prune and not work.cold and not any(item.alone for item in work.items):
            files = {item.file for item in work.items}
            stages = {self._stages[file] for file in files}
            stage = stages.pop() if len(stages) == 1 else ()
            if not self._unforkable & files and all(files):
                spec = planning.fork(self._container, self._template(stage), timeout=timeout)
                return self._ranked(spec, work), planning.fork_request(work.items), True
        spec = planning.job(self._plan, self._container, timeout=timeout)
        return self._ranked(spec, work), planning.run_request(self._plan, work.items, prune=work.prune), False

    def _template(self, stage: planning.Stage) -> TemplateSpec:
        """Return the template of a stage; always the same one, since it is told from others for each job."""
        template = self._templates.get(stage)
        if template is None:
            template = planning.template_of(self._plan, stage, forks=self._forks or 0)
            self._templates[stage] = template
        return template

    def _ranked(self, spec: JobSpec, work: _Work) -> JobSpec:
        """Say what is known of how long it will take; what failed last time is wanted first."""
        past = [self._past(item) for item in work.items]
        known = [each for each in past if each is not None]
        seconds = sum(each.seconds for each in known) if len(known) == len(past) else None
        failed = any(each.failed for each in known)
        return msgspec.structs.replace(spec, estimated_duration=seconds, priority=int(failed))

    def _on_end(self, future: asyncio.Future[Outcome]) -> None:
        flight = self._flying.pop(future, None)
        if flight is None:  # nobody wants to know any more
            return
        if self._over is None:
            self._held.append((flight, future))
            self._submit_guesses()
            return
        if self._over.done():
            return
        try:
            self._judge(flight.work, flight.warm, future.result())
            self._submit()
        except BaseException as error:  # noqa: BLE001 - a callback: whoever waits for the end gets it
            self._over.set_exception(error)

    def _judge(self, work: _Work, warm: bool, outcome: Outcome) -> None:
        if isinstance(outcome, NotForked):
            self._give_up_template(work, outcome.reason)
            return
        result = outcome.effects.result if isinstance(outcome, Exited | Signaled | TimedOut) else None
        transcript = parse(result.data, result.lost) if result is not None else parse(b"")
        for told in transcript.all(Expressions):
            self.learned.add(told)
        if self._hear is not None:
            self._hear(work.items, transcript)
        judged = judge_job(len(work.items), transcript, outcome, pruned=work.prune, direct=warm)
        suspects = []
        for index, verdict in sorted(judged.verdicts.items()):
            if self._stopped:
                return
            if work.company and len(work.items) > 1 and verdict.status.is_failure and not verdict.infrastructure:
                suspects.append(index)
            else:
                self._report(work, work.items[index], verdict, warm)
        for index in suspects:
            self._again(work, (index,), prune=work.prune, cold=work.cold, accused=work.items[:index])
        self._again(work, judged.again, prune=work.prune, cold=work.cold)
        self._again(work, judged.unpruned, prune=False, cold=True)
        self._again(work, judged.cold, prune=work.prune, cold=True)

    def _report(self, work: _Work, item: Item, verdict: Verdict, warm: bool) -> None:
        if work.verified is not None:
            self._compare(item, work.verified, verdict)
            return
        failed = verdict.status.is_failure
        if work.accused and not failed:
            self._listener.note(
                f"{item.nodeid} failed after {len(work.accused)} other tests in its process and passed alone: one of "
                f"them leaks, from {work.accused[0].nodeid} on"
            )
        self.failures += failed
        if self._history is not None:
            self._history.add(item.nodeid, item.occurrence, seconds=verdict.duration, failed=failed)
        self._listener.finished(item, verdict)
        if warm and _key(item) in self._sample:
            self._queue.append(_Work((item,), cold=True, verified=verdict))

    def _compare(self, item: Item, forked: Verdict, cold: Verdict) -> None:
        if forked.status is not cold.status:
            self.mismatches += 1
            self._listener.note(
                f"{item.nodeid} is {forked.status.value} when it is forked from a template, and {cold.status.value} in "
                f"an interpreter of its own: mark it with `{NO_TEMPLATE}`, or use --no-template"
            )

    def _again(
        self, work: _Work, indices: Sequence[int], *, prune: bool, cold: bool, accused: tuple[Item, ...] = ()
    ) -> None:
        if indices:
            items = tuple(work.items[index] for index in indices)
            if work.verified is None:
                self._listener.requeued(items)
            self._queue.append(_Work(items, prune, cold, work.company, accused or work.accused, work.verified))

    def _give_up_template(self, work: _Work, reason: str) -> None:
        """Run these tests, and all others that would have been forked from the same template, in another way."""
        self._unforkable.update(item.file for item in work.items)
        self._listener.requeued(work.items)
        self._queue.appendleft(msgspec.structs.replace(work, cold=True))
        if reason not in self._noted:
            self._noted.add(reason)
            self._listener.note(
                f"the tests of {work.items[0].module} start an interpreter each, since they cannot be forked: {reason}"
            )
