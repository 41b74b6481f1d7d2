"""Test cases as a JUnit report has them, to compare what two programs say of the same tests."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

Cases = Counter[tuple[str | None, str | None, tuple[str, ...]]]


def load_cases(path: Path) -> Cases:
    """Return name and kind of each test case of a report; none where there is no report."""
    if not path.exists():
        return Counter()
    return Counter(
        (
            case.get("classname"),
            case.get("name"),
            tuple(sorted(f"{e.tag}:{e.get('type')}" for e in case if e.tag in {"failure", "error", "skipped"})),
        )
        for case in ET.parse(path).getroot().iter("testcase")
    )
