"""What the guest says on the result channel, as typed values, and the parser of the channel.

The channel is written by a process that runs foreign code: any byte may be anything. `parse` never raises; it returns
the records up to the first that cannot be one, and says what was wrong with that. Pure: no I/O, imports nothing of
pytest (the guest and this module share only the shape of the records).
"""

from __future__ import annotations

import json
import zlib
from typing import Any

import msgspec

MAX_RECORD = 32 * 1024 * 1024
MAX_RECORDS = 2_000_000
NO_TEMPLATE = "maelstrom_no_template"
"""The mark of tests that must not be forked."""
CHANNEL_LOST_CODE = 187
"""How a fork of a template ends that can no longer reach its result channel."""


class Configured(msgspec.Struct, frozen=True, tag="configured"):
    """Facts of the session, once pytest knows its arguments and its configuration."""

    python: str
    pytest: str
    rootdir: str
    inipath: str | None
    maxfail: int
    collect_only: bool
    continue_on_errors: bool
    distributed: bool
    """pytest-xdist was asked to start workers, which it was kept from."""
    shown: str = ""
    """What pytest would list at its end, by the letters of `-r`."""


class Item(msgspec.Struct, frozen=True, tag="item"):
    """One collected test. Node ids may repeat: `occurrence` counts the equal ones before it."""

    nodeid: str
    occurrence: int
    file: str
    """Path of the file it was collected from."""
    module: str
    """Node id of that file."""
    class_: str | None = msgspec.field(name="class")
    function: str
    """Node id without parameters."""
    markers: tuple[str, ...]
    line: int | None = None
    """Where in its file it begins, from 0. Not there yet while pytest still collects."""
    place: tuple[int, int] | None = None
    """Which of its function's sets of parameters it has, and of how many; None if it has none."""
    repetition: int = 0
    """Which time it is that it runs, from 0; never said by pytest."""

    @property
    def alone(self) -> bool:
        """Whether it asks for an interpreter that was started for it."""
        return NO_TEMPLATE in self.markers


class CollectError(msgspec.Struct, frozen=True, tag="collect-error"):
    """Something could not be collected, in pytest's own words."""

    nodeid: str
    text: str


class CollectSkipped(msgspec.Struct, frozen=True, tag="collect-skipped"):
    """A module asked to be skipped as a whole."""

    nodeid: str
    reason: str


class Start(msgspec.Struct, frozen=True, tag="start"):
    """pytest begins with an item; numbers are places in the request's selection, -1 an item nobody selected."""

    item: int


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """pytest is through with an item."""

    item: int


class Report(msgspec.Struct, frozen=True, tag="report"):
    """A report of pytest: of the setup, the call or the teardown of a test, or one that a plugin made up."""

    item: int
    nodeid: str
    when: str
    outcome: str
    category: str
    """What pytest counts it as in its last line; empty: not counted."""
    word: str
    subtest: bool = False
    duration: float = 0.0
    start: float = 0.0
    """Seconds since the epoch; 0: not known."""
    wasxfail: str | None = None
    reason: str = ""
    text: str = ""
    """What pytest prints of it below FAILURES or ERRORS."""
    message: str = ""
    """What pytest's own JUnit report has as its message."""
    user_properties: tuple[tuple[str, Any], ...] = ()
    data: Any = None
    """pytest's own portable form of the report."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """An item passed in setup, call and teardown, and there is nothing else to say: three reports and a finish."""

    item: int
    durations: tuple[float, float, float]
    starts: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def reports(self) -> tuple[Report, ...]:
        """Return the reports that this one record stands for."""
        return tuple(
            Report(
                item=self.item,
                nodeid="",
                when=when,
                outcome="passed",
                category="passed" if when == "call" else "",
                word="PASSED" if when == "call" else "",
                duration=duration,
                start=start,
            )
            for when, duration, start in zip(("setup", "call", "teardown"), self.durations, self.starts, strict=True)
        )


class Missing(msgspec.Struct, frozen=True, tag="missing"):
    """Selected items that were not collected this time."""

    items: tuple[int, ...]


class InternalError(msgspec.Struct, frozen=True, tag="internal-error"):
    """pytest itself, or a plugin, failed."""

    text: str


class Interrupted(msgspec.Struct, frozen=True, tag="interrupted"):
    """A test stopped the whole session (KeyboardInterrupt, pytest.exit)."""

    text: str


class SessionEnd(msgspec.Struct, frozen=True, tag="session"):
    """pytest has returned; its process may still do things at exit."""

    status: int
    deselected: int


class Expressions(msgspec.Struct, frozen=True, tag="expressions"):
    """Regular expressions that a job compiled and that were not known yet."""

    seconds: float
    """What compiling them took."""
    found: tuple[tuple[str, bool, int], ...]
    """Text, whether it stands for bytes (then in Latin-1), flags."""


class Warned(msgspec.Struct, frozen=True, tag="warned"):
    """A warning that pytest recorded: while it ran an item, or, where that is -1, before."""

    item: int
    message: str
    module: str
    """Of its class, which is named `category`."""
    category: str
    filename: str
    lineno: int
    place: str = ""
    """Where pytest says it came from."""
    text: str = ""
    """What pytest prints of it."""


class Asked(msgspec.Struct, frozen=True, tag="asked"):
    """An item came to a breakpoint, and its process ended there; only where it could be run again with a terminal."""

    item: int


class JUnitNotes(msgspec.Struct, frozen=True, tag="junit"):
    """What a test added to pytest's JUnit report by itself; only where reports are wanted as data."""

    item: int
    attributes: dict[str, str]
    """Of its test case."""
    properties: tuple[tuple[str, str], ...]
    """Of the test suite."""


class Covered(msgspec.Struct, frozen=True, tag="covered"):
    """What pytest-cov measured in a job, or a part of that, by context and file."""

    lines: dict[str, dict[str, bytes]] = {}
    """Numbers of lines as bits, the lowest first."""
    arcs: dict[str, dict[str, tuple[int, ...]]] = {}
    """Ways from line to line: from, to, from, to, ..."""
    tracers: dict[str, str] = {}
    """Coverage's own plugins that measured, by file."""
    loaded: bool = False
    """With what the job's template had covered when it was loaded."""
    zipped: bytes = b""
    """The JSON of another such record, compressed by zlib, where that is long: see `unzipped`."""

    def unzipped(self) -> Covered:
        """Return what it says; raises ValueError if it cannot be told."""
        if not self.zipped:
            return self
        unpacker = zlib.decompressobj()
        try:
            data = unpacker.decompress(self.zipped, MAX_RECORD)
        except zlib.error as error:
            raise ValueError(f"what was covered cannot be unpacked: {error}") from None
        if not unpacker.eof:
            raise ValueError(f"what was covered has more than {MAX_RECORD} bytes, or has no end")
        try:
            told = _decode(memoryview(data))
        except RecursionError:
            raise ValueError("what was covered is nested too deeply") from None
        if not isinstance(told, Covered) or told.zipped:
            raise ValueError("what was covered says something else")
        return told


class CoverageReport(msgspec.Struct, frozen=True, tag="coverage-report"):
    """What pytest-cov prints about all jobs together."""

    text: str
    failed: bool
    """It is less than the project wants."""
    outside: tuple[str, ...] = ()
    """What it wrote outside of the directory that pytest was called in."""


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """How pytest's process ended, from the reaper; the last record."""

    code: int | None
    signal: int | None
    channel_lost: bool


Record = (
    Configured
    | Item
    | CollectError
    | CollectSkipped
    | Start
    | Finish
    | Report
    | Done
    | Missing
    | InternalError
    | Interrupted
    | SessionEnd
    | Expressions
    | Warned
    | Asked
    | JUnitNotes
    | Covered
    | CoverageReport
    | Ended
)


class Transcript(msgspec.Struct, frozen=True):
    """All records in order; `garbage` says what was wrong with what follows them."""

    records: tuple[Record, ...]
    garbage: str | None = None
    cut: bool = False
    """More was sent than is kept of a result channel; what is here may be all well."""

    def all(self, kind: type[Any]) -> list[Any]:
        """Return the records of one kind."""
        return [record for record in self.records if isinstance(record, kind)]

    def last(self, kind: type[Any]) -> Any:
        """Return the last record of one kind, or None."""
        return next((record for record in reversed(self.records) if isinstance(record, kind)), None)


_FAST: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def _decode(data: memoryview) -> Record:
    """Return a record; raises ValueError, RecursionError or ValidationError for what is none."""
    try:
        return _FAST.decode(data)
    except msgspec.DecodeError:
        # texts from tests may hold lone surrogates, which only the standard library's parser takes
        record: Record = msgspec.convert(json.loads(bytes(data)), Record)
        return record


def parse(data: bytes, lost: int = 0) -> Transcript:
    """Return the records in what came through a result channel; `lost` bytes were cut off its end."""
    records: list[Record] = []
    view = memoryview(data)
    position = 0
    while position < len(view):
        if len(records) >= MAX_RECORDS:
            return Transcript(tuple(records), f"more than {MAX_RECORDS} records")
        size = int.from_bytes(view[position : position + 4], "big")
        end = position + 4 + size
        if size == 0 or size > MAX_RECORD:
            return Transcript(tuple(records), f"a record of {size} bytes")
        if end > len(view):
            problem = f"more than was kept of it ({lost} bytes too many)" if lost else "an unfinished record"
            return Transcript(tuple(records), problem, cut=bool(lost))
        try:
            record = _decode(view[position + 4 : end])
        except (ValueError, RecursionError, msgspec.ValidationError) as error:
            return Transcript(tuple(records), f"something that is no record ({type(error).__name__})")
        records.append(record)
        position = end
    excess = f"more than was kept of it ({lost} bytes too many)" if lost else None
    return Transcript(tuple(records), excess, cut=bool(lost))
