"""The JUnit report: test cases to XML, and the file. Knows nothing of any runner.

Imports the standard library's XML writer when a report is made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maelstrom_core.errors import UserError
from maelstrom_core.whole_file import write_whole
from maelstrom_test_runner.lines import plain

# what XML 1.0 has no place for, not even escaped
INVALID = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


ATTEMPTS = frozenset({"flakyFailure", "flakyError", "rerunFailure", "rerunError"})
"""What Surefire's reports call attempts that failed, where the last one passed, and where it did not."""


class Mark(msgspec.Struct, frozen=True):
    """What is not plain success: `tag` is failure, error or skipped, or one of ATTEMPTS."""

    tag: str
    message: str
    text: str = ""
    type: str | None = None


class TestCase(msgspec.Struct, frozen=True):
    """One test case of a report; `time` in seconds."""

    __test__ = False

    classname: str
    name: str
    time: float
    marks: tuple[Mark, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()


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
        tests=str(len(cases)),
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
    try:
        write_whole(path, contents, shared=True)
    except OSError as error:
        raise UserError(
            f"failed to write the JUnit report to {path}: {error.strerror}", hint="give --junit-xml another path"
        ) from error
