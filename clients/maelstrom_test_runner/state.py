"""The state of a run, as its events say: what runs, what has ended, how long it may take yet.

A reducer: the same events give the same state. No clock, no I/O; what time it is comes with the events.
"""

from __future__ import annotations

from collections import Counter

from maelstrom_test_runner.events import (
    AnyEvent,
    Begun,
    Busy,
    Collected,
    CollectionError,
    Ended,
    Finished,
    Interrupted,
    Requeued,
    Skipped,
    Started,
    Test,
    Warned,
)
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.summary import Result, Summary


class RunState:
    """What there is to know of a run at some moment. Read it; only `take` changes it."""

    def __init__(self) -> None:
        self.begun: Begun | None = None
        self.busy = ""
        """What is being done before tests run."""
        self.expected: int | None = None
        """How many results there will be; None as long as nobody knows."""
        self.running: dict[Test, float] = {}
        """What runs, and since when. Those that share a job count from its beginning."""
        self.results: list[Result] = []
        self.warnings: list[Warned] = []
        self.listed = ""
        self.counts: dict[str, int] = {}
        """What the native runner's last line would count, by its words."""
        self.statuses: Counter[Status] = Counter()
        """How many results have each status."""
        self.failed = 0
        self.finished = 0
        """How many tests have run and ended."""
        self.interrupted = False
        self.code: int | None = None
        self._planned = 0.0
        self._unknown = 0
        self._first: float | None = None
        self._seconds = 0.0

    def take(self, event: AnyEvent) -> None:
        """Go on to the state after an event."""
        match event:
            case Finished():
                self._finish(event)
            case Started(tests=tests):
                if self._first is None:
                    self._first = event.at
                for test in tests:
                    self.running[test] = event.at
            case Requeued(tests=tests):
                for test in tests:
                    self.running.pop(test, None)
            case Collected():
                self.busy = ""
                self.expected = (self.expected or 0) + event.tests
                self._count(self._deselected, event.deselected)
                self._count("warnings", len(event.warnings))
                self.warnings += event.warnings
                self.listed = event.listed
                self._planned += event.seconds
                self._unknown += event.unknown
            case Skipped(name=name, reason=reason, told=False):
                self._add(Result(name, Status.SKIPPED, reason))
                self.expected = (self.expected or 0) + 1
                self._count("skipped", 1)
            case CollectionError():
                self._count("error", 1)
            case _:
                self._take_rare(event)

    def _take_rare(self, event: AnyEvent) -> None:
        match event:
            case Begun():
                self.begun = event
            case Busy(text=text):
                self.busy = text
            case Interrupted():
                self.interrupted = True
            case Ended(code=code):
                self.code = code
            case _:
                pass

    def _finish(self, event: Finished) -> None:
        self.running.pop(event.test, None)
        reason = event.detail.strip().partition("\n")[0] or event.reason
        self._add(Result(event.test.name, event.status, reason, event.infrastructure, event.seconds, event.cached))
        self.failed += event.status.is_failure
        if not event.cached:
            self.finished += 1
            self._seconds += event.seconds
        self.warnings += event.warnings
        for word, count in event.counts.items():
            self._count(word, count)

    def _add(self, result: Result) -> None:
        self.results.append(result)
        self.statuses[result.status] += 1

    def _count(self, word: str, count: int) -> None:
        if count:
            self.counts[word] = self.counts.get(word, 0) + count

    @property
    def _deselected(self) -> str:
        """What the native runner calls tests that were not chosen."""
        return "deselected" if self.begun is None or self.begun.native == "pytest" else "filtered out"

    @property
    def done(self) -> int:
        """How many results there are."""
        return len(self.results)

    @property
    def waiting(self) -> int:
        """How many tests have not begun."""
        return max(0, (self.expected or 0) - self.done - len(self.running))

    def time_left(self, at: float) -> float | None:
        """Return how many seconds the run will probably take from `at` on; None as long as nothing tells.

        What has ended took `_seconds` by itself and the time since the first test here: the rest will be as fast. Tests
        that have not run before count like the mean of what has ended.
        """
        if self._first is None or self.expected is None or not self.finished or at <= self._first:
            return None
        mean = self._seconds / self.finished
        rest = self.expected - self.done
        if not rest:
            return 0.0
        passed = at - self._first
        total = self._planned + self._unknown * mean
        if self._seconds <= 0 or total <= self._seconds:  # takes longer than it did, or nothing is known: by number
            return passed * rest / self.finished
        return passed * (total - self._seconds) / self._seconds

    def summary(self) -> Summary:
        """Return what is said at the end."""
        running = tuple(test.name for test in self.running)
        return Summary(
            tuple(self.results),
            counts=self.counts,
            warnings=tuple((warned.place, warned.text) for warned in self.warnings if warned.text),
            listed=self.listed,
            native=self.begun.native if self.begun is not None else "",
            not_run=max(0, (self.expected or 0) - self.done),
            running=running if self.interrupted else (),
        )
