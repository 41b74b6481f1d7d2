"""Reads the table that pytest-cov prints, and says where two of them differ, file by file. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

HEAD = re.compile(r"^Name +Stmts +Miss( +Branch +BrPart)? +Cover\b")
ROW = re.compile(r"^(\S.*?) +((?:\d+ +){2,4})(\d+(?:\.\d+)?%)(?: .*)?$")
LINE = re.compile(r"coverage: (.*): native ")

Table = dict[str, tuple[str, ...]]
"""For each file, and TOTAL: statements, those missed, branches, those taken in part, percent."""


def read(output: str) -> Table | None:
    """Return the last table that was printed; None if there is none."""
    table: Table | None = None
    for line in output.splitlines():
        if HEAD.match(line):
            table = {}
        elif table is not None and (row := ROW.match(line)) is not None:
            table[row[1]] = (*row[2].split(), row[3])
    return table


def differing(native: Mapping[str, tuple[str, ...]] | None, ours: Mapping[str, tuple[str, ...]] | None) -> list[str]:
    """Return a line for each file that is not covered alike."""
    if native is None or ours is None:
        missing = [name for name, table in (("plain pytest", native), ("maelstrom-pytest", ours)) if table is None]
        return [f"coverage: {' and '.join(missing)} printed none"]
    return [
        f"coverage: {name}: native {_spoken(native.get(name))}, maelstrom {_spoken(ours.get(name))}"
        for name in sorted(native.keys() | ours.keys())
        if native.get(name) != ours.get(name)
    ]


def files(lines: Collection[str]) -> frozenset[str]:
    """Return the files that such lines are about."""
    return frozenset(found[1] for line in lines if (found := LINE.match(line)) is not None and found[1] != "TOTAL")


def _spoken(row: tuple[str, ...] | None) -> str:
    return "missing" if row is None else f"{row[-1]} ({' '.join(row[:-1])})"
