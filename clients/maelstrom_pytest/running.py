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

import msgspec

from maelstrom_core.errors import MaelstromError
from maelstrom_core.job import Exited, NotForked, Outcome, Signaled, SystemFailure, TimedOut
from maelstrom_core.limit_words import limited
from maelstrom_core.spec import TemplateSpec
from maelstrom_pytest import plan as planning
from maelstrom_pytest.config import FILE_NAME
from maelstrom_pytest.debugging import Debugger, Turns, after_debugging, asked, has_quit, is_wanted
from maelstrom_pytest.expressions import Learned
from maelstrom_pytest.jobs import Jobs
from maelstrom_pytest.listener import Listener
from maelstrom_pytest.plan import Isolation, Plan
from maelstrom_pytest.records import NO_TEMPLATE, Covered, Expressions, Item, Transcript, parse
from maelstrom_pytest.rules import Rules, in_shares
from maelstrom_pytest.verdict import Verdict, after_attempts, ignored, judge_job
from maelstrom_pytest.works import Flight, Work, cold_note, guessed_right, key, keys, leak_note, most_wanted_first
from maelstrom_test_runner.history import History, Past
from maelstrom_test_runner.runner import Runner
from maelstrom_test_runner.slow import SlowAlarm

WINDOW = 512
"""Jobs that are handed to the runner at a time: enough for it to choose from, few enough to be made as needed."""


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
        rules: Rules | None = None,
        retries: int = 0,
        likely: Callable[[Sequence[Item]], Sequence[Item]] = tuple,
        urgent: Callable[[str], bool] = lambda _: False,
        slow_after: float = 0.0,
        hear: Callable[[Sequence[Item], Transcript], object] | None = None,
        show: bool = False,
        debugger: Debugger | None = None,
    ) -> None:
        """Make the state of a run; `likely` says which of some tests will be wanted, as far as that is known.

        Tests of files that are `urgent` are wanted before all others. A test has failed when it was run `retries` times
        more, alone. Whoever takes longer than `slow_after` seconds (0: nobody) is named. With `show` the listener
        is told what tests write as it comes. With a `debugger` tests that fail get a second run, on the terminal.
        """
        self.isolation = isolation
        self.mismatches = 0
        self.failures = 0
        self._runner = runner
        self._plan = plan
        self.rules = Rules(plan) if rules is None else rules
        self._retries = retries
        self._likely = likely
        self._urgent = urgent
        self._slow_after = slow_after
        self._slow: SlowAlarm | None = None
        self._listener = listener
        self._hear = hear
        """Is told what a job has said about these tests, before their verdicts are."""
        self.learned = Learned()
        self._history = history
        self._slots = slots
        self._show = show
        self._debugger = debugger
        self._turns = Turns()
        self._window = slots if show else WINDOW  # each of them takes descriptors of ours
        self._stop_after = 0
        self._queue: deque[Work] = deque()
        self._sample: set[tuple[str, int]] = set()
        self._jobs = Jobs(self._past, urgent)
        self._failed: set[tuple[str, int]] = set()
        self._noted: set[str] = set()
        self._flying: dict[asyncio.Future[Outcome], Flight] = {}
        self._held: list[tuple[Flight, asyncio.Future[Outcome]]] = []
        self._over: asyncio.Future[None] | None = None
        """None as long as it is not known which tests there are."""

    def guess(self, items: Sequence[Item], *, forks: int | None = None) -> None:
        """Begin with tests that will probably be collected: all, or those of whole files, with `forks` in all."""
        try:
            items = self.rules.ready(self._likely(items))
            works = self._works(items)
            self._jobs.stages.update(in_shares(items, self.rules))
        except MaelstromError:  # will come again where somebody waits for it
            return
        if works and self._jobs.forks is None:
            self._jobs.forks = forks or len(works)
        self._queue.extend(works)
        self._submit_guesses()

    def load_base(self, *, forks: int) -> None:
        """Have the template loaded from which all tests are forked, by a fork that runs none."""
        if self._plan.templates:
            self._jobs.forks = forks
            self._queue.append(self._jobs.loading(self.rules.base))
            self._submit_guesses()

    async def finish(self, items: Sequence[Item], *, stop_after: int = 0, verify: int = 0) -> int:
        """Run the tests; stops early after `stop_after` failures (0: never). Raises what the runner raises.

        `verify` tests are also run in an interpreter of their own each; returns how many of these got another verdict.
        """
        for item in items:
            if self.rules.ignored(item):
                self._listener.finished(item, ignored(item, f"a directive of {FILE_NAME}"))
        items = self.rules.ready(items)
        works = self._works(items)
        if self._jobs.forks is None:
            self._jobs.forks = len(works)
        self._stop_after, self._jobs.stages = stop_after, in_shares(items, self.rules)
        self._sample = {key(item) for item in items[:: max(1, len(items) // verify)][:verify]} if verify else set()
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        if self._slow_after:
            self._slow = SlowAlarm(self._slow_after, self._remark, loop.call_later)
        try:
            for flight, future in self._settle(works):
                if not self._stopped:
                    self._listener.started(flight.work.items)
                    self._judge(flight.work, flight.template, future.result())
            self._submit()
            await self._over
        finally:
            self.stop()
        return self.mismatches

    def stop(self) -> None:
        """Let go of what still runs."""
        for future, flight in list(self._flying.items()):
            self._runner.cancel(future)
            if flight.live is not None:
                flight.live.close()
        self._flying.clear()
        for flight, future in self._turns.end():  # of what has ended nothing is lost
            self._take(flight, future.result())
        if self._slow is not None:
            self._slow.stop()

    def _works(self, items: Sequence[Item]) -> list[Work]:
        groups = [
            members
            for _site, share in self.rules.shares(items)
            for members in planning.group(share, self.isolation, self.seconds, self._slots)
        ]
        company, rules = self.isolation is Isolation.AUTO, self.rules
        in_order = planning.in_order(groups, self.seconds, self._slots)
        most_wanted_first(in_order, self._past if self._history else None, self._urgent)
        return [Work(those, rules.site(those[0]), rules.timeout(those), company=company) for those in in_order]

    def _remark(self, text: str) -> None:
        assert self._over is not None  # noqa: S101 - for the type checker
        if self._turns.attached:
            return
        try:
            self._listener.note(text)
        except BaseException as error:  # noqa: BLE001 - a callback: whoever waits for the end gets it
            if not self._over.done():
                self._over.set_exception(error)

    def _settle(self, works: Sequence[Work]) -> list[tuple[Flight, asyncio.Future[Outcome]]]:
        """Put what was guessed in its place among the jobs of the run; returns those that have ended already."""
        known = guessed_right(works, [*self._flying.values(), *(flight for flight, _ in self._held)])
        ended = []
        for flight, future in self._held:
            work = known.pop(keys(flight.work), None)
            if work is not None:
                flight.work = work
                ended.append((flight, future))
        for future, flight in list(self._flying.items()):
            work = known.pop(keys(flight.work), None)
            if work is None:
                del self._flying[future]
                self._runner.cancel(future)
                continue
            flight.work = work
            if flight.begun:
                self._begin(flight)
        begun = {id(flight.work) for flight in (*self._flying.values(), *(flight for flight, _ in ended))}
        self._queue, self._held = deque(work for work in works if id(work) not in begun), []
        return ended

    def seconds(self, item: Item) -> float | None:
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
        """Hand out jobs as far as the window goes; see whether all is over. Who debugs has all of our attention."""
        self._debug_next()
        if not self._queue and not self._flying and self._over is not None:
            self._queue.extend(self._jobs.loaded.owed())
        while self._turns.current is None and self._queue and len(self._flying) < self._window and not self._stopped:
            work = self._queue.popleft()
            spec, stdin = self._jobs.make(work)
            flight = Flight(work, spec.template)
            on_start = partial(self._on_start, flight)
            if self._show:
                from maelstrom_test_runner.live import submit_shown

                take = partial(self._listener.wrote, work.items)
                future, flight.live = submit_shown(self._runner, spec, stdin, on_start=on_start, take=take)
            else:
                future = self._runner.submit(spec, stdin=stdin, on_start=on_start)
            self._fly(future, flight)
        over = self._stopped or not self._flying
        if over and self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _fly(self, future: asyncio.Future[Outcome], flight: Flight) -> None:
        self._flying[future] = flight
        future.add_done_callback(self._on_end)

    def _on_start(self, flight: Flight) -> None:
        flight.begun = True
        if self._over is not None and flight.work.items:
            self._begin(flight)

    def _begin(self, flight: Flight) -> None:
        if flight.work.verified is None:
            self._listener.started(flight.work.items)
        if self._slow is not None:
            self._slow.begin(id(flight), flight.work.name)

    def _on_end(self, future: asyncio.Future[Outcome]) -> None:
        if (flight := self._flying.pop(future, None)) is not None and self._slow is not None:
            self._slow.end(id(flight))
        if flight is None or self._turns.holds_back(flight, future):  # nobody wants to know any more, or just now
            return
        if self._over is None:
            self._held.append((flight, future))
            self._submit_guesses()
            return
        if self._over.done():
            if flight.live is not None:
                flight.live.close()
            return
        try:
            self._take(flight, future.result())
            self._submit()
        except BaseException as error:  # noqa: BLE001 - a callback: whoever waits for the end gets it
            self._over.set_exception(error)

    def _take(self, flight: Flight, outcome: Outcome) -> None:
        late = self._turns.end() if flight is self._turns.current else []
        self._judge(flight.work, flight.template, outcome if flight.live is None else flight.live.finish(outcome))
        for other, future in late:
            self._take(other, future.result())

    def _debug_next(self) -> None:
        """Give the terminal to the test that has waited for it for longest, if it is free."""
        turns = self._turns
        if self._debugger is None or turns.current is not None or not turns.waiting or self._stopped:
            return
        self._fly(*turns.begin(self._debugger, self._on_start))

    def _judge(self, work: Work, template: TemplateSpec | None, outcome: Outcome) -> None:
        if isinstance(outcome, NotForked):
            self._not_forked(work, outcome)
            return
        if isinstance(outcome, SystemFailure) and work.items and work.lost < self._retries and work.debugged is None:
            lost = msgspec.structs.replace(work, lost=work.lost + 1)
            self._again(lost, range(len(work.items)), prune=work.prune, cold=work.cold)
            return
        warm = template is not None
        if (told := limited(outcome)) is not None and told.lacking is not None:
            self._note_once(told.lacking)
        result = outcome.effects.result if isinstance(outcome, Exited | Signaled | TimedOut) else None
        transcript = parse(result.data, result.lost) if result is not None else parse(b"")
        if template is not None:
            self._jobs.was_forked(work)
            self._jobs.loaded.hear(work.site, template, transcript.last(Covered))
        for told in transcript.all(Expressions):
            self.learned.add(told)
        if self._hear is not None:
            self._hear(work.items, transcript)
        judged = judge_job(len(work.items), transcript, outcome, pruned=work.prune, direct=warm)
        if work.debugged is not None:
            self._end_debugging(work, judged.verdicts.get(0), left=has_quit(transcript))
            return
        suspects, last = [], len(work.attempts) >= self._retries
        for index, verdict in sorted(judged.verdicts.items()):
            if self._stopped:
                return
            if work.company and len(work.items) > 1 and verdict.status.is_failure and not verdict.infrastructure:
                suspects.append(index)
            elif self._debugger is not None and is_wanted(verdict, transcript, index, last=last):
                self._debug(work, index, verdict, stopped=asked(transcript, index))
            else:
                self._report(work, work.items[index], verdict, warm)
        for index in suspects:
            self._again(work, (index,), prune=work.prune, cold=work.cold, accused=work.items[:index])
        self._again(work, judged.again, prune=work.prune, cold=work.cold)
        self._again(work, judged.unpruned, prune=False, cold=True)
        self._again(work, judged.cold, prune=work.prune, cold=True)

    def _debug(self, work: Work, index: int, verdict: Verdict, *, stopped: bool) -> None:
        part = self._part(work, (work.items[index],))
        self._listener.requeued(part.items)
        self._turns.waiting.append(msgspec.structs.replace(part, debugged=verdict, asked=stopped))

    def _end_debugging(self, work: Work, again: Verdict | None, *, left: bool) -> None:
        verdict = after_debugging(work, again, left=left)
        self._report(msgspec.structs.replace(work, debugged=None), work.items[0], verdict, warm=False, last=True)
        if left:
            self._stop_after = max(1, self.failures)

    def _report(self, work: Work, item: Item, verdict: Verdict, warm: bool, *, last: bool = False) -> None:
        if work.verified is not None:
            self._compare(item, work.verified, verdict)
            return
        failed = verdict.status.is_failure
        if work.accused and not failed:
            self._listener.note(leak_note(item, work.accused))
        if failed and not verdict.infrastructure and not last and len(work.attempts) < self._retries:
            self._listener.requeued((item,))
            again = self._part(work, (item,))
            self._queue.append(msgspec.structs.replace(again, attempts=(*work.attempts, verdict)))
            return
        self.failures += failed
        if failed:
            self._failed.add(key(item))
        if self._history is not None:
            self._history.add(item.nodeid, item.occurrence, seconds=verdict.duration, failed=key(item) in self._failed)
        self._listener.finished(item, after_attempts(verdict, work.attempts))
        if warm and key(item) in self._sample:
            self._queue.append(msgspec.structs.replace(self._part(work, (item,)), cold=True, verified=verdict))

    def _compare(self, item: Item, forked: Verdict, cold: Verdict) -> None:
        if forked.status is not cold.status:
            self.mismatches += 1
            self._listener.note(
                f"{item.nodeid} is {forked.status.value} when it is forked from a template, and {cold.status.value} in "
                f"an interpreter of its own: mark it with `{NO_TEMPLATE}`, or use --no-template"
            )

    def _again(self, work: Work, at: Sequence[int], *, prune: bool, cold: bool, accused: tuple[Item, ...] = ()) -> None:
        if at:
            part = self._part(work, tuple(work.items[index] for index in at))
            if work.verified is None:
                self._listener.requeued(part.items)
            self._queue.append(msgspec.structs.replace(part, prune=prune, cold=cold, accused=accused or work.accused))

    def _part(self, work: Work, items: tuple[Item, ...]) -> Work:
        """Return a job of some of the tests of one, with their own time."""
        return msgspec.structs.replace(work, items=items, timeout=self.rules.timeout(items))

    def _not_forked(self, work: Work, outcome: NotForked) -> None:
        """Run these tests in another way, and all others of their files, unless that was an accident."""
        if not work.items:
            return
        if self._jobs.not_forked(work, accident=outcome.accident):
            self._note_once(outcome.reason, cold_note(work, outcome.reason))
        self._listener.requeued(work.items)
        self._queue.appendleft(msgspec.structs.replace(work, cold=True))

    def _note_once(self, reason: str, text: str | None = None) -> None:
        if reason not in self._noted:
            self._noted.add(reason)
            self._listener.note(text or reason)
