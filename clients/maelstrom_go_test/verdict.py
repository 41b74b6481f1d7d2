"""What the outcome of a test's job means. Pure.

The testing package's own words decide, and the exit status has to agree with them: nothing is taken to have passed
because nothing was heard of it.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence

import msgspec

from maelstrom_core.job import Effects, Exited, Outcome, Signaled, TimedOut
from maelstrom_core.limit_words import out_of_memory, why_lost
from maelstrom_go_test.output import LOG_INDENT, Node, Report, failure_text, parse, skip_reason
from maelstrom_go_test.saying import message_of
from maelstrom_test_runner.native import Subtest, Verdict, output_text
from maelstrom_test_runner.status import Status

RESULTS = {"PASS": Status.PASSED, "BENCH": Status.PASSED, "FAIL": Status.FAILED, "SKIP": Status.SKIPPED}
ALARM = re.compile(r"^panic: (test timed out after .*)$", re.MULTILINE)
_BENCHED = re.compile(r"^Benchmark\S*\s+\d+\s.*$", re.MULTILINE)
_PLACE = re.compile(r"^ +(\S+_test\.go):(\d{1,7}): ", re.MULTILINE)
"""Where a test has failed, in its own words."""
_FRAME = LOG_INDENT + "--- "


def judge(name: str, outcome: Outcome, *, directory: str = "", verbose: bool = False) -> Verdict:
    """Return the verdict of a test, or benchmark, of the package in a directory, from an outcome that ran."""
    assert isinstance(outcome, Exited | Signaled | TimedOut)  # noqa: S101 - the caller's promise
    effects = outcome.effects
    report = parse(effects.stdout.data)
    stderr = effects.stderr.data.decode("utf-8", "replace")
    decided = _decide(name, outcome, report, report.find(name), stderr)
    return _verdict(name, decided, report, effects, directory=directory, verbose=verbose)


def judge_shared(
    names: Sequence[str], outcome: Outcome, *, directory: str = "", verbose: bool = False
) -> list[Verdict | None]:
    """Return the verdict of each of several tests that shared a process; None where it is not known.

    Each must have its own result, and the process have ended as they say: otherwise nobody knows what the tests did to
    each other. What was written to standard error is said of each that failed.
    """
    unknown: list[Verdict | None] = [None] * len(names)
    if not isinstance(outcome, Exited) or outcome.effects.stdout.lost:
        return unknown
    effects = outcome.effects
    report = parse(effects.stdout.data)
    nodes = [node for name in names if (node := report.find(name)) is not None and node.result in RESULTS]
    failed = any(node.result == "FAIL" for node in nodes)
    if len(nodes) < len(names) or report.verdict != ("FAIL" if failed else "PASS") or outcome.code != failed:
        return unknown
    rest = max(0.0, effects.duration - sum(node.seconds for node in nodes)) / len(nodes)
    return [
        msgspec.structs.replace(
            _verdict(node.name, (RESULTS[node.result], ""), report, effects, directory=directory, verbose=verbose),
            seconds=node.seconds + rest,
        )
        for node in nodes
    ]


def _verdict(
    name: str, decided: tuple[Status, str], report: Report, effects: Effects, *, directory: str, verbose: bool
) -> Verdict:
    """Return the whole verdict of a test, of which status and detail are decided."""
    status, detail = decided
    stderr = effects.stderr.data.decode("utf-8", "replace")
    node = report.find(name)
    reason = skip_reason(node) if status is Status.SKIPPED and node is not None else ""
    text = ""
    if status.is_failure:
        text = _failure(report, node, effects, stderr, whole=bool(detail))
    elif name.startswith("Benchmark") and node is not None:
        said = "".join([node.text, *(each.text for each in node.subtests()), report.outside])
        text = "".join(f"{line}\n" for line in _BENCHED.findall(said))
    elif verbose and node is not None:
        text = output_text(verbose_text(node), stderr)
    message = message_of(node, text, detail) if status is Status.FAILED else ""
    place = None
    if status.is_failure and directory:
        place = _PLACE.search(f" {message}") or _PLACE.search(text)
    return Verdict(
        status=status,
        file=os.path.join(directory, place[1]) if place is not None else "",
        line=int(place[2]) if place is not None else 0,
        seconds=effects.duration,
        text=text,
        message=message,
        reason=reason,
        detail=detail,
        unheard=status is Status.ERR and bool(effects.stdout.lost),
        subtests=() if node is None else tuple(_subtest(each, status) for each in node.subtests()),
    )


def _subtest(node: Node, of_test: Status) -> Subtest:
    """Return a subtest; one that has not ended shares the fate of its test."""
    status = RESULTS.get(node.result) or (of_test if of_test.is_failure else Status.PASSED)
    failed = status.is_failure
    return Subtest(
        title=node.name,
        status=status,
        seconds=node.seconds,
        text=node.text if failed else "",
        message=message_of(node, node.text) if failed else "",
        reason=skip_reason(node) if status is Status.SKIPPED else "",
    )


def _decide(
    name: str, outcome: Exited | Signaled | TimedOut, report: Report, node: Node | None, stderr: str
) -> tuple[Status, str]:
    """Return the status of a test, and why that is not just what it says itself."""
    if isinstance(outcome, TimedOut):
        return Status.TIMEOUT, "its time was up"
    if (alarm := ALARM.search(stderr)) is not None and (node is None or not node.result):
        return Status.TIMEOUT, alarm[1]
    if isinstance(outcome, Signaled):
        return Status.FAILED, out_of_memory(outcome) or f"its process was killed by {_signal(outcome.signal)}"
    ended = f"its process ended with exit code {outcome.code}"
    if node is None:
        return (Status.FAILED if outcome.code else Status.ERR), f"{ended}, and has not run it"
    if node.result == "FAIL":
        return Status.FAILED, ""
    if name.startswith("Benchmark") and not node.result and report.verdict == "PASS":
        node.result = "PASS"
    if node.result and outcome.code:
        return Status.FAILED, f"{ended}, though it has passed"
    if node.result:
        return (Status.SKIPPED if node.result == "SKIP" else Status.PASSED), ""
    if outcome.code:
        return Status.FAILED, f"{ended} before it was over"
    return Status.ERR, f"{ended} before it was over"


def _failure(report: Report, node: Node | None, effects: Effects, stderr: str, *, whole: bool) -> str:
    """Return what is shown of a failure: what the test itself has said; if that does not explain it, all there is."""
    own = failure_text(node) if node is not None else ""
    if whole or node is None:
        own = (report.outside if node is None else own + report.outside) if report.outside.strip() else own
    text = output_text(own, stderr)
    for name, lost in (("stdout", effects.stdout.lost), ("stderr", effects.stderr.lost)):
        if lost:
            text += f"{name}: {lost} bytes more were lost {why_lost(effects)}\n"
    return text


def whole_output(effects: Effects) -> str:
    """Return all that a process has written, as `go test` gets it, but one stream behind the other."""
    text = effects.stdout.data.decode("utf-8", "replace")
    stderr = effects.stderr.data.decode("utf-8", "replace")
    return text + ("\n" if stderr and text and not text.endswith("\n") else "") + stderr


def verbose_text(node: Node) -> str:
    """Return all that a test and its subtests have said, as `go test -v` does, without its own first and last line."""
    text = node.text
    for child in node.subtests():
        head = f"{_FRAME}{child.result}: {child.name} ({child.seconds:.2f}s)\n"
        text = (text if text.endswith("\n") or not text else text + "\n") + head + child.text
    return text


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
