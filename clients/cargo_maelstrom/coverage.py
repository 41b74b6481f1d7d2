"""How coverage is measured: what cargo is told, where processes leave what they have run, and what that means.

What is built so lies apart from what is built otherwise, below `target/maelstrom-coverage`. All processes of one binary
add to a few files there (`%4m`), also from different containers: a file for each test would be as large as the map of
the program. Pure but for reading cargo's own files.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from cargo_maelstrom.brought import PLACE
from cargo_maelstrom.environment import Toolchain

DIRECTORY = "maelstrom-coverage"
FLAG = "-Cinstrument-coverage"
SUFFIX = ".profraw"
FILE_LIMIT = 1_000_000
MOST_FILES = 9
"""Of one binary; the runtime takes no more."""


class Measured(msgspec.Struct, frozen=True):
    """The coverage of one run."""

    directory: str
    """What it leaves, and what is built for it."""
    profiles: str
    """Where processes leave what they have run."""
    files: int = 1
    """How many files those of one binary share."""
    elsewhere: bool = False
    """They run on a cluster, and what they leave is brought."""

    @property
    def target_directory(self) -> str:
        """Where cargo builds."""
        return f"{self.directory}/target"

    def variables(self) -> dict[str, str]:
        """Return what tests are told."""
        place, files = (PLACE, 1) if self.elsewhere else (self.profiles, self.files)
        return {"LLVM_PROFILE_FILE": f"{place}/%{min(MOST_FILES, files)}m.profraw"}


class Subject(NamedTuple):
    """What is reported on."""

    measured: Measured
    programs: Sequence[str]
    """What has been run."""
    root: str
    """The workspace's."""
    toolchain: Toolchain


def build_flags(caller: Mapping[str, str], directory: Path, cargo_home: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return variables and options by which cargo compiles everything so, beside the flags that it is given otherwise.

    Of the places where flags can stand cargo reads only the first that has any.
    """
    if encoded := caller.get("CARGO_ENCODED_RUSTFLAGS"):
        return {"CARGO_ENCODED_RUSTFLAGS": f"{encoded}\x1f{FLAG}"}, ()
    if plain := caller.get("RUSTFLAGS"):
        return {"RUSTFLAGS": f"{plain} {FLAG}"}, ()
    key = "target.'cfg(all())'" if _has_target_flags(caller, directory, cargo_home) else "build"
    return {}, (f'--config={key}.rustflags=["{FLAG}"]',)


def _has_target_flags(caller: Mapping[str, str], directory: Path, cargo_home: str) -> bool:
    """Tell whether cargo's own files have flags for some target, which may be ours."""
    if any(name.startswith("CARGO_TARGET_") and name.endswith("_RUSTFLAGS") for name in caller):
        return True
    parents = [Path(cargo_home), *(each / ".cargo" for each in (directory, *directory.parents))]
    return any(_names_flags(parent / name) for parent in parents for name in ("config.toml", "config"))


def _names_flags(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            targets = tomllib.loads(file.read(FILE_LIMIT).decode()).get("target", {})
    except (OSError, ValueError):
        return False
    tables = targets.values() if isinstance(targets, dict) else ()
    return any(isinstance(table, dict) and "rustflags" in table for table in tables)


def ignored_files(root: str, cargo_home: str, sysroot: str, target_directory: str) -> str:
    """Return an expression for files whose coverage nobody asks for: those of others, and those of tests themselves."""
    own = re.escape(root)
    parts = [
        r"^/rustc/",
        rf"^{re.escape(cargo_home)}/(registry|git)/",
        rf"^{re.escape(sysroot)}/",
        rf"^{re.escape(target_directory)}/",
        rf"^{own}/(.*/)?(tests|examples|benches)/",
    ]
    return "|".join(parts)


class Lines(NamedTuple):
    """The lines of a file, or of all."""

    name: str
    covered: int
    total: int


def parse_lcov(text: str) -> list[Lines]:
    """Return what a tracefile of lcov says of the lines of each file, in its order."""
    found = []
    name, covered, total = "", 0, 0
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == "SF":
            name, covered, total = value, 0, 0
        elif key in {"LF", "LH"} and value.isdigit():
            total, covered = (int(value), covered) if key == "LF" else (total, int(value))
        elif line == "end_of_record" and total:
            found.append(Lines(name, covered, total))
    return found


def table(files: Iterable[Lines], root: str) -> list[str]:
    """Return the lines that people read; names are relative to `root` where they are below it."""
    rows = [each._replace(name=each.name.removeprefix(f"{root}/")) for each in files]
    rows.append(Lines("all lines", sum(each.covered for each in rows), sum(each.total for each in rows)))
    width = max(len(row.name) for row in rows)
    return [
        f"{row.name:{width}}  {100 * row.covered / max(1, row.total):5.1f} %  {row.covered}/{row.total}" for row in rows
    ]


def by_version(names: Iterable[str]) -> list[str]:
    """Return names such as llvm-cov-19, the newest first."""
    numbered = {name: int(number) for name in names if (number := name.rpartition("-")[2]).isdigit()}
    return sorted(numbered, key=lambda name: numbered[name], reverse=True)


def profiles_in(directory: str) -> list[str]:
    """Return the profiles in a directory."""
    with os.scandir(directory) as entries:
        return sorted(entry.path for entry in entries if entry.name.endswith(SUFFIX))
