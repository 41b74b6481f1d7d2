"""Profiles of coverage: those of single tests put together, as `go test -coverprofile` would have written them.

    mode: set
    example.com/module/file.go:3.20,5.2 1 1

Blocks of a file, how many statements each has, how often it ran. In the modes `count` and `atomic` what a process does
before and after its tests is counted once for each package, not once for each test. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

Block = tuple[str, int]
"""Place, and number of statements."""
Counts = dict[Block, int]

_LINE = re.compile(r"(\S.*:\d+\.\d+,\d+\.\d+) (\d+) (\d+)")
LIMIT = 1 << 62


def parse(text: str) -> Counts:
    """Return the blocks of a profile, in its order. What is no line of one is passed over."""
    counts: Counts = {}
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is not None:
            block = found[1], int(found[2])
            counts[block] = min(LIMIT, counts.get(block, 0) + int(found[3][:19]))
    return counts


def by_package(text: str) -> dict[str, str]:
    """Return the lines of a profile by the packages whose files they are about."""
    found: dict[str, str] = {}
    for line in text.splitlines(keepends=True):
        package, slash, _ = line.rpartition(":")[0].rpartition("/")
        if slash:
            found[package] = found.get(package, "") + line
    return found


class Merged:
    """What the tests of one package covered together."""

    def __init__(self) -> None:
        self.counts: Counts = {}
        self._base: Counts = {}

    def add_base(self, text: str) -> None:
        """Add what a process covers that runs no test: every other process does that, too."""
        self._base = parse(text)
        for block, count in self._base.items():
            self.counts[block] = self.counts.get(block, 0) + count

    def add(self, text: str) -> bool:
        """Add what a test covered; tell whether there was anything."""
        counts = parse(text)
        for block, count in counts.items():
            self.counts[block] = self.counts.get(block, 0) + max(0, count - self._base.get(block, 0))
        return bool(counts)

    def add_missing(self, blocks: Iterable[Block]) -> None:
        """Add blocks that nothing has covered."""
        for block in blocks:
            self.counts.setdefault(block, 0)

    def share(self) -> float | None:
        """Return which part of the statements was covered, from 0 to 1; None where there are none."""
        total = sum(size for _, size in self.counts)
        covered = sum(size for (_, size), count in self.counts.items() if count)
        return covered / total if total else None

    def lines(self, mode: str) -> Iterable[str]:
        """Yield the lines of a profile."""
        for (place, size), count in self.counts.items():
            yield f"{place} {size} {min(count, 1) if mode == 'set' else count}\n"


def document(packages: Mapping[str, Merged], mode: str) -> str:
    """Return the profile of all packages together, one after the other."""
    return f"mode: {mode}\n" + "".join(line for name in packages for line in packages[name].lines(mode))


def words(name: str, merged: Merged | None, measured: str = "") -> str:
    """Return what `go test -cover` says of a package; `measured` is the value of -coverpkg."""
    share = merged.share() if merged is not None else None
    if share is None:
        return f"{name}: coverage: [no statements]"
    of = f" in {', '.join(measured.split(','))}" if measured else ""
    return f"{name}: coverage: {100 * share:.1f}% of statements{of}"
