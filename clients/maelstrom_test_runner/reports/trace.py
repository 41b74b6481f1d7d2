"""A run as a timeline that Perfetto and chrome://tracing open: slots as rows, tests as slices, their phases within.

The format is that of Chromium's trace events in JSON: "complete" events with times in microseconds. Each worker of a
cluster is a process of its own there, besides this machine. Which slot a job had is not in the events of a run: it gets
the first row of its machine that is free; there are as many rows as jobs ran at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from maelstrom_core.whole_file import check_place, write_whole
from maelstrom_test_runner.events import AnyEvent, Begun, Busy, Collected, Ended, Finished, Requeued, Started, Test
from maelstrom_test_runner.reports.writing import writing
from maelstrom_test_runner.state import RunState

_WHAT, _HINT = "the timeline", "give --trace another path"

MICROSECONDS = 1_000_000
HERE = 1
"""This machine's process in the timeline; those of workers have the numbers behind it."""
RUN_ROW = 0
"""The row of what is done before tests run."""

Row = tuple[int, int]
"""The process, and which of its rows."""


class _Job(msgspec.Struct):
    """Tests that run one after another."""

    begun: float
    waiting: set[Test]
    finished: list[Finished]
    ended: float = 0.0

    @property
    def worker(self) -> str:
        """Where it ran; empty for this machine."""
        return self.finished[0].worker if self.finished else ""


class TraceReport:
    """Writes the timeline when the run has ended, also before its time."""

    def __init__(self, path: Path) -> None:
        """Prepare a timeline. Raises UserError where it could not be written."""
        with writing(_WHAT, path, _HINT):
            check_place(path)
        self._path = path
        self._slices: list[dict[str, Any]] = []
        self._jobs: dict[Test, _Job] = {}
        self._ended: list[_Job] = []
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
                job = _Job(event.at, set(tests), [])
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
            self._slice(text, "run", (HERE, RUN_ROW), since, at - since)
            self._busy = None

    def _leave(self, test: Test, finished: Finished | None, at: float) -> None:
        job = self._jobs.pop(test, None)
        if job is None:
            return
        job.waiting.discard(test)
        if finished is not None:
            job.finished.append(finished)
        if not job.waiting:
            job.ended = at
            self._ended.append(job)

    def _place(self) -> list[tuple[str, int]]:
        """Draw all jobs; return the machines, this one first, and how many rows below the run's own each has."""
        workers = sorted({job.worker for job in self._ended} | {""})
        processes = {worker: process for process, worker in enumerate(workers, HERE)}
        rows: dict[str, list[float]] = {worker: [] for worker in workers}
        for job in sorted(self._ended, key=lambda job: job.begun):
            free = rows[job.worker]
            row = next((row for row, until in enumerate(free) if until <= job.begun), len(free))
            free[row : row + 1] = [job.ended]
            self._draw(job, (processes[job.worker], row + 1))
        return [(worker, len(rows[worker])) for worker in workers]

    def _draw(self, job: _Job, row: Row) -> None:
        """Draw the tests of a job that is over one behind another, the last at its end."""
        end = job.ended
        tests = [(event, sum(seconds for _, seconds in event.phases) or event.seconds) for event in job.finished]
        start = max(job.begun, end - sum(seconds for _, seconds in tests))
        if len(tests) != 1:
            self._slice(f"{len(tests)} tests" if tests else "started again", "job", row, job.begun, end - job.begun)
        elif start > job.begun:  # the one test is the job: what is before its phases is its container
            self._test(tests[0][0], row, job.begun, end - job.begun)
            self._slice("container", "phase", row, job.begun, start - job.begun)
        for event, seconds in tests:
            if len(tests) != 1 or start <= job.begun:
                self._test(event, row, start, min(seconds, end - start))
            at = start
            for name, part in event.phases:
                self._slice(name, "phase", row, at, min(part, end - at))
                at += part
            start += seconds

    def _test(self, event: Finished, row: Row, at: float, seconds: float) -> None:
        where = {"worker": event.worker, "worker attempt": str(event.worker_attempt)} if event.worker else {}
        self._slice(event.test.name, "test", row, at, seconds, status=event.status.value, **where)

    def _slice(self, name: str, kind: str, row: Row, at: float, seconds: float, **more: str) -> None:
        one = {
            "name": name,
            "cat": kind,
            "ph": "X",
            "pid": row[0],
            "tid": row[1],
            "ts": round(at * MICROSECONDS),
            "dur": max(0, round(seconds * MICROSECONDS)),
        }
        self._slices.append(one | {"args": more} if more else one)

    def _write(self, begun: Begun | None) -> None:
        names: list[dict[str, Any]] = []
        for process, (worker, rows) in enumerate(self._place(), HERE):
            names.append(_named("process_name", (process, 0), worker or (begun.runner if begun is not None else "run")))
            if not worker:
                names.append(_named("thread_name", (process, RUN_ROW), "run"))
            names += [_named("thread_name", (process, row), f"slot {row}") for row in range(1, rows + 1)]
            names += [
                {"name": "thread_sort_index", "ph": "M", "pid": process, "tid": row, "args": {"sort_index": row}}
                for row in range(rows + 1)
            ]
        document = {"displayTimeUnit": "ms", "traceEvents": [*names, *self._slices]}
        with writing(_WHAT, self._path, _HINT):
            write_whole(self._path, _encoded(document), shared=True)


def _named(kind: str, row: Row, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": row[0], "tid": row[1], "args": {"name": name}}


def _encoded(document: object) -> bytes:
    """Return JSON; names of tests may hold halves of characters, which it does not."""
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        import json

        return json.dumps(document).encode()
