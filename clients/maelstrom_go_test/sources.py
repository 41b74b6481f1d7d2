"""Where in its sources a package has its tests. Reads files; what cannot be read has none."""

from __future__ import annotations

import os
import re

from maelstrom_go_test.packages import Package

_FUNCTION = re.compile(rb"^func (?P<name>(?:Test|Fuzz|Example|Benchmark)\w*)\(", re.MULTILINE)
SIZE_LIMIT = 16 * 1024 * 1024


def find_tests(package: Package) -> dict[str, tuple[str, int]]:
    """Return the file and the line, from 1, of each function that is called as tests are."""
    found: dict[str, tuple[str, int]] = {}
    for name in (*package.TestGoFiles, *package.XTestGoFiles):
        path = os.path.join(package.Dir, name)
        try:
            with open(path, "rb") as file:
                text = file.read(SIZE_LIMIT)
        except OSError:
            continue
        line, at = 1, 0
        for match in _FUNCTION.finditer(text):
            line += text.count(b"\n", at, match.start())
            at = match.start()
            found[match["name"].decode("ascii", "replace")] = path, line
    return found
