"""What a test binary of Go writes, read: which tests ran, what became of each, what each has printed.

A binary that is called with `-test.v=test2json` puts a mark (^V) before each line that the testing package writes about
tests, so that nothing a test prints can be taken for one. This is the protocol between `go test` and `go tool
test2json`, known since Go 1.20. Pure; imports nothing of the project.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MARK = "\x16"
LOG_INDENT = "    "
"""Before what a test logs (t.Log, t.Error); what it prints by itself begins where it likes."""
MAX_TESTS = 100_000
"""Subtests of a process that are told apart; what further ones write is their parent's."""

FRAME = re.compile(r"=== (RUN|PAUSE|CONT|NAME|ATTR|ARTIFACTS) +(.*)")
RESULT = re.compile(r"\s*--- (PASS|FAIL|SKIP|BENCH): (.*) \((\d+(?:\.\d+)?)s\)")
WORDS = frozenset({"PASS", "FAIL", "SKIP"})


class Piece(NamedTuple):
    """A part of the output: what follows a mark up to the end of its line, or what was printed between."""

    text: str
    marked: bool


class Node:
    """A test or subtest: `result` is PASS, FAIL, SKIP, BENCH, or empty where it has not ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.result = ""
        self.seconds = 0.0
        self.text = ""
        """What it wrote itself."""
        self.children: list[Node] = []

    def subtests(self) -> Iterator[Node]:
        """Yield all that ran below it, each after its parent."""
        pending = self.children[::-1]
        while pending:
            node = pending.pop()
            yield node
            pending += node.children[::-1]


class Report:
    """What one process has told of its tests."""

    def __init__(self) -> None:
        self.tests: dict[str, Node] = {}
        """Those that began, and their subtests, by name."""
        self.verdict = ""
        """The last word: PASS or FAIL; empty where the process did not come to an end of its tests."""
        self.outside = ""
        """What was written by no test: before the first one, and after the last."""

    def find(self, name: str) -> Node | None:
        """Return the test of a name, if it began."""
        return self.tests.get(name)


def parse(data: bytes) -> Report:
    """Read the output of a process."""
    report = Report()
    current: Node | None = None
    for text, marked in pieces(data.decode("utf-8", "replace")):
        if marked:
            line = text.removesuffix("\n")
            frame = FRAME.fullmatch(line)
            if frame is not None:
                if frame[1] not in {"ATTR", "ARTIFACTS", "PAUSE"}:
                    current = _node(report, frame[2].strip())
                continue
            result = RESULT.fullmatch(line)
            if result is not None:
                node = _node(report, result[2])
                if node is not None:  # with -cpu one that has run several times
                    node.result = node.result if node.result == "FAIL" else result[1]
                    node.seconds += float(result[3])
                current = node
                continue
            if line in WORDS:
                report.verdict = line
                current = None
                continue
        if current is None:
            report.outside += text
        else:
            current.text += text
    return report


def unmarked(text: str) -> str:
    """Return what tests have written, of whole lines of the output, without what the testing package says of them."""
    return "".join(piece.text for piece in pieces(text) if not (piece.marked and _is_own(piece.text)))


def _is_own(text: str) -> bool:
    line = text.removesuffix("\n")
    return bool(FRAME.fullmatch(line) or RESULT.fullmatch(line)) or line in WORDS


def pieces(text: str) -> Iterator[Piece]:
    """Cut the output at marks, and behind the lines that have one."""
    first, *rest = text.split(MARK)
    if first:
        yield Piece(first, marked=False)
    for part in rest:
        line, end, after = part.partition("\n")
        yield Piece(line + end, marked=True)
        if after:
            yield Piece(after, marked=False)


def _node(report: Report, name: str) -> Node | None:
    """Return the test of a name, made where it is new: below the longest name that it begins with."""
    if not name:
        return None
    node = report.tests.get(name)
    if node is not None:
        return node
    parent = _parent(report, name)
    if len(report.tests) >= MAX_TESTS:
        return parent
    node = report.tests[name] = Node(name)
    if parent is not None:
        parent.children.append(node)
    return node


def _parent(report: Report, name: str) -> Node | None:
    """Return the test that a subtest belongs to; names of subtests may hold slashes of their own."""
    while "/" in name:
        name = name.rpartition("/")[0]
        if name in report.tests:
            return report.tests[name]
    return None


def failure_text(node: Node, depth: int = 0) -> str:
    """Return what `go test` prints of a test that failed, below its own line: subtests that failed, in their place.

    What subtests that did not fail have logged is left out, as there; what they have printed is not.
    """
    text = _indented(node.text, depth)
    for child in node.children:
        if child.result in {"PASS", "SKIP"}:
            text = _line_end(text) + _printed(child)
        else:
            word = child.result or "FAIL"
            head = f"{LOG_INDENT * (depth + 1)}--- {word}: {child.name} ({child.seconds:.2f}s)\n"
            text = _line_end(text) + head + failure_text(child, depth + 1)
    return text


def _printed(node: Node) -> str:
    """Return what a subtest and those below it have printed, without what they have logged."""
    lines = [line for each in (node, *node.subtests()) for line in each.text.splitlines(keepends=True)]
    return "".join(line for line in lines if not line.startswith(LOG_INDENT))


def _indented(text: str, depth: int) -> str:
    if not depth:
        return text
    lines = text.splitlines(keepends=True)
    return "".join(LOG_INDENT * depth + line if line.startswith(LOG_INDENT) else line for line in lines)


def _line_end(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def skip_reason(node: Node) -> str:
    """Return why a test was skipped, as it has said: the last that it logged, without the place."""
    entries = re.split(r"(?m)^    (?=\S)", node.text)
    said = entries[-1] if len(entries) > 1 else ""
    said = re.sub(r"^[^\s:]+\.go:\d+: ", "", said)
    return " ".join(said.split())
