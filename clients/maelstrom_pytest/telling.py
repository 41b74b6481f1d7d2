"""What happens to the tests of pytest, told as the events of any run.

A `listener.Listener`. Decides nothing: what a verdict is has been decided in `verdict`, what of it is shown is decided
by whoever takes the events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maelstrom_pytest.junit_cases import cases, not_collected, skipped_module
from maelstrom_pytest.records import CollectError, CollectSkipped, Item, Warned
from maelstrom_pytest.verdict import Verdict
from maelstrom_test_runner import events
from maelstrom_test_runner.events import Attempt, Test
from maelstrom_test_runner.stream import EventStream
from maelstrom_test_runner.telling import BaseTeller, where


def _test(item: Item) -> Test:
    return Test(item.nodeid, item.occurrence, item.repetition)


def _tests(items: Sequence[Item]) -> tuple[Test, ...]:
    return tuple(_test(item) for item in items)


def _attempt(verdict: Verdict) -> Attempt:
    return Attempt(
        status=verdict.status,
        seconds=round(verdict.duration, 6),
        texts=_texts(verdict),
        detail=verdict.detail,
        hint=verdict.hint or "",
        stderr=_stderr(verdict),
        worker=verdict.ran.worker if verdict.ran is not None else "",
    )


def _texts(verdict: Verdict) -> tuple[str, ...]:
    return tuple(report.text for report in verdict.reports if report.text)


def _stderr(verdict: Verdict) -> str:
    return verdict.stderr.decode(errors="replace") if verdict.detail else ""


class Teller(BaseTeller):
    """Turns what it is told into events of a stream. `cases`: with test cases for a JUnit report."""

    def __init__(self, stream: EventStream, *, cases: bool = True) -> None:
        super().__init__(stream)
        self._cases = cases
        self._warns = False
        """Whether warnings are shown, and not only counted."""

    def collected(
        self,
        items: Sequence[Item],
        skipped: Sequence[CollectSkipped],
        errors: Sequence[CollectError],
        deselected: int,
        seconds: Callable[[Item], float | None],
        *,
        warned: Sequence[Warned] = (),
        shown: str = "",
    ) -> None:
        """Say which tests there are; `seconds` says what one took in an earlier run.

        `warned` came up then; `shown` is what pytest would list, by the letters of its `-r`.
        """
        self._warns = "w" in shown
        known = [past for item in items if (past := seconds(item)) is not None]
        self._tell(
            events.Collected,
            tests=len(items),
            deselected=deselected,
            seconds=round(sum(known), 6),
            unknown=len(items) - len(known),
            warnings=self._warnings(warned),
            listed="".join(letter for letter in shown if letter in "xXp"),
        )
        self._skipped(skipped, told=False)
        for error in errors:
            self._not_collected(error, error.text)

    def collection_broke(self, skipped: Sequence[CollectSkipped], errors: Sequence[CollectError]) -> None:
        """Say what could not be collected where that was the end, and pytest's words about it have been passed on."""
        self._skipped(skipped, told=True)
        for error in errors:
            self._not_collected(error, "")

    def _skipped(self, skipped: Sequence[CollectSkipped], *, told: bool) -> None:
        for record in skipped:
            case = skipped_module(record.nodeid, record.reason)
            self._tell(events.Skipped, name=record.nodeid, reason=record.reason, case=case, told=told)

    def _not_collected(self, error: CollectError, text: str) -> None:
        case = not_collected(error.nodeid, error.text)
        self._tell(events.CollectionError, name=error.nodeid, text=text, case=case)

    def _warnings(self, warned: Sequence[Warned]) -> tuple[events.Warned, ...]:
        return tuple(events.Warned(each.place, each.text if self._warns else "") for each in warned)

    def started(self, items: Sequence[Item]) -> None:
        """Tell of a job that begins."""
        self._tell(events.Started, tests=_tests(items))

    def requeued(self, items: Sequence[Item]) -> None:
        """Tell of tests that wait again."""
        self._tell(events.Requeued, tests=_tests(items))

    def wrote(self, items: Sequence[Item], stream: str, text: str) -> None:
        """Tell of lines that a job has written."""
        test = _test(items[0]) if len(items) == 1 else Test(items[0].module)
        self._tell(events.Output, test=test, stream=stream, text=text)

    def suspended(self, item: Item) -> None:
        """Tell that a test has the terminal."""
        self._held = []
        self._tell(events.Suspended, test=_test(item))

    def finished(self, item: Item, verdict: Verdict) -> None:
        """Tell a verdict."""
        self._tell(
            events.Finished,
            test=_test(item),
            status=verdict.status,
            seconds=round(verdict.duration, 6),
            phases=tuple((r.when, round(r.duration, 6)) for r in verdict.reports if not r.subtest),
            reason=verdict.reason,
            texts=_texts(verdict),
            detail=verdict.detail,
            hint=verdict.hint or "",
            stderr=_stderr(verdict),
            infrastructure=verdict.infrastructure,
            counts=verdict.counts,
            warnings=self._warnings(verdict.warned),
            cases=tuple(cases(item.nodeid, verdict)) if self._cases else (),
            file=item.file,
            line=(item.line or 0) + 1,
            attempts=tuple(map(_attempt, verdict.attempts)),
            **where(verdict.ran),
        )
