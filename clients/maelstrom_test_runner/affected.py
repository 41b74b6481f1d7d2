"""Which files of tests a change most likely concerns. Pure: paths in, a guess out.

It decides what runs first, never what runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath


def affected(changed: Iterable[str]) -> Affected:
    """Return who knows which files these changes concern."""
    paths = frozenset(changed)
    return Affected(paths, frozenset(PurePath(path).stem for path in paths))


class Affected:
    """Knows the files that changed, and their names."""

    def __init__(self, paths: frozenset[str], stems: frozenset[str]) -> None:
        self._paths = paths
        self._stems = stems

    def __call__(self, file: str) -> bool:
        """Return whether this file of tests changed, or is called after one that did."""
        if not self._paths:
            return False
        stem = PurePath(file).stem
        return file in self._paths or stem.removeprefix("test_").removesuffix("_test") in self._stems
