"""The simple user interface: one line per test, failures as pytest prints them, a summary.

A `session.Listener`. Writes to the stream it is given; what the lines look like is decided in
`maelstrom_test_runner`. Must not import asyncio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TextIO

from maelstrom_pytest.junit_cases import cases
from maelstrom_pytest.records import CollectError, CollectSkipped, Item
from maelstrom_pytest.report import JsonLines
from maelstrom_pytest.verdict import Verdict
from maelstrom_test_runner.junit import TestCase
from maelstrom_test_runner.lines import prefixed_lines, status_line
from maelstrom_test_runner.progress import ProgressLine
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.summary import Result, Summary, summary_lines


class SimpleUI:
    """Prints results as they come, and keeps what the summary and the reports need of them."""

    def __init__(
        self,
        stream: TextIO,
        *,
        terminal: bool,
        width: int,
        colour: bool,
        clock: Callable[[], float] = time.monotonic,
        lines: JsonLines | None = None,
        keep_cases: bool = False,
    ) -> None:
        self._stream = stream
        self._lines = lines
        self._width = width
        self._colour = colour
        self._progress = ProgressLine(stream, active=terminal, width=width, clock=clock)
        self._running: dict[tuple[str, int], None] = {}
        self._results: list[Result] = []
        self._counts: dict[str, int] = {}
        self._expected = 0
        self._failed = 0
        self._keep_cases = keep_cases
        self.test_cases: list[TestCase] = []
        """For a JUnit report, if one is wanted."""

    def collected(self, expected: int, skipped: Sequence[CollectSkipped], deselected: int, errors: int) -> None:
        """Take note of a collection: how many tests will run, and what was decided without running anything."""
        self._expected = expected + len(skipped)
        self._add_counts({"deselected": deselected, "skipped": len(skipped), "error": errors})
        for record in skipped:
            self._results.append(Result(record.nodeid, Status.SKIPPED, record.reason))
            if self._lines is not None:
                self._lines.write(record.nodeid, 0, "skipped")
            line = status_line(record.nodeid, Status.SKIPPED, None, width=self._width, colour=self._colour)
            self._progress.print_lines([line])

    def collection_failed(self, error: CollectError) -> None:
        """Print pytest's text about something it could not collect."""
        self.message(error.text)
        if self._lines is not None:
            self._lines.write(error.nodeid, 0, "error")

    def message(self, text: str) -> None:
        """Print a text as it is."""
        self._progress.print_lines(prefixed_lines(text))

    def busy(self, text: str) -> None:
        """Show on a terminal what is being done before tests run."""
        self._progress.update(text)

    def remark(self, text: str) -> None:
        """Print what was done before tests run, unless a terminal has shown it while it was."""
        if not self._progress.active:
            self.message(text)

    def started(self, items: Sequence[Item]) -> None:
        """Take note of tests that may be running from now on."""
        self._running.update(dict.fromkeys((item.nodeid, item.occurrence) for item in items))
        self._show_progress()

    def requeued(self, items: Sequence[Item]) -> None:
        """Take note of tests that wait again."""
        for item in items:
            self._running.pop((item.nodeid, item.occurrence), None)

    def note(self, text: str) -> None:
        """Print a remark, which is no test's."""
        self._progress.print_lines(prefixed_lines(f"note: {text}"))

    def finished(self, item: Item, verdict: Verdict) -> None:
        """Print a verdict."""
        self._running.pop((item.nodeid, item.occurrence), None)
        reason = verdict.detail.strip().partition("\n")[0] or verdict.reason
        self._results.append(Result(item.nodeid, verdict.status, reason, verdict.infrastructure))
        self._failed += verdict.status.is_failure
        self._add_counts(verdict.counts)
        if self._keep_cases:
            self.test_cases += cases(item.nodeid, verdict)
        if self._lines is not None:
            self._lines.finished(item.nodeid, item.occurrence, verdict)
        seconds = None if verdict.status is Status.SKIPPED else verdict.duration
        line = status_line(item.nodeid, verdict.status, seconds, width=self._width, colour=self._colour)
        self._progress.print_lines([line, *self._details(verdict)])
        self._show_progress()

    def _details(self, verdict: Verdict) -> list[str]:
        lines = []
        for number, attempt in enumerate(verdict.attempts, 1):
            lines += [f"attempt {number}: {attempt.status.value}", *self._details(attempt)]
        lines += [line for report in verdict.reports for line in prefixed_lines(report.text)]
        if verdict.detail:
            lines += prefixed_lines(verdict.detail)
            if verdict.hint:
                lines.append(f"  hint: {verdict.hint}")
            lines += prefixed_lines(verdict.stderr.decode(errors="replace"), "stderr: ")
        return lines

    def summary(self, *, interrupted: bool = False) -> Summary:
        """Take the progress line away, print the summary, and return it."""
        self._progress.close()
        running = tuple(nodeid for nodeid, _occurrence in self._running)
        summary = Summary(
            tuple(self._results),
            counts=self._counts,
            not_run=max(0, self._expected - len(self._results)),
            running=running if interrupted else (),
        )
        self._progress.print_lines(summary_lines(summary, width=self._width, colour=self._colour))
        return summary

    def close(self) -> None:
        """Leave the terminal as it was, the report complete."""
        self._progress.close()
        if self._lines is not None:
            self._lines.close()

    def _add_counts(self, counts: dict[str, int]) -> None:
        for category, count in counts.items():
            self._counts[category] = self._counts.get(category, 0) + count

    def _show_progress(self) -> None:
        if not self._progress.active:
            return
        done = len(self._results)
        failed = f", {self._failed} failed" if self._failed else ""
        name = next(iter(self._running), ("", 0))[0]
        self._progress.update(f"{done} of {self._expected} done{failed}, {len(self._running)} running  {name}")
