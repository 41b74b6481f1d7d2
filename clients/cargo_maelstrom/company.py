"""Several tests of a binary in one process: what it is told, and what libtest says of each. Pure.

libtest logs each test as soon as it has its result, with `--logfile`, here into the channel of results, which tests do
not know of:

    ok tests::one
    failed tests::two
    failed: note: test did not panic as expected tests::three
    ignored tests::four

What tests print cannot be taken for that. It is believed where the process ended as it says: with 0 where nothing
failed, with 101 where something did, and with a line for each test. Otherwise nobody knows what the tests did to each
other, and each is to be run alone; so is what a libtest without this option leaves unsaid.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from cargo_maelstrom.libtest import panic_of
from maelstrom_core.job import Exited, Outcome
from maelstrom_test_runner.native import Verdict
from maelstrom_test_runner.status import Status

LOG = "/proc/self/fd/3"
"""The channel of a job's results."""
FAILED_CODE = 101
COUNTED = {Status.PASSED: "passed", Status.FAILED: "failed", Status.SKIPPED: "ignored"}

_SECTION = re.compile(r"^---- (\S+) stdout ----$", re.MULTILINE)
_END = "\n\nfailures:\n    "


def company_arguments(names: Sequence[str], *, threads: int, flags: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments for a binary that is to run these tests, one after the other where `threads` is 1."""
    return ("--exact", *names, f"--test-threads={threads}", f"--logfile={LOG}", *flags)


def judge_company(names: Sequence[str], outcome: Outcome, root: str) -> list[Verdict | None]:
    """Return the verdict of each test, None where it is not known; paths in messages start at `root`."""
    unknown: list[Verdict | None] = [None] * len(names)
    if not isinstance(outcome, Exited):
        return unknown
    effects = outcome.effects
    results = parse_log(effects.result.data.decode(errors="replace"), frozenset(names))
    if effects.result.lost or len(results) < len(names):
        return unknown
    failed = Status.FAILED in results.values()
    if outcome.code != (FAILED_CODE if failed else 0):
        return unknown
    texts = failure_texts(effects.stdout.data.decode(errors="replace")) if failed else {}
    seconds = effects.duration / len(names)
    return [_verdict(results[name], seconds, texts.get(name, ""), root) for name in names]


def _verdict(status: Status, seconds: float, text: str, root: str) -> Verdict:
    counts = {COUNTED[status]: 1}
    if status is not Status.FAILED:
        return Verdict(status=status, seconds=seconds if status is Status.PASSED else 0.0, counts=counts)
    message, file, line = panic_of(text, root)
    return Verdict(status=status, seconds=seconds, text=text, message=message, counts=counts, file=file, line=line)


def parse_log(text: str, names: Collection[str]) -> dict[str, Status]:
    """Return the result of each of these tests that is in a log; what is not plainly a success or ignored has failed.

    A message may have several lines, the last of which ends with the name.
    """
    results: dict[str, Status] = {}
    for line in text.splitlines():
        word, _, name = line.rpartition(" ")
        if name in names:
            plain = Status.PASSED if word == "ok" else Status.FAILED
            found = Status.SKIPPED if word.startswith("ignored") else plain
            results[name] = Status.FAILED if name in results else found
    return results


def failure_texts(stdout: str) -> dict[str, str]:
    """Return what failed tests have written, as libtest prints it at the end, by their names."""
    _, split, rest = stdout.rpartition(_END)
    parts = _SECTION.split(stdout[: len(stdout) - len(rest) - len(split)] if split else stdout)
    return {name: text.strip("\n") + "\n" for name, text in zip(parts[1::2], parts[2::2], strict=True)}
