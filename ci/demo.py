"""Shows what isolation changes: one suite under its native runner, and under ours.

    python -m ci.demo          examples/leaky under plain pytest and under maelstrom-pytest
    python -m ci.demo cargo    examples/leaky-rust under `cargo test` and under `cargo maelstrom`
    python -m ci.demo go       examples/leaky-go under `go test` and under `maelstrom-go-test`

The tests of all suites disturb each other. Exit code 0 means that the demonstration shows what it should: the native
runner reported failed tests, and ours none. Imports nothing of the project: it starts the programs as a user does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

EXAMPLES = Path(__file__).parent.parent / "examples"
TEMPORARY = Path(tempfile.gettempdir())
SCRIPTS = Path(sys.executable).parent


class Demonstration(NamedTuple):
    """A suite, and the commands of both runners."""

    suite: Path
    native: str
    native_command: tuple[str, ...]
    ours: str
    our_command: tuple[str, ...]
    left_behind: Path
    """What the suite leaves in the directory for temporary files."""
    failed: int
    """The native runner's exit code for tests that failed."""


PYTEST = Demonstration(
    EXAMPLES / "leaky",
    "plain pytest",
    (sys.executable, "-m", "pytest", "--tb=line"),
    "maelstrom-pytest",
    (str(SCRIPTS / "maelstrom-pytest"),),
    TEMPORARY / "leaky-example-cache.txt",
    failed=1,
)
CARGO = Demonstration(
    EXAMPLES / "leaky-rust",
    "cargo test",
    ("cargo", "test", "--no-fail-fast", "--", "--test-threads=1"),
    "cargo maelstrom",
    ("cargo", "maelstrom"),
    TEMPORARY / "leaky-rust-example.lock",
    failed=101,
)
GO = Demonstration(
    EXAMPLES / "leaky-go",
    "go test",
    ("go", "test", "-count=1"),
    "maelstrom-go-test",
    (str(SCRIPTS / "maelstrom-go-test"),),
    TEMPORARY / "leaky-go-example-cache.txt",
    failed=1,
)

# exit code of all of them
PASSED = 0


def judge(shown: Demonstration, native: int, ours: int) -> str | None:
    """Say what is wrong with the two exit codes; None if they are what the demonstration is about."""
    if native == PASSED:
        return f"{shown.native} passed: the tests do not disturb each other any more"
    if native != shown.failed:
        return f"{shown.native} ended with exit code {native} instead of reporting failed tests"
    if ours != PASSED:
        return f"{shown.ours} ended with exit code {ours}"
    return None


def run(shown: Demonstration, title: str, command: Sequence[str]) -> int:
    """Run one program in the suite's directory under a heading; return its exit code."""
    print(f"\n=== {title} ===\n", flush=True)
    tidy(shown)
    try:
        done = subprocess.run(command, cwd=shown.suite, stdin=subprocess.DEVNULL, env=environment(), check=False)
        return done.returncode
    finally:
        tidy(shown)


def tidy(shown: Demonstration) -> None:
    """Remove the file that the suite leaves in /tmp; one of another user cannot be removed and does no harm."""
    with contextlib.suppress(PermissionError):
        shown.left_behind.unlink(missing_ok=True)


def environment() -> dict[str, str]:
    """Return the environment of somebody who has activated the environment this module runs in."""
    return os.environ | {"PATH": f"{SCRIPTS}:{os.environ.get('PATH', os.defpath)}", "VIRTUAL_ENV": sys.prefix}


def main(arguments: Sequence[str]) -> int:
    """Run both; return the exit code of the demonstration."""
    shown = {"cargo": CARGO, "go": GO}.get(" ".join(arguments), PYTEST)
    tool = shown.native_command[0]
    if shutil.which(tool) is None:
        print(f"left out: there is no {tool} here")
        return 0
    native = run(shown, shown.native, shown.native_command)
    ours = run(shown, shown.ours, shown.our_command)
    wrong = judge(shown, native, ours)
    print(f"\n=== {wrong or f'{shown.native}: tests failed; {shown.ours}: all passed'} ===", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
