"""Compares the verdicts of `cargo test` and of `cargo maelstrom`: `ci/cargo-verdicts DIRECTORY [-- CARGO_ARGUMENT...]`.

Both run in the directory with the same arguments; test by test the outcomes are compared, by target and name, and the
numbers of all tests together, those of documentation included. Exit code 1 where anything differs, which is named.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
RUNNING = re.compile(r"^ +Running (?:unittests )?\S+ \((?P<path>\S+)\)$")
DOC = re.compile(r"^ +Doc-tests (?P<name>\S+)$")
TEST = re.compile(r"^test (?P<name>\S+)(?: - should panic)? \.\.\. (?P<word>ok|FAILED|ignored)(?:, .*)?$")
RESULT = re.compile(r"^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored;")
WORDS = {"ok": "OK", "FAILED": "FAIL", "ignored": "IGNORED"}
COUNTED = ("passed", "failed", "ignored")

Key = tuple[str, str]
"""A target, and a test in it."""


class Outcomes(NamedTuple):
    """What a runner made of a project."""

    tests: Mapping[Key, tuple[str, ...]]
    """The verdicts of all tests of one key: a library and a program may have the same name."""
    counts: Mapping[str, int]


def read_native(output: str) -> Outcomes:
    """Return what `cargo test` has printed, of both streams together."""
    tests: dict[Key, list[str]] = {}
    counts: Counter[str] = Counter()
    target: str | None = None
    for line in output.splitlines():
        if running := RUNNING.match(line):
            target = os.path.basename(running["path"]).rpartition("-")[0].replace("-", "_")
        elif DOC.match(line):
            target = None
        elif (found := TEST.match(line)) and target is not None:
            tests.setdefault((target, found["name"]), []).append(WORDS[found["word"]])
        elif result := RESULT.match(line):
            counts.update(dict(zip(COUNTED, map(int, result.groups()), strict=True)))
    return Outcomes({key: tuple(sorted(words)) for key, words in tests.items()}, counts)


def read_ours(lines: Iterable[str]) -> Outcomes:
    """Return what the lines of a report say."""
    tests: dict[Key, list[str]] = {}
    counts: Counter[str] = Counter()
    for line in lines:
        event: dict[str, Any] = json.loads(line)
        if event["event"] != "finished":
            continue
        counts.update(event.get("counts", {}))
        key = key_of(event["test"]["name"])
        if key is not None:
            tests.setdefault(key, []).append(event["status"])
    return Outcomes({key: tuple(sorted(words)) for key, words in tests.items()}, counts)


def key_of(name: str) -> Key | None:
    """Return target and test of a name of ours; None for documentation, and for programs without a harness."""
    found = re.match(r"^(?P<package>\S+)(?: \[(?P<target>[^\]]+)\])?(?: (?P<test>\S+))?$", name)
    if found is None or found["test"] is None:
        return None
    target = (found["target"] or found["package"]).rpartition("/")[2]
    return target.replace("-", "_"), found["test"]


def differences(native: Outcomes, ours: Outcomes) -> list[str]:
    """Return what is not the same, a line each."""
    lines = []
    for key in sorted(native.tests.keys() | ours.tests.keys()):
        before, after = native.tests.get(key, ("not there",)), ours.tests.get(key, ("not there",))
        if before != after:
            lines.append(f"{key[0]} {key[1]}: cargo test {'/'.join(before)}, cargo maelstrom {'/'.join(after)}")
    for word in COUNTED:
        before_count, after_count = native.counts.get(word, 0), ours.counts.get(word, 0)
        if before_count != after_count:
            lines.append(f"{word}: cargo test counts {before_count}, cargo maelstrom {after_count}")
    return lines


def main(arguments: Sequence[str]) -> int:
    """Compare; return the exit code."""
    split = list(arguments).index("--") if "--" in arguments else len(arguments)
    directories, more = arguments[:split], arguments[split + 1 :]
    if not directories:
        print(__doc__, file=sys.stderr)
        return 2
    return max(compare(Path(directory), more) for directory in directories)


def compare(directory: Path, arguments: Sequence[str]) -> int:
    """Compare one project, and print a row of the table of docs/verdicts.md, and what differs."""
    subprocess.run(["cargo", "test", "--no-run", "--quiet", *arguments], cwd=directory, check=True)
    began = time.monotonic()
    command = ["cargo", "test", "--no-fail-fast", "--color=never", *arguments]
    done = subprocess.run(
        command,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    middle = time.monotonic()
    native = read_native(done.stdout)
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.jsonl"
        program = [sys.executable, "-m", "cargo_maelstrom", "--ui=quiet", f"--report={report}", *arguments]
        subprocess.run(program, cwd=directory, env=environment(), check=False, stdout=subprocess.DEVNULL)
        ended = time.monotonic()
        ours = read_ours(report.read_text().splitlines())
    different = differences(native, ours)
    same = sum(native.tests.get(key) == words for key, words in ours.tests.items())
    documented = sum(native.counts.values()) - sum(map(len, native.tests.values()))
    cells = (directory.name, len(native.tests), same, documented, f"{middle - began:.1f}", f"{ended - middle:.1f}")
    print("|", " | ".join(map(str, cells)), "|", flush=True)
    for line in different:
        print(f"    {line}")
    return 1 if different or not sum(native.counts.values()) else 0


def environment() -> dict[str, str]:
    """Return the environment in which this Python finds the program of this tree."""
    roots = [str(ROOT / name) for name in ("core", "container", "worker", "clients")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(roots)}
