"""The seam of a native runner: what a test runner has to know for the rest to be done for it.

A runner whose tests are one job each says three things (`NativeRunner`): which tests there are, as it learns of them;
the job of each; and what its outcome means. Selection, order, repetition, retries, directives, displays and reports are
`native_course`'s. docs/book/writing-a-runner.md is about how to write one. Values and interfaces only.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from maelstrom_core.job import (
    Cancelled,
    ExecutionError,
    NotForked,
    Outcome,
    Ran,
    SystemFailure,
)
from maelstrom_core.job import effects_of as effects_of  # noqa: PLC0414 - runners have it from here
from maelstrom_core.spec import JobSpec
from maelstrom_test_runner.directives import Treatment
from maelstrom_test_runner.events import Test
from maelstrom_test_runner.filters import Facts
from maelstrom_test_runner.runner import Runner
from maelstrom_test_runner.status import Status


class Case(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A test as the native runner knows it."""

    name: str
    """What people call it; no other test of the project is called so."""
    facts: Facts
    """What filters can ask about."""
    suite: str = ""
    """What it belongs to, and its name in there, as a report in JUnit's format has them."""
    title: str = ""
    data: object = None
    """The runner's own."""
    ignored: str | None = None
    """Why the native runner would not run it, "" where it does not say; None: it would."""
    file: str = ""
    """Where it is, absolute; "" where that is not known. `line` counts from 1."""
    line: int = 0
    directory: str = ""
    """Absolute; what changes in there most likely concerns the test."""
    repetition: int = 0
    known: Verdict | None = None
    """Its verdict, of an earlier run, where that still holds: it is not run again."""

    @property
    def test(self) -> Test:
        """What events call it."""
        return Test(self.name, 0, self.repetition)


class Subtest(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a test that the native runner tells apart: it stands in reports, and is not counted by itself."""

    title: str
    """Its name in the suite."""
    status: Status
    seconds: float = 0.0
    text: str = ""
    message: str = ""
    reason: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a test."""

    status: Status
    seconds: float = 0.0
    text: str = ""
    """What is shown of a failure: what the test and the native runner had to say."""
    message: str = ""
    """The same in a line."""
    reason: str = ""
    """Why it was ignored."""
    detail: str = ""
    """Why there is no verdict of the native runner."""
    hint: str | None = None
    infrastructure: bool = False
    """The machinery could not do its part; the test is not to blame."""
    unheard: bool = False
    """What decides are its last words, and those were not kept: it is to be run once more, and listened to."""
    counts: dict[str, int] = {}
    """What the native runner's last line counts for it, by its words."""
    file: str = ""
    """Where it failed, absolute; "" where that is not known. `line` counts from 1."""
    line: int = 0
    ran: Ran | None = None
    """Where it ran, if that was on a cluster."""
    attempts: tuple[Verdict, ...] = ()
    """Of earlier attempts, which failed, the first one first."""
    subtests: tuple[Subtest, ...] = ()
    partial: bool = False
    """Only a part of the test was wanted: that it passes says nothing of the rest."""
    output: str = ""
    """All that it has written, as it is; only where a display of the runner's own wants that."""


class Found(Protocol):
    """Where a runner says what it finds, as soon as it knows. All of it in the event loop."""

    def cases(self, cases: Sequence[Case]) -> None:
        """Take note of tests: they may begin at once."""

    def broken(self, name: str, text: str) -> None:
        """Take note of something whose tests cannot be found or built; the run goes on, and will have failed."""

    def busy(self, text: str) -> None:
        """Take note of what is being done; "" when it is over."""

    def message(self, text: str) -> None:
        """Pass on words of the native runner or its compiler, as they are."""

    def note(self, text: str) -> None:
        """Take note of something that is worth a line."""


class NativeRunner(Protocol):
    """One kind of tests."""

    async def find(self, found: Found, runner: Runner) -> None:
        """Find the tests, with jobs of `runner` where that takes any; return when all of them have been told.

        Raises UserError where the run makes no sense without what could not be found. Is cancelled where nobody wants
        to know any more: what it has started must be gone then.
        """

    def job(self, case: Case, treatment: Treatment) -> JobSpec:
        """Return the job of a test of which directives say this; time, slots and order are not its business.

        Jobs with one container have one object as their `container`: that is what makes them cheap. Raises SpecError.
        """

    def judge(self, case: Case, outcome: Outcome) -> Verdict:
        """Return what the outcome of a test's job means; only those that `effects_of` knows come here."""


class Isolation(enum.Enum):
    """How much shares one job: one process, one container."""

    TEST = "test"
    BINARY = "binary"
    AUTO = "auto"
    """Cheap tests of a binary share one, as many as earlier durations make worth while."""


@runtime_checkable
class SharingRunner(NativeRunner, Protocol):
    """One whose tests can share a job."""

    @property
    def isolation(self) -> Isolation:
        """How much is to share one."""

    def kin(self, case: Case) -> Hashable:
        """Return what a test has in common with those that it can share a job with; None: it is always alone.

        What directives say of them is the same in any case.
        """

    def shared_job(self, cases: Sequence[Case], treatment: Treatment) -> JobSpec:
        """Return the job of several tests of one kin; see `job`."""

    def judge_shared(self, cases: Sequence[Case], outcome: Outcome) -> Sequence[Verdict | None]:
        """Return what the outcome of their job means for each test; None: it is to be run alone, which will show."""


def not_run(outcome: Outcome) -> Verdict | None:
    """Return the verdict where a job did not run; None if it did."""
    match outcome:
        case ExecutionError(message, hint) | SystemFailure(message, hint):
            return Verdict(status=Status.ERR, detail=message, hint=hint, infrastructure=True)
        case NotForked(reason):
            return Verdict(status=Status.ERR, detail=reason, infrastructure=True)
        case Cancelled():
            return Verdict(status=Status.ERR, detail="cancelled", infrastructure=True)
    return None


def ignored(reason: str) -> Verdict:
    """Return the verdict of a test that is not run."""
    return Verdict(status=Status.SKIPPED, reason=reason, counts={"ignored": 1})


def after_attempts(verdict: Verdict, attempts: tuple[Verdict, ...]) -> Verdict:
    """Return the verdict of a test that failed in earlier attempts: where it does not any more, it is flaky."""
    if not attempts:
        return verdict
    status = verdict.status if verdict.status.is_failure else Status.FLAKY
    return msgspec.structs.replace(verdict, status=status, attempts=attempts)


def output_text(stdout: str, stderr: str) -> str:
    """Return both streams of a test as one text: first one, then the lines of the other, which say so."""
    lines = [*stdout.rstrip("\n").splitlines()] if stdout.strip("\n") else []
    lines += [f"stderr: {line}".rstrip() for line in stderr.strip("\n").splitlines()]
    return "\n".join(lines) + "\n" if lines else ""
