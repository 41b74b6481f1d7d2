"""What happens to the tests of a native runner, told as the events of any run, and as test cases of a JUnit report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from maelstrom_test_runner import events
from maelstrom_test_runner.events import Attempt, Mark, TestCase
from maelstrom_test_runner.history import Past
from maelstrom_test_runner.native import Case, Subtest, Verdict
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.stream import EventStream
from maelstrom_test_runner.telling import BaseTeller, where


class NativeTeller(BaseTeller):
    """Turns what it is told into events of a stream. `cases`: with test cases for a JUnit report."""

    def __init__(self, stream: EventStream, *, cases: bool = True) -> None:
        super().__init__(stream)
        self._cases = cases

    def collected(self, cases: Sequence[Case], pasts: Sequence[Past | None], deselected: int) -> None:
        """Say that there are these tests, beside those that were told before; `pasts` are of those that will run."""
        known = [past.seconds for past in pasts if past is not None and past.seconds is not None]
        self._tell(
            events.Collected,
            tests=len(cases),
            deselected=deselected,
            seconds=round(sum(known), 6),
            unknown=len(pasts) - len(known),
            suites=dict(Counter(case.suite for case in cases if case.suite)),
        )

    def broken(self, name: str, text: str) -> None:
        """Tell of something whose tests could not be had."""
        case = TestCase("", name, 0.0, (Mark("error", "collection failure", text),))
        self._tell(events.CollectionError, name=name, text=text, case=case)

    def started(self, cases: Sequence[Case]) -> None:
        """Tell of tests that begin, one after the other."""
        self._tell(events.Started, tests=tuple(case.test for case in cases))

    def requeued(self, cases: Sequence[Case]) -> None:
        """Tell of tests that wait again."""
        self._tell(events.Requeued, tests=tuple(case.test for case in cases))

    def wrote(self, case: Case, stream: str, text: str) -> None:
        """Tell of lines that a test has written."""
        self._tell(events.Output, test=case.test, stream=stream, text=text)

    def finished(self, case: Case, verdict: Verdict) -> None:
        """Tell a verdict."""
        self._tell(
            events.Finished,
            test=case.test,
            status=verdict.status,
            seconds=round(verdict.seconds, 6),
            reason=verdict.reason,
            texts=(verdict.text,) if verdict.text else (),
            detail=verdict.detail,
            hint=verdict.hint or "",
            infrastructure=verdict.infrastructure,
            counts=verdict.counts,
            cases=junit_cases(case, verdict) if self._cases else (),
            file=verdict.file or case.file,
            line=verdict.line if verdict.file else case.line,
            attempts=tuple(map(_attempt, verdict.attempts)),
            subtests=tuple(map(_subtest, verdict.subtests)) if self._cases else (),
            cached=case.known is not None,
            output=verdict.output,
            **where(verdict.ran),
        )


def _attempt(verdict: Verdict) -> Attempt:
    return Attempt(
        status=verdict.status,
        seconds=round(verdict.seconds, 6),
        texts=(verdict.text,) if verdict.text else (),
        detail=verdict.detail,
        hint=verdict.hint or "",
        worker=verdict.ran.worker if verdict.ran is not None else "",
    )


def _subtest(part: Subtest) -> events.Subtest:
    return events.Subtest(part.title, part.status, round(part.seconds, 6), part.reason)


def junit_cases(case: Case, verdict: Verdict) -> tuple[TestCase, ...]:
    """Return the test cases of a report: the test, and behind it those that are parts of it."""
    parts = (_part(case, each) for each in verdict.subtests)
    return (junit_case(case, verdict), *parts)


def _part(case: Case, part: Subtest) -> TestCase:
    of_it = Verdict(status=part.status, reason=part.reason, text=part.text, message=part.message)
    mark = _mark(of_it)
    return TestCase(case.suite, part.title, part.seconds, () if mark is None else (mark,))


def junit_case(case: Case, verdict: Verdict) -> TestCase:
    """Return the test case of a test; earlier attempts are marks of it, as in Surefire's."""
    marks = [mark for mark in (_mark(verdict),) if mark is not None]
    word = "flaky" if verdict.status is Status.FLAKY else "rerun"
    for attempt in verdict.attempts:
        tag = f"{word}Failure" if attempt.status is Status.FAILED else f"{word}Error"
        marks.append(Mark(tag, _line(attempt), attempt.text, attempt.status.value))
    properties = (("cached", "true"),) if case.known is not None else ()
    return TestCase(case.suite, case.title or case.name, verdict.seconds, tuple(marks), properties)


def _mark(verdict: Verdict) -> Mark | None:
    if verdict.status is Status.SKIPPED:
        return Mark("skipped", verdict.reason)
    if not verdict.status.is_failure:
        return None
    tag = "failure" if verdict.status is Status.FAILED else "error"
    return Mark(tag, _line(verdict), verdict.text or verdict.detail)


def _line(verdict: Verdict) -> str:
    return verdict.message or verdict.detail.strip().partition("\n")[0] or verdict.status.value
