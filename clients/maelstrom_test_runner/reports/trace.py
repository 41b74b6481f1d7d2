"""A run as a timeline that Perfetto and chrome://tracing open: slots as rows, tests as slices, their phases within.

The format is that of Chromium's trace events in JSON: "complete" events with times in microseconds. Which slot a job
had is not in the events of a run: it gets the first row that is free; there are as many rows as jobs ran at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from maelstrom_core.errors import UserError
from maelstrom_core.whole_file import write_whole
from maelstrom_test_runner.events import AnyEvent, Begun, Busy, Collected, Ended, Finished, Requeued, Started, Test
from maelstrom_test_runner.state import RunState

MICROSECONDS = 1_000_000
RUN_ROW = 0
"""The row of what is done before tests run."""


class _Job(msgspec.Struct):
    """Tests that run one after another."""

    row: int
    begun: float
    waiting: set[Test]
    finished: list[Finished]


class TraceReport:
    """Writes the timeline when the run has ended, also before its time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._slices: list[dict[str, Any]] = []
        self._rows: list[bool] = []
        self._jobs: dict[Test, _Job] = {}
        self._busy: tuple[str, float] | None = None

    def take(self, event: AnyEvent, state: RunState) -> None:
        """Keep what the timeline shows of an event."""
        match event:
            case Busy(text=text):
                self._end_busy(event.at)
                self._busy = (text, event.at) if text else None
            case Collected():
                self._end_busy(event.at)
            case Started(tests=tests):
                job = _Job(self._take_row(), event.at, set(tests), [])
                self._jobs.update(dict.fromkeys(tests, job))
            case Requeued(tests=tests):
                for test in tests:
                    self._leave(test, None, event.at)
            case Finished(test=test):
                self._leave(test, event, event.at)
            case Ended():
                self._end_busy(event.at)
                self._write(state.begun)
            case _:
                pass

    def tick(self, at: float, state: RunState) -> None:
        """Time changes nothing."""

    def close(self) -> None:
        """Have nothing to let go of."""

    def _end_busy(self, at: float) -> None:
        if self._busy is not None:
            text, since = self._busy
            self._slice(text, "run", RUN_ROW, since, at - since)
            self._busy = None

    def _take_row(self) -> int:
        """Return the first row below the run's own that nothing is in."""
        for row, taken in enumerate(self._rows):
            if not taken:
                self._rows[row] = True
                return row + 1
        self._rows.append(True)
        return len(self._rows)

    def _leave(self, test: Test, finished: Finished | None, at: float) -> None:
        job = self._jobs.pop(test, None)
        if job is None:
            return
        job.waiting.discard(test)
        if finished is not None:
            job.finished.append(finished)
        if not job.waiting:
            self._rows[job.row - 1] = False
            self._draw(job, at)

    def _draw(self, job: _Job, end: float) -> None:
        """Draw the tests of a job that is over one behind another, the last at its end."""
        tests = [(event, sum(seconds for _, seconds in event.phases) or event.seconds) for event in job.finished]
        start = max(job.begun, end - sum(seconds for _, seconds in tests))
        if len(tests) != 1:
            self._slice(f"{len(tests)} tests" if tests else "started again", "job", job.row, job.begun, end - job.begun)
        elif start > job.begun:  # the one test is the job: what is before its phases is its container
            self._test(tests[0][0], job.row, job.begun, end - job.begun)
            self._slice("container", "phase", job.row, job.begun, start - job.begun)
        for event, seconds in tests:
            if len(tests) != 1 or start <= job.begun:
                self._test(event, job.row, start, min(seconds, end - start))
            at = start
            for name, part in event.phases:
                self._slice(name, "phase", job.row, at, min(part, end - at))
                at += part
            start += seconds

    def _test(self, event: Finished, row: int, at: float, seconds: float) -> None:
        self._slice(event.test.name, "test", row, at, seconds, status=event.status.value)

    def _slice(self, name: str, kind: str, row: int, at: float, seconds: float, **more: str) -> None:
        one = {
            "name": name,
            "cat": kind,
            "ph": "X",
            "pid": 1,
            "tid": row,
            "ts": round(at * MICROSECONDS),
            "dur": max(0, round(seconds * MICROSECONDS)),
        }
        self._slices.append(one | {"args": more} if more else one)

    def _write(self, begun: Begun | None) -> None:
        names = [
            _named("process_name", 0, begun.runner if begun is not None else "run"),
            _named("thread_name", 0, "run"),
        ]
        names += [_named("thread_name", row + 1, f"slot {row + 1}") for row in range(len(self._rows))]
        names += [
            {"name": "thread_sort_index", "ph": "M", "pid": 1, "tid": row, "args": {"sort_index": row}}
            for row in range(len(self._rows) + 1)
        ]
        document = {"displayTimeUnit": "ms", "traceEvents": [*names, *self._slices]}
        try:
            write_whole(self._path, _encoded(document), shared=True)
        except OSError as error:
            raise UserError(
                f"failed to write the timeline to {self._path}: {error.strerror}", hint="give --trace another path"
            ) from error


def _named(kind: str, row: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": 1, "tid": row, "args": {"name": name}}


def _encoded(document: object) -> bytes:
    """Return JSON; names of tests may hold halves of characters, which it does not."""
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        import json

        return json.dumps(document).encode()
