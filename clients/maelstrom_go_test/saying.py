"""What a failure says in few lines, for reports that show such a line beside the name of a test. Pure.

A test says why it failed by logging, and logs other things, too: which of them was an error go does not tell. What it
has logged last is what it failed with, where it gave up at once (t.Fatal), and the best guess elsewhere.
"""

from __future__ import annotations

import re

from maelstrom_go_test.output import LOG_INDENT, Node

LONGEST = 10
"""Lines of a message."""
_ENTRY = re.compile(rf"(?m)^{LOG_INDENT}(?=\S+\.go:\d+: )")
_TESTIFY = re.compile(r"^\s*Error:\s+(?P<said>.*?)^\s*(?:Test|Messages):\s", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r"\S+\.go:\d+: ")


def message_of(node: Node | None, text: str, detail: str = "") -> str:
    """Return what a test that failed has said of it; `text` is what is shown, `detail` what is known beside that."""
    lines = [line.strip().removeprefix("stderr: ") for line in text.splitlines()]
    panic = next((line for line in lines if line.startswith("panic: ")), None)
    if panic is not None:
        return panic
    said = detail or ("" if node is None else _last_entry(_culprit(node).text))
    return said or "\n".join([line for line in lines if line][:LONGEST])


def _culprit(node: Node) -> Node:
    """Return the first test at or below this one that failed without one below it that did."""
    while (child := next((each for each in node.children if each.result in {"FAIL", ""}), None)) is not None:
        node = child
    return node


def _last_entry(text: str) -> str:
    """Return what was logged last: its place, and what it says; of testify's reports, what is wrong."""
    entries = _ENTRY.split(text)[1:]
    if not entries:
        return ""
    entry = entries[-1]
    place = _PLACE.match(entry)
    testify = _TESTIFY.search(entry)
    if testify is not None and place is not None:
        entry = place[0] + testify["said"]
    lines = (line.strip() for line in entry.splitlines())
    return "\n".join([line for line in lines if line][:LONGEST])
