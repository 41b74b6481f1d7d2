"""The end of a run: what is counted, what is listed, and the exit code. Pure; imports the status words only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from maelstrom_test_runner.lines import paint, printable
from maelstrom_test_runner.status import Status

TITLE = " Test Summary "
WARNINGS_TITLE = " warnings summary "
MANY_PLACES = 10
"""From so many places on a warning's are counted by file."""
NATIVE_ORDER = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings", "error")
"""pytest's; words of others come behind, sorted."""
LISTED_FIRST = (Status.FAILED, Status.ERROR, Status.TIMEOUT, Status.ERR)

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INFRASTRUCTURE = 3
EXIT_NO_TESTS = 5
EXIT_INTERRUPTED = 130


class Result(msgspec.Struct, frozen=True):
    """One test of the summary. `reason` says why it was ignored, or what kept it from running."""

    name: str
    status: Status
    reason: str = ""
    infrastructure: bool = False
    seconds: float = 0.0
    cached: bool = False


class Summary(msgspec.Struct, frozen=True):
    """All that is said at the end of a run."""

    results: tuple[Result, ...]
    counts: Mapping[str, int] = {}
    """What the native runner's last line would count, by its words."""
    native: str = "pytest"
    """The native runner."""
    warnings: tuple[tuple[str, str], ...] = ()
    """Place and text of each."""
    listed: str = ""
    """What is named beside failures and what was ignored: x, X, p, as in `events.Collected`."""
    not_run: int = 0
    running: tuple[str, ...] = ()
    """Tests that were running when the run was interrupted."""

    def count(self, *statuses: Status) -> int:
        """Return how many tests have one of some statuses."""
        return sum(result.status in statuses for result in self.results)

    @property
    def failures(self) -> int:
        """How many tests failed in one way or another."""
        return sum(result.status.is_failure for result in self.results)

    @property
    def exit_code(self) -> int:
        """What the program ends with: a fault of the machinery outranks failures, which may be its consequence."""
        if any(result.infrastructure for result in self.results):
            return EXIT_INFRASTRUCTURE
        return EXIT_FAILED if self.failures else EXIT_OK


def summary_lines(summary: Summary, *, width: int, colour: bool, durations: int = 0) -> list[str]:
    """Return the summary as lines for a terminal; the `durations` slowest tests are named."""
    successful = summary.count(Status.PASSED, Status.XFAIL, Status.XPASS, Status.FLAKY)
    failures = summary.failures
    lines = [*warning_lines(summary.warnings, width=width, colour=colour), "", TITLE.center(width, "=")]
    digits = max(len(str(number)) for number in (successful, failures, len(summary.results), summary.not_run))
    lines += [_count("Successful Tests", successful, digits, "32" if successful else "", colour)]
    if cached := sum(result.cached for result in summary.results):
        lines.append(_count("of them cached", cached, digits, "", colour))
    for status, label in ((Status.XFAIL, "of them XFAIL"), (Status.XPASS, "of them XPASS")):
        if summary.count(status):
            lines.append(_count(label, summary.count(status), digits, "33", colour))
        lines += _listed(summary, status)
    lines += _listed(summary, Status.PASSED)
    flaky = _with(summary, Status.FLAKY)
    if flaky:
        lines.append(_count("of them FLAKY", len(flaky), digits, "33", colour))
        lines += [f"    {printable(result.name)}: flaky" for result in flaky]
    lines.append(_count("Failed Tests", failures, digits, "31" if failures else "", colour))
    for status in LISTED_FIRST:
        word = {Status.FAILED: "failure", Status.ERROR: "error", Status.TIMEOUT: "timeout", Status.ERR: "did not end"}
        lines += [f"    {printable(result.name)}: {word[status]}" for result in _with(summary, status)]
    ignored = _with(summary, Status.SKIPPED)
    if ignored:
        lines.append(_count("Ignored Tests", len(ignored), digits, "33", colour))
        for result in ignored:
            reason = f" ({printable(result.reason)})" if result.reason else ""
            lines.append(f"    {printable(result.name)}: ignored{reason}")
    if summary.not_run:
        lines.append(_count("Tests Not Run", summary.not_run, digits, "31", colour))
    lines += [f"    {printable(name)}: was running" for name in summary.running]
    lines += _slowest(summary, durations)
    native = native_counts(summary.counts)
    if native:
        lines.append(f"as {summary.native} counts: {native}")
    return lines


LETTERS = {Status.XFAIL: "x", Status.XPASS: "X", Status.PASSED: "p"}


def _listed(summary: Summary, status: Status) -> list[str]:
    """Return the names of tests with a status, with reasons, if that is wanted."""
    if LETTERS[status] not in summary.listed:
        return []
    return [
        f"    {printable(result.name)}: {status.value}" + (f" ({printable(result.reason)})" if result.reason else "")
        for result in _with(summary, status)
    ]


def warning_lines(warnings: Sequence[tuple[str, str]], *, width: int, colour: bool) -> list[str]:
    """Return what pytest prints of warnings: each text once, below the places where it came up."""
    if not warnings:
        return []
    places: dict[str, list[str]] = {}
    for place, text in warnings:
        places.setdefault(text, []).append(place)
    lines = ["", paint(WARNINGS_TITLE.center(width, "="), "33", colour=colour)]
    for text, where in places.items():
        if len(where) < MANY_PLACES:
            lines += map(printable, where)
        else:
            files = Counter(place.split("::", 1)[0] for place in where)
            lines += [f"{printable(file)}: {count} warning{'s' if count > 1 else ''}" for file, count in files.items()]
        lines += [f"  {printable(line)}".rstrip() for line in text.rstrip().splitlines()]
        lines.append("")
    return lines[:-1]


def _slowest(summary: Summary, count: int) -> list[str]:
    ran = [result for result in summary.results if not result.cached]
    slowest = sorted(ran, key=lambda result: result.seconds, reverse=True)[:count]
    if not slowest:
        return []
    return [f"Slowest {len(slowest)}:", *(f"    {each.seconds:8.3f}s {printable(each.name)}" for each in slowest)]


def native_counts(counts: Mapping[str, int]) -> str:
    """Return the counts in the words and the order of pytest's last line."""
    order = [word for word in NATIVE_ORDER if counts.get(word)]
    order += sorted(word for word in counts if word not in NATIVE_ORDER and counts[word])
    return ", ".join(f"{counts[word]} {_plural(word, counts[word])}" for word in order)


def _plural(word: str, count: int) -> str:
    if word == "warnings" and count == 1:
        return "warning"
    return "errors" if word == "error" and count != 1 else word


def _with(summary: Summary, status: Status) -> list[Result]:
    return [result for result in summary.results if result.status is status]


def _count(label: str, number: int, digits: int, parameters: str, colour: bool) -> str:
    text = paint(f"{number:>{digits}}", parameters, colour=colour and bool(parameters))
    return f"{label:<16}: {text}"
