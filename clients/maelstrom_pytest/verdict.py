"""What became of each test of a job: pure decisions over records and the job's outcome.

pytest's own reports decide, never its exit status. How the job ended decides only for tests that have no complete
set of reports. No I/O; imports the job's vocabulary and the status words.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence

import msgspec

from maelstrom_core.job import (
    Cancelled,
    ExecutionError,
    Exited,
    Outcome,
    Ran,
    Signaled,
    SystemFailure,
    TimedOut,
    effects_of,
)
from maelstrom_core.limit_words import out_of_memory
from maelstrom_pytest.records import (
    CHANNEL_LOST_CODE,
    CollectError,
    Done,
    Ended,
    Finish,
    InternalError,
    Interrupted,
    Item,
    Missing,
    Report,
    SessionEnd,
    Start,
    Transcript,
    Warned,
)
from maelstrom_test_runner.status import Status

NOT_FOUND = "this test was there at collection, but not when it was to be run"


class Verdict(msgspec.Struct, frozen=True):
    """What became of one test."""

    status: Status
    reports: tuple[Report, ...] = ()
    detail: str = ""
    """Why there are no complete reports: a crash, a timeout, a fault of the machinery."""
    hint: str | None = None
    infrastructure: bool = False
    """The machinery could not do its part; the test is not to blame."""
    stderr: bytes = b""
    """What the process said before it died; only with `detail`."""
    warned: tuple[Warned, ...] = ()
    ran: Ran | None = None
    """Where it ran, if that was on a cluster."""
    attempts: tuple[Verdict, ...] = ()
    """Of earlier attempts, which failed, the first one first."""
    elapsed: float = 0.0
    """Seconds that its job was at it, where pytest did not come to its end."""

    @property
    def duration(self) -> float:
        """Seconds that pytest measured in setup, call and teardown together, or what is known instead."""
        return self.elapsed or sum(report.duration for report in self.reports if not report.subtest)

    @property
    def reason(self) -> str:
        """Why it was skipped or expected to fail."""
        return next((report.reason for report in self.reports if report.reason), "")

    @property
    def counts(self) -> dict[str, int]:
        """What pytest's last line counts for this test, by category."""
        counts: dict[str, int] = {"warnings": len(self.warned)} if self.warned else {}
        for report in self.reports:
            if report.category:
                counts[report.category] = counts.get(report.category, 0) + 1
        return counts


def after_attempts(verdict: Verdict, attempts: tuple[Verdict, ...]) -> Verdict:
    """Return the verdict of a test that failed in earlier attempts: where it does not any more, it is flaky."""
    if not attempts:
        return verdict
    status = verdict.status if verdict.status.is_failure else Status.FLAKY
    return msgspec.structs.replace(verdict, status=status, attempts=attempts)


def ignored(item: Item, reason: str) -> Verdict:
    """Return the verdict of a test that is not run, as pytest would have it of one that is skipped."""
    report = Report(0, item.nodeid, "setup", "skipped", "skipped", "SKIPPED", reason=reason)
    return Verdict(Status.SKIPPED, (report,))


class JobVerdicts(msgspec.Struct, frozen=True):
    """The verdicts of one job by place in its selection; the rest has to be run again."""

    verdicts: dict[int, Verdict]
    again: tuple[int, ...] = ()
    unpruned: tuple[int, ...] = ()
    """Not collected on their own: to be run once more with the whole project collected."""
    cold: tuple[int, ...] = ()
    """A fork of a template lost its channel: to be run in a process of their own, which can find it again."""


def judge_reports(reports: Sequence[Report]) -> Status:
    """Return the worst that a complete set of reports says: an error, a failure, else what the call said."""
    failed = [report for report in reports if report.outcome == "failed"]
    if any(report.when != "call" for report in failed):
        return Status.ERROR
    if failed:
        return Status.FAILED
    own = [report for report in reports if not report.subtest and report.outcome in {"passed", "skipped"}]
    decisive = [report for report in own if report.when == "call"] or [r for r in own if r.outcome == "skipped"]
    if not decisive:
        return Status.PASSED if own else Status.ERR
    report = decisive[-1]
    if report.outcome == "skipped":
        return Status.XFAIL if report.wasxfail is not None else Status.SKIPPED
    return Status.XPASS if report.wasxfail is not None else Status.PASSED


def judge_job(
    count: int, transcript: Transcript, outcome: Outcome, *, pruned: bool = True, direct: bool = False
) -> JobVerdicts:
    """Return the verdict of each of the `count` items of a job, with the warnings that were recorded for it.

    See `_judge_job`.
    """
    judged = _judge_job(count, transcript, outcome, pruned=pruned, direct=direct)
    warned: dict[int, list[Warned]] = {}
    for record in transcript.records:
        if isinstance(record, Warned):
            warned.setdefault(record.item, []).append(record)
    for item in warned.keys() & judged.verdicts.keys():
        judged.verdicts[item] = msgspec.structs.replace(judged.verdicts[item], warned=tuple(warned[item]))
    if (effects := effects_of(outcome)) is not None and effects.ran is not None:
        for item, verdict in judged.verdicts.items():
            judged.verdicts[item] = msgspec.structs.replace(verdict, ran=effects.ran)
    return judged


def _judge_job(count: int, transcript: Transcript, outcome: Outcome, *, pruned: bool, direct: bool) -> JobVerdicts:
    """Return the verdict of each of the `count` items of a job.

    Items that finished are judged by their reports. The item that was running when the job came to grief is told
    why; items that had not begun are to be run again, unless nothing had begun at all. `direct` jobs are forks of a
    template: no reaper of the guest says how pytest's process ended, the outcome itself does.
    """
    if direct and count == 1 and (done := _nothing_but_passed(transcript, outcome)) is not None:
        return JobVerdicts({0: _complete(done.reports())})
    if direct:
        transcript = with_end(transcript, outcome)
    if isinstance(outcome, ExecutionError | SystemFailure):
        return _all(count, Verdict(Status.ERR, detail=outcome.message, hint=outcome.hint, infrastructure=True))
    if isinstance(outcome, Cancelled):
        return _all(count, Verdict(Status.ERR, detail="cancelled", infrastructure=True))
    reports, started, finished, last = _by_item(count, transcript)
    verdicts = {item: _complete(tuple(reports[item])) for item in finished}
    missing = {item for record in transcript.all(Missing) for item in record.items if 0 <= item < count} - started
    unpruned = tuple(sorted(missing)) if pruned else ()
    verdicts.update(dict.fromkeys(missing.difference(unpruned), _not_collected(transcript)))
    rest = [item for item in range(count) if item not in verdicts and item not in unpruned]
    if transcript.cut and finished:  # many tests had much to say: those whose reports were not kept say it again
        return JobVerdicts(verdicts, again=tuple(rest), unpruned=unpruned)
    ended: Ended | None = transcript.last(Ended)
    if direct and rest and ended is not None and ended.channel_lost and transcript.garbage is None:
        return JobVerdicts(verdicts, unpruned=unpruned, cold=tuple(rest))
    grief = _grief(transcript, outcome)
    if rest and grief is None:
        grief = Verdict(Status.ERR, detail="pytest ended without a word about this test", stderr=_stderr(outcome))
    if grief is None:
        return JobVerdicts(verdicts, unpruned=unpruned)
    running = [item for item in rest if item in started]
    if not rest and last is not None:
        running = [last]  # all its reports had come, yet its process did not end as it should
    elif not running and not finished and not unpruned:
        running = rest
    elapsed = _left_over(outcome, [verdicts[item] for item in verdicts.keys() - running], len(running))
    for item in running:
        verdicts[item] = msgspec.structs.replace(grief, reports=tuple(reports[item]), elapsed=elapsed)
    return JobVerdicts(verdicts, again=tuple(item for item in rest if item not in verdicts), unpruned=unpruned)


def _nothing_but_passed(transcript: Transcript, outcome: Outcome) -> Done | None:
    """Return the record of the one test of a fork of which there is nothing else to say; most tests are such."""
    if len(transcript.records) != 2 or transcript.garbage is not None or transcript.cut:
        return None
    done, end = transcript.records
    if not isinstance(done, Done) or done.item or not isinstance(end, SessionEnd) or not isinstance(outcome, Exited):
        return None
    return done


def with_end(transcript: Transcript, outcome: Outcome) -> Transcript:
    """Return the records of a fork of a template, with how it ended as a reaper would have said it.

    What the channel says about that is the test's own invention.
    """
    ended: Ended | None = None
    if isinstance(outcome, Exited):
        lost = outcome.code == CHANNEL_LOST_CODE and transcript.last(SessionEnd) is None
        ended = Ended(outcome.code, None, lost)
    elif isinstance(outcome, Signaled):
        ended = Ended(None, outcome.signal, channel_lost=False)
    records = tuple(record for record in transcript.records if not isinstance(record, Ended))
    return msgspec.structs.replace(transcript, records=records if ended is None else (*records, ended))


def _all(count: int, verdict: Verdict) -> JobVerdicts:
    return JobVerdicts(dict.fromkeys(range(count), verdict))


def _by_item(count: int, transcript: Transcript) -> tuple[list[list[Report]], set[int], set[int], int | None]:
    """Sort the records by item; numbers that are no item of this job are dropped. The last begun comes last."""
    reports: list[list[Report]] = [[] for _ in range(count)]
    started: set[int] = set()
    finished: set[int] = set()
    last: int | None = None
    for record in transcript.records:
        if isinstance(record, Start | Finish | Report | Done) and 0 <= record.item < count:
            if isinstance(record, Report):
                reports[record.item].append(record)
            elif isinstance(record, Done):
                reports[record.item] += record.reports()
                finished.add(record.item)
                last = record.item
            elif isinstance(record, Finish):
                finished.add(record.item)
                last = record.item
            else:
                started.add(record.item)
                last = record.item
    return reports, started, finished, last


def _complete(reports: tuple[Report, ...]) -> Verdict:
    status = judge_reports(reports)
    return Verdict(status, reports, "pytest sent no report of this test" if status is Status.ERR else "")


def _left_over(outcome: Outcome, others: Iterable[Verdict], count: int) -> float:
    """Return what each of `count` tests took of a job's time, in seconds, beside others whose time is known."""
    if not count or not isinstance(outcome, Exited | Signaled | TimedOut):
        return 0.0
    return max(0.0, outcome.effects.duration - sum(other.duration for other in others)) / count


def _not_collected(transcript: Transcript) -> Verdict:
    errors = "\n".join(record.text for record in transcript.all(CollectError))
    if errors:
        return Verdict(Status.ERROR, detail=errors)
    return Verdict(Status.ERR, detail=NOT_FOUND)


def _grief(transcript: Transcript, outcome: Outcome) -> Verdict | None:
    """Return what went wrong with a job as a whole, worst first; None if pytest came to its end."""
    stderr = _stderr(outcome)
    if isinstance(outcome, TimedOut):
        return Verdict(Status.TIMEOUT, detail="timed out", stderr=stderr)
    if transcript.garbage is not None:
        return Verdict(
            Status.ERR, detail=f"the test wrote garbage into the result channel: {transcript.garbage}", stderr=stderr
        )
    ended: Ended | None = transcript.last(Ended)
    if ended is not None and ended.channel_lost:
        return Verdict(Status.ERR, detail="the test closed the result channel", stderr=stderr)
    internal: InternalError | None = transcript.last(InternalError)
    if internal is not None:
        return Verdict(Status.ERR, detail=internal.text, stderr=stderr)
    interrupted: Interrupted | None = transcript.last(Interrupted)
    if interrupted is not None:
        return Verdict(Status.ERR, detail=f"the test stopped the session: {interrupted.text}", stderr=stderr)
    if _died(transcript, outcome):
        return Verdict(Status.ERR, detail=how_it_ended(ended, outcome), stderr=stderr)
    return None


def _died(transcript: Transcript, outcome: Outcome) -> bool:
    """Tell whether pytest's process went without pytest's leave."""
    ended: Ended | None = transcript.last(Ended)
    if ended is None:
        return True
    return ended.signal is not None or transcript.last(SessionEnd) is None or isinstance(outcome, Signaled)


def how_it_ended(ended: Ended | None, outcome: Outcome) -> str:
    """Say how a test's process ended, for people."""
    if reason := out_of_memory(outcome):
        return f"the test's process was killed: {reason}"
    if ended is not None and ended.signal is not None:
        return f"the test's process was killed by {signal_name(ended.signal)}"
    if ended is not None and ended.code is not None:
        return f"the test's process ended with exit code {ended.code} before pytest did"
    if isinstance(outcome, Signaled):
        return f"the job was killed by {signal_name(outcome.signal)}"
    if isinstance(outcome, Exited):
        return f"the job ended with exit code {outcome.code} without a word from pytest"
    return "the job ended without a word from pytest"


def signal_name(number: int) -> str:
    """Return the name and number of a signal."""
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"


def _stderr(outcome: Outcome) -> bytes:
    return outcome.effects.stderr.data if isinstance(outcome, Exited | Signaled | TimedOut) else b""
