"""Test cases as a JUnit report has them, to compare what two programs say of the same tests."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

ADDRESS = re.compile(r"0x[0-9a-f]+")

Cases = Counter[tuple[str | None, str | None, tuple[str, ...]]]


def load_totals(path: Path) -> dict[str, str | None]:
    """Return what the head of a report counts; nothing where there is no report."""
    if not path.exists():
        return {}
    (suite,) = ET.parse(path).getroot().iter("testsuite")
    return {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}


def load_cases(path: Path) -> Cases:
    """Return name, kind and message of each test case of a report; none where there is no report."""
    if not path.exists():
        return Counter()
    return Counter(
        (
            case.get("classname"),
            case.get("name"),
            tuple(
                sorted(
                    f"{e.tag}:{e.get('type')}:{ADDRESS.sub('', e.get('message', ''))}"
                    for e in case
                    if e.tag in {"failure", "error", "skipped"}
                )
            ),
        )
        for case in ET.parse(path).getroot().iter("testcase")
    )
