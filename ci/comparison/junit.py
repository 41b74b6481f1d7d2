"""Reads JUnit reports, and says where two of them differ, test by test: names, kinds, types and messages. Pure.

Times are left aside, and what is another one in each run: addresses of objects, and pytest's temporary directories.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

Address = tuple[str, str]
"""Class name and name of a test case."""

OURS = frozenset({"worker", "worker_attempt"})
"""Properties that say where on a cluster a test ran."""
Case = tuple[tuple[str, ...], ...]
"""What is said of a test case: its marks (tag, type, message) and properties (the word, name, value)."""

TOTALS = ("tests", "failures", "errors", "skipped")
ONE_RUN_ONLY = (
    (re.compile(r"0x[0-9a-f]{6,}"), "0x..."),
    (re.compile(r"/pytest-of-[^/\s]+/pytest-\d+"), "/pytest"),
    (re.compile(r"/popen-gw\d+"), ""),
)


@dataclass(frozen=True, slots=True)
class Report:
    """A JUnit report: its totals, and the test cases of each address in no order."""

    totals: tuple[int, ...]
    cases: dict[Address, list[Case]]

    @property
    def tests(self) -> int:
        """How many test cases there are."""
        return sum(map(len, self.cases.values()))


def read(text: bytes) -> Report:
    """Return what a report says. Raises ValueError for what is none."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise ValueError(f"no XML: {error}") from error
    cases: defaultdict[Address, list[Case]] = defaultdict(list)
    for element in root.iter("testcase"):
        cases[element.get("classname", ""), element.get("name", "")].append(_case(element))
    suites = list(root.iter("testsuite"))
    totals = tuple(sum(int(suite.get(name, 0)) for suite in suites) for name in TOTALS)
    return Report(totals, {address: sorted(found) for address, found in cases.items()})


def _case(element: ET.Element) -> Case:
    said: list[tuple[str, ...]] = []
    for child in element:
        if child.tag == "properties":
            told = [each for each in child if each.get("name") not in OURS]
            said += [("property", each.get("name", ""), _lasting(each.get("value", ""))) for each in told]
        elif child.tag not in {"system-out", "system-err"}:  # no verdicts, and pytest's own choice
            said.append((child.tag, child.get("type", ""), _lasting(child.get("message", ""))))
    return tuple(said)


def _lasting(text: str) -> str:
    for pattern, instead in ONE_RUN_ONLY:
        text = pattern.sub(instead, text)
    return text


def address(nodeid: str) -> Address:
    """Return where pytest's own report has a test."""
    path, bracket, parameters = nodeid.partition("[")
    names = path.split("::")
    names[0] = names[0].replace("/", ".").removesuffix(".py")
    return ".".join(names[:-1]), names[-1] + bracket + parameters


def differing(native: Report, ours: Report, aside: Collection[Address] = ()) -> list[str]:
    """Return a line for each test case that is not the same in both; those `aside` are known to differ.

    The totals are compared where none is aside.
    """
    lines = []
    if not aside:
        lines = [
            f"junit: {name}: native {theirs}, maelstrom {mine}"
            for name, theirs, mine in zip(TOTALS, native.totals, ours.totals, strict=True)
            if theirs != mine
        ]
    for place in sorted(native.cases.keys() | ours.cases.keys()):
        theirs, mine = native.cases.get(place, []), ours.cases.get(place, [])
        if theirs != mine and place not in aside:
            lines.append(
                f"junit: {'::'.join(filter(None, place))}: native {_spoken(theirs)}, maelstrom {_spoken(mine)}"
            )
    return lines


def _spoken(cases: Sequence[Case]) -> str:
    return (
        " and ".join("; ".join(" ".join(map(repr, each)) for each in case) or "passed" for case in cases) or "missing"
    )
