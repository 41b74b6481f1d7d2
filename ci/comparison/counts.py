"""What the last line of a run counts, by pytest's words, and whether two runs count the same. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ci.comparison.outcomes import Difference

SINGULAR = {"error": "errors", "warning": "warnings"}
UNCOUNTED = frozenset({"warnings", "rerun"})
"""What the last line names that is no outcome of a test."""
NATIVE_LINE = re.compile(r"^(?:=+ )?((?:\d+ [a-z]+(?: [a-z]+)?(?:, )?)+) in [\d.]+s(?: \([\d:]+\))?(?: =+)?$")
OUR_LINE = re.compile(r"^as pytest counts: (.+)$")
COUNT = re.compile(r"(\d+) ([a-z]+(?: [a-z]+)?)")
LINES = 10
"""How far from the end it is looked for: other plugins may have something to say at the end."""

Counts = dict[str, int]


def last_counts(output: str) -> Counts | None:
    """Return what the last line of pytest's output, or ours, counts; None if there is no such line."""
    for line in reversed(output.rstrip().splitlines()[-LINES:]):
        match = OUR_LINE.match(line) or NATIVE_LINE.match(line)
        if match is not None:
            counted = {SINGULAR.get(word, word): int(number) for number, word in COUNT.findall(match[1])}
            return {word: number for word, number in counted.items() if word not in UNCOUNTED}
    return None


def expected(native: Counts, leaks: Iterable[Difference]) -> Counts:
    """Return what plain pytest would count if the tests that lean on others had run alone, as ours do."""
    moved = dict(native)
    for leak in leaks:
        for outcome, step in ((leak.native, -1), (leak.ours, 1)):
            word = SINGULAR.get(outcome, outcome)
            moved[word] = moved.get(word, 0) + step
    return {word: number for word, number in moved.items() if number}


def differing(native: Mapping[str, int] | None, ours: Mapping[str, int] | None) -> list[str]:
    """Return a line for each word that is not counted alike."""
    if native is None or ours is None:
        missing = [name for name, counts in (("plain pytest", native), ("maelstrom-pytest", ours)) if counts is None]
        return [f"the last line of {' and '.join(missing)} cannot be read"]
    return [
        f"counts: {word}: native {native.get(word, 0)}, maelstrom {ours.get(word, 0)}"
        for word in sorted(native.keys() | ours.keys())
        if native.get(word, 0) != ours.get(word, 0)
    ]
