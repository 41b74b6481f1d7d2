"""The JUnit report: test cases to XML, and the file. Knows nothing of any runner.

Imports the standard library's XML writer when a report is made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maelstrom_core.whole_file import check_place, write_whole
from maelstrom_test_runner.events import AnyEvent, Begun, CollectionError, Ended, Finished, Skipped, TestCase
from maelstrom_test_runner.lines import plain
from maelstrom_test_runner.reports.writing import writing
from maelstrom_test_runner.state import RunState

_WHAT, _HINT = "the JUnit report", "give --junit-xml another path"

# what XML 1.0 has no place for, not even escaped
INVALID = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


ATTEMPTS = frozenset({"flakyFailure", "flakyError", "rerunFailure", "rerunError"})
"""What Surefire's reports call attempts that failed, where the last one passed, and where it did not."""


class JUnitReport:
    """Writes the report when a run has ended, also before its time; none where nothing was to be run."""

    def __init__(self, path: Path) -> None:
        """Prepare a report. Raises UserError where it could not be written."""
        with writing(_WHAT, path, _HINT):
            check_place(path)
        self._path = path
        self._uncollected: list[TestCase] = []
        self._cases: list[TestCase] = []

    def take(self, event: AnyEvent, state: RunState) -> None:
        """Keep what the report needs."""
        if isinstance(event, Finished):
            self._cases += (_located(case, event) for case in event.cases)
        elif isinstance(event, Skipped | CollectionError) and event.case is not None:
            self._uncollected.append(event.case)
        elif isinstance(event, Ended) and state.begun is not None and self._wanted(state):
            write(self._path, self._document(state.begun, event.at))

    def tick(self, at: float, state: RunState) -> None:
        """Time changes nothing."""

    def close(self) -> None:
        """Have nothing to let go of."""

    def _wanted(self, state: RunState) -> bool:
        return state.expected is not None or state.interrupted or bool(self._uncollected)

    def _document(self, begun: Begun, at: float) -> bytes:
        cases = [*self._uncollected, *self._cases]
        return document(cases, suite=begun.native, time=at, timestamp=begun.time, hostname=begun.host)


def _located(case: TestCase, event: Finished) -> TestCase:
    """Return a test case that says where on a cluster it ran, if it did."""
    if not event.worker:
        return case
    where = (("worker", event.worker), ("worker_attempt", str(event.worker_attempt)))
    return msgspec.structs.replace(case, properties=(*case.properties, *where))


def document(cases: Sequence[TestCase], *, suite: str, time: float, timestamp: str, hostname: str) -> bytes:
    """Return the report as a file's contents. `time` in seconds, `timestamp` in ISO 8601."""
    from xml.etree import ElementTree as ET

    tags = [mark.tag for case in cases for mark in case.marks]
    root = ET.Element("testsuites", name=f"{suite} tests")
    node = ET.SubElement(
        root,
        "testsuite",
        name=suite,
        errors=str(tags.count("error")),
        failures=str(tags.count("failure")),
        skipped=str(tags.count("skipped")),
        tests=str(sum(case.counted for case in cases)),
        time=f"{time:.3f}",
        timestamp=timestamp,
        hostname=clean(hostname),
    )
    for case in cases:
        element = ET.SubElement(
            node, "testcase", classname=clean(case.classname), name=clean(case.name), time=f"{case.time:.3f}"
        )
        if case.properties:
            properties = ET.SubElement(element, "properties")
            for name, value in case.properties:
                ET.SubElement(properties, "property", name=clean(name), value=clean(value))
        for mark in case.marks:
            attributes = {"message": clean(mark.message)}
            if mark.type is not None:
                attributes["type"] = mark.type
            marked = ET.SubElement(element, mark.tag, attributes)
            if mark.tag in ATTEMPTS:
                marked = ET.SubElement(marked, "stackTrace")
            marked.text = clean(mark.text) or None
    contents: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return contents


def clean(text: str) -> str:
    """Return a text without colours and without what XML cannot carry."""
    return INVALID.sub("", plain(text))


def write(path: Path, contents: bytes) -> None:
    """Put a report in place, whole or not at all; raises UserError if that cannot be done."""
    with writing(_WHAT, path, _HINT):
        write_whole(path, contents, shared=True)
