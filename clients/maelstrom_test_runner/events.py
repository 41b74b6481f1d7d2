"""What happens in a run, as values: all that displays, summary and reports know.

A run is one sequence of events. Whoever shows or reports something reads nothing but them, so that a run that was
recorded looks the same again. `at` is in seconds since the run began, and never decreases. docs/book/events.md
describes them for others; what they mean is changed only with `FORMAT`. Pure: imports the status words only.
"""

from __future__ import annotations

import msgspec

from maelstrom_test_runner.status import Status

FORMAT = 1
"""Which version of the events this is."""


class Test(msgspec.Struct, frozen=True):
    """A test: its name, and which of several with that name."""

    __test__ = False

    name: str
    occurrence: int = 0
    repetition: int = 0
    """Which of several times that it is run, with --repeat."""


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a test case is not plain success, in the words of JUnit.

    `tag` is failure, error or skipped; of earlier attempts flakyFailure, flakyError, rerunFailure or rerunError.
    """

    tag: str
    message: str
    text: str = ""
    type: str | None = None


class TestCase(msgspec.Struct, frozen=True, omit_defaults=True):
    """A test as the native runner's own JUnit report would have it; `time` in seconds."""

    __test__ = False

    classname: str
    name: str
    time: float
    marks: tuple[Mark, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    counted: int = 1
    """As how many tests the head of the report counts it: more than one where it has subtests."""


class Warned(msgspec.Struct, frozen=True):
    """A warning; `text` is empty where it is only to be counted."""

    place: str
    text: str


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event"):
    """Something that happened."""

    at: float


class Begun(Event, tag="begun", frozen=True, kw_only=True):
    """The run began; always the first."""

    format: int = FORMAT
    runner: str
    native: str
    """What the tests would run under otherwise: pytest, cargo test, go test."""
    version: str
    directory: str
    arguments: tuple[str, ...] = ()
    slots: int
    time: str
    """Of day, ISO 8601."""
    host: str


class Busy(Event, tag="busy", frozen=True, kw_only=True):
    """What is being done before tests run."""

    text: str


class Remark(Event, tag="remark", frozen=True, kw_only=True):
    """What was done before tests ran; of no interest to who has seen it being done."""

    text: str


class Message(Event, tag="message", frozen=True, kw_only=True):
    """Words of the native runner, as they are."""

    text: str


class Note(Event, tag="note", frozen=True, kw_only=True):
    """Something worth a line, which is no test's."""

    text: str


class Collected(Event, tag="collected", frozen=True, kw_only=True):
    """It is known which tests there are."""

    tests: int
    """How many are going to run."""
    deselected: int = 0
    seconds: float = 0.0
    """What those of them that are known took in earlier runs, together."""
    unknown: int = 0
    """How many have not run before."""
    warnings: tuple[Warned, ...] = ()
    """Those of finding them."""
    suites: dict[str, int] = {}
    """How many of them each suite has; of runners whose tests belong to one."""
    listed: str = ""
    """What is to be listed at the end, beside failures and what was ignored: x for XFAIL, X for XPASS, p for OK."""


class CollectionError(Event, tag="collection-error", frozen=True, kw_only=True):
    """Something could not be collected."""

    name: str
    text: str
    """Empty where the native runner's message has it."""
    case: TestCase | None = None


class Skipped(Event, tag="skipped", frozen=True, kw_only=True):
    """Something was passed over without being run."""

    name: str
    reason: str
    case: TestCase | None = None
    told: bool = False
    """The native runner's own words about it have been passed on."""


class Started(Event, tag="started", frozen=True, kw_only=True):
    """A job began, and with it its tests, one after another."""

    tests: tuple[Test, ...]


class Requeued(Event, tag="requeued", frozen=True, kw_only=True):
    """A job ended without these tests; they will be started again."""

    tests: tuple[Test, ...]


class Output(Event, tag="output", frozen=True, kw_only=True):
    """What a test writes while it runs, in whole lines but perhaps for its last; with --show-output."""

    test: Test
    """Named for its file where several share a process: who of them wrote it is not known."""
    stream: str
    """stdout or stderr."""
    text: str


class Suspended(Event, tag="suspended", frozen=True, kw_only=True):
    """A test has the terminal for its debugger: nothing is shown until `resumed`."""

    test: Test


class Resumed(Event, tag="resumed", frozen=True, kw_only=True):
    """The terminal is ours again."""


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a test that failed, and was run again."""

    status: Status
    seconds: float = 0.0
    texts: tuple[str, ...] = ()
    """What the native runner prints of it."""
    detail: str = ""
    hint: str = ""
    stderr: str = ""
    worker: str = ""
    """As in `Finished`."""


class Subtest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a test that the native runner tells apart; it is not counted by itself."""

    name: str
    status: Status
    seconds: float = 0.0
    reason: str = ""
    """Why it was skipped."""


class Finished(Event, tag="finished", frozen=True, kw_only=True):
    """A test has its verdict."""

    test: Test
    status: Status
    seconds: float = 0.0
    phases: tuple[tuple[str, float], ...] = ()
    """What it consisted of, and seconds of each, in order."""
    reason: str = ""
    """Why it was skipped, was expected to fail, or could not be run."""
    texts: tuple[str, ...] = ()
    """What the native runner prints of a failure, coloured where the run was shown in colours."""
    detail: str = ""
    """Why there is no verdict of the native runner."""
    hint: str = ""
    stderr: str = ""
    """What its process said before it died; only with `detail`."""
    infrastructure: bool = False
    """The machinery could not do its part; the test is not to blame."""
    counts: dict[str, int] = {}
    """What the native runner's last line counts for it."""
    warnings: tuple[Warned, ...] = ()
    cases: tuple[TestCase, ...] = ()
    file: str = ""
    """Path of the file it is in, absolute; empty if not known."""
    line: int = 0
    """Where in there it begins, from 1."""
    attempts: tuple[Attempt, ...] = ()
    """Those before this one, all of which failed."""
    worker: str = ""
    """On which worker of a cluster it ran; empty for this machine."""
    worker_attempt: int = 0
    """Which attempt that was, from 1: those before came to nothing with their workers; 0 where there is no worker."""
    subtests: tuple[Subtest, ...] = ()
    """Those of the last attempt, in the order in which they began."""
    cached: bool = False
    """It has not run: its verdict is that of an earlier run, which still holds."""
    output: str = ""
    """All that it has written, with the marks of the native runner; only where a display wants that."""


class Resized(Event, tag="resized", frozen=True, kw_only=True):
    """The terminal has another size now."""

    columns: int
    rows: int


class Interrupted(Event, tag="interrupted", frozen=True, kw_only=True):
    """Somebody stopped the run."""


class Ended(Event, tag="ended", frozen=True, kw_only=True):
    """The run is over; always the last, unless the program was killed."""

    code: int
    """What the program ends with."""


AnyEvent = (
    Begun
    | Busy
    | Remark
    | Message
    | Note
    | Collected
    | CollectionError
    | Skipped
    | Started
    | Requeued
    | Finished
    | Output
    | Suspended
    | Resumed
    | Resized
    | Interrupted
    | Ended
)
