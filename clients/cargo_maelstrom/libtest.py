"""The language of libtest, the harness of Rust's tests: its listings, and what it reports of one test. Pure.

A test is run alone, as `BINARY --exact NAME --nocapture`, and libtest prints on standard output

    running 1 test
    ... whatever the test prints ...
    test NAME ... FAILED

    failures: ...

    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s

Its last line decides, together with the exit code: who ends its process before that line has no verdict of libtest. A
success has its own line, too: a last line alone may be that of another program that the test has run.
Where there is one processor, or `--test-threads=1`, `test NAME ... ` comes before what the test prints.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import msgspec

from maelstrom_core.job import Effects, Exited, Outcome, Signaled, TimedOut
from maelstrom_core.limit_words import out_of_memory, why_lost
from maelstrom_test_runner.native import Verdict, output_text
from maelstrom_test_runner.status import Status

RESULT = re.compile(
    r"^test result: (?:ok|FAILED)\. (\d+) passed; (\d+) failed; (\d+) ignored; (\d+) measured; (\d+) filtered out",
    re.MULTILINE,
)
IGNORED = re.compile(r"^test (?P<name>\S+)(?: - .*?)? \.\.\. ignored, (?P<reason>.+)$", re.MULTILINE)
PANIC = re.compile(
    r"^thread '.*?'(?: \(\d+\))? panicked at (?:'(?P<old>.*)', )?(?P<file>[^\n:]+):(?P<line>\d+):\d+", re.MULTILINE
)
ABORTS = re.compile(
    r"^fatal runtime error: |\baborting\.?$|^memory allocation of \d+ bytes failed"
    r"|: Assertion .*failed\.$|^terminate called |\*\*\*: terminated$"
    r"|^(?:double free or corruption|(?:malloc|free)\(\):)",
    re.MULTILINE,
)
"""What is said before abort(): by Rust, of overflown stacks, panics that cannot unwind and memory that is not there; by
C and C++."""
NOT_THERE = "this test was there when the binary listed its tests, but not when it was to be run"


class Listed(msgspec.Struct, frozen=True):
    """What a binary lists."""

    name: str
    benchmark: bool


class Counts(msgspec.Struct, frozen=True):
    """The numbers of libtest's last line."""

    passed: int
    failed: int
    ignored: int
    measured: int
    filtered: int

    @property
    def succeeded(self) -> int:
        """How many have run well; benchmarks as well."""
        return self.passed + self.measured


def parse_listing(text: str) -> Iterator[Listed]:
    """Yield what is in the output of `--list --format terse`; whatever else a binary prints is passed over."""
    for line in text.splitlines():
        name, _, kind = line.rpartition(": ")
        if name and kind in {"test", "benchmark", "bench"}:
            yield Listed(name, kind != "test")


def parse_reasons(text: str) -> dict[str, str]:
    """Return why tests are ignored, as far as they say so, of the output of a binary that was told to run them."""
    return {found["name"]: found["reason"] for found in IGNORED.finditer(text)}


def counts_of(text: str) -> list[Counts]:
    """Return the numbers of each last line: documentation may have several."""
    return [Counts(*map(int, found.groups())) for found in RESULT.finditer(text)]


def judge_test(name: str, outcome: Outcome, root: str) -> Verdict:
    """Return the verdict of the job of one test; paths in its messages start at `root`."""
    assert isinstance(outcome, Exited | Signaled | TimedOut)  # noqa: S101 - others are not judged
    stdout, stderr = _texts(outcome.effects)
    seconds = outcome.effects.duration
    counts = counts_of(stdout)[-1:]
    unheard = outcome.effects.stdout.lost > 0
    if isinstance(outcome, Exited) and not outcome.code:
        if counts and counts[0].succeeded and (unheard or _is_named(name, stdout)):
            return Verdict(status=Status.PASSED, seconds=seconds, counts={"passed": 1}, unheard=unheard)
        if counts and counts[0].ignored:
            return Verdict(status=Status.SKIPPED, counts={"ignored": 1})
    text = output_text(own_output(name, stdout), stderr) + _lost(outcome.effects)
    message, file, line = panic_of(stderr, root)
    failed = Verdict(
        status=Status.FAILED,
        seconds=seconds,
        text=text,
        message=message,
        counts={"failed": 1},
        file=file,
        line=line,
    )
    if isinstance(outcome, TimedOut):
        return msgspec.structs.replace(failed, status=Status.TIMEOUT, detail="timed out")
    if isinstance(outcome, Signaled):
        return msgspec.structs.replace(failed, detail=how_killed(outcome, stderr))
    if counts and counts[0].failed:
        return failed
    if counts and not counts[0].succeeded:
        return msgspec.structs.replace(failed, status=Status.ERR, detail=NOT_THERE)
    status = Status.FAILED if outcome.code else Status.ERR
    detail = f"the test's process ended with exit code {outcome.code} before libtest reported a result"
    unheard = unheard and status is Status.ERR
    return msgspec.structs.replace(failed, status=status, detail=detail, unheard=unheard)


def judge_program(outcome: Outcome, *, libtest: bool = False) -> Verdict:
    """Return the verdict of the job of a program whose exit code decides; with `libtest` its last lines are counted."""
    assert isinstance(outcome, Exited | Signaled | TimedOut)  # noqa: S101 - others are not judged
    stdout, stderr = _texts(outcome.effects)
    seconds = outcome.effects.duration
    numbers: dict[str, int] = {}
    if libtest:
        for each in counts_of(stdout):
            for word, number in (("passed", each.passed), ("failed", each.failed), ("ignored", each.ignored)):
                if number:
                    numbers[word] = numbers.get(word, 0) + number
    if isinstance(outcome, Exited) and not outcome.code:
        if libtest and not numbers:
            unheard = bool(outcome.effects.stdout.lost)
            return Verdict(status=Status.SKIPPED, reason="there are none", unheard=unheard)
        return Verdict(status=Status.PASSED, seconds=seconds, counts=numbers)
    failed = Verdict(
        status=Status.FAILED,
        seconds=seconds,
        text=output_text(stdout, stderr) + _lost(outcome.effects),
        counts=numbers,
    )
    if isinstance(outcome, TimedOut):
        return msgspec.structs.replace(failed, status=Status.TIMEOUT, detail="timed out")
    if isinstance(outcome, Signaled):
        return msgspec.structs.replace(failed, detail=how_killed(outcome, stderr))
    return msgspec.structs.replace(failed, message=f"exit code {outcome.code}")


def own_output(name: str, stdout: str) -> str:
    """Return what a test has printed, and what libtest notes about it, without libtest's frame."""
    start = stdout.find("running 1 test\n")
    text = stdout[start + len("running 1 test\n") :] if start >= 0 and not stdout[:start].strip() else stdout
    title = rf"test {re.escape(name)}(?: - [^\n]*?)? \.\.\. "
    noted = re.findall(rf"^---- {re.escape(name)} stdout ----\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    head = re.match(title, text)
    ends = list(re.finditer(rf"^{title}(?:ok|FAILED|ignored).*$", text, re.MULTILINE))
    if ends:
        text = text[: ends[-1].start()]
    elif head:
        text = text[head.end() :]
        last = text.rfind("FAILED\n\nfailures:\n")
        text = text[:last] if last >= 0 else text
    return "\n".join(part.strip("\n") for part in (text, *noted) if part.strip("\n"))


def panic_of(stderr: str, root: str) -> tuple[str, str, int]:
    """Return what a panic says in a line, and its place: file and line; nothing where there was none."""
    found = PANIC.search(stderr)
    if found is None:
        return "", "", 0
    rest = stderr[found.end() :].partition("\n")[2]
    message = found["old"] or rest.partition("\n")[0]
    file = found["file"] if found["file"].startswith("/") else f"{root}/{found['file']}"
    return message.strip(), file, int(found["line"])


def how_killed(outcome: Signaled, stderr: str) -> str:
    """Say by what a process was killed.

    For the first process of a container the kernel ignores the SIGABRT of abort(), which falls back on a fault then:
    what Rust and C say before they call it tells it from a fault of the test's own.
    """
    if reason := out_of_memory(outcome):
        return f"the test's process was killed: {reason}"
    if outcome.signal == signal.SIGSEGV:
        if ABORTS.search(stderr):
            return f"the test's process ended itself by abort() (SIGABRT, signal {int(signal.SIGABRT)})"
        return f"the test's process was killed by SIGSEGV (signal {outcome.signal}), or ended itself by abort()"
    try:
        name = f"{signal.Signals(outcome.signal).name} (signal {outcome.signal})"
    except ValueError:
        name = f"signal {outcome.signal}"
    return f"the test's process was killed by {name}"


def _is_named(name: str, stdout: str) -> bool:
    """Tell whether libtest has told of the test; names of benchmarks may be padded."""
    return re.search(rf"test {re.escape(name)}(?: - [^\n]*?)? +\.\.\. ", stdout) is not None


def _texts(effects: Effects) -> tuple[str, str]:
    return effects.stdout.data.decode(errors="replace"), effects.stderr.data.decode(errors="replace")


def _lost(effects: Effects) -> str:
    lost = effects.stdout.lost + effects.stderr.lost
    return f"{lost} more bytes of output were lost {why_lost(effects)}\n" if lost else ""
