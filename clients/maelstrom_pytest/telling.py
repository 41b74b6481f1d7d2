"""What happens to the tests of pytest, told as the events of any run.

A `running.Listener`. Decides nothing: what a verdict is has been decided in `verdict`, what of it is shown is decided
by whoever takes the events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maelstrom_pytest.junit_cases import cases, skipped_module
from maelstrom_pytest.records import CollectError, CollectSkipped, Item
from maelstrom_pytest.verdict import Verdict
from maelstrom_test_runner import events
from maelstrom_test_runner.events import Test
from maelstrom_test_runner.stream import EventStream


def _tests(items: Sequence[Item]) -> tuple[Test, ...]:
    return tuple(Test(item.nodeid, item.occurrence) for item in items)


class Teller:
    """Turns what it is told into events of a stream."""

    def __init__(self, stream: EventStream) -> None:
        self._tell = stream.tell
        self._state = stream.state

    @property
    def exit_code(self) -> int:
        """What the run ends with, as far as its tests decide."""
        return self._state.summary().exit_code

    def busy(self, text: str) -> None:
        """Say what is being done before tests run."""
        self._tell(events.Busy, text=text)

    def remark(self, text: str) -> None:
        """Say what was done before tests run."""
        self._tell(events.Remark, text=text)

    def message(self, text: str) -> None:
        """Pass on words of pytest."""
        if text:
            self._tell(events.Message, text=text)

    def collected(
        self,
        items: Sequence[Item],
        skipped: Sequence[CollectSkipped],
        errors: Sequence[CollectError],
        deselected: int,
        seconds: Callable[[Item], float | None],
    ) -> None:
        """Say which tests there are; `seconds` says what one took in an earlier run."""
        known = [past for item in items if (past := seconds(item)) is not None]
        self._tell(
            events.Collected,
            tests=len(items),
            deselected=deselected,
            seconds=round(sum(known), 6),
            unknown=len(items) - len(known),
        )
        for record in skipped:
            case = skipped_module(record.nodeid, record.reason)
            self._tell(events.Skipped, name=record.nodeid, reason=record.reason, case=case)
        for error in errors:
            self._tell(events.CollectionError, name=error.nodeid, text=error.text)

    def started(self, items: Sequence[Item]) -> None:
        """Tell of a job that begins."""
        self._tell(events.Started, tests=_tests(items))

    def requeued(self, items: Sequence[Item]) -> None:
        """Tell of tests that wait again."""
        self._tell(events.Requeued, tests=_tests(items))

    def note(self, text: str) -> None:
        """Pass on a remark, which is no test's."""
        self._tell(events.Note, text=text)

    def finished(self, item: Item, verdict: Verdict) -> None:
        """Tell a verdict."""
        self._tell(
            events.Finished,
            test=Test(item.nodeid, item.occurrence),
            status=verdict.status,
            seconds=round(verdict.duration, 6),
            phases=tuple((r.when, round(r.duration, 6)) for r in verdict.reports if not r.subtest),
            reason=verdict.reason,
            texts=tuple(report.text for report in verdict.reports if report.text),
            detail=verdict.detail,
            hint=verdict.hint or "",
            stderr=verdict.stderr.decode(errors="replace") if verdict.detail else "",
            infrastructure=verdict.infrastructure,
            counts=verdict.counts,
            cases=tuple(cases(item.nodeid, verdict)),
            file=item.file,
            line=(item.location[1] or 0) + 1,
        )
