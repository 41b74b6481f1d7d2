"""Shows what isolation changes: `python -m ci.demo` runs one suite under plain pytest and under maelstrom-pytest.

`python -m ci.demo go` does the same with go test and maelstrom-go-test, where there is a go. The suites are
examples/leaky and examples/leaky-go, whose tests disturb each other. Exit code 0 means that the demonstration shows
what it should: the native runner reported failed tests, and ours none. Imports nothing of the project: it starts the
programs as a user does.
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
SCRIPTS = Path(sys.executable).parent


class Demonstration(NamedTuple):
    """One suite, and two programs that run it."""

    suite: Path
    native: str
    native_command: tuple[str, ...]
    program: str
    left_behind: Path
    """What the suite leaves on the machine, natively."""


PYTEST = Demonstration(
    EXAMPLES / "leaky",
    "pytest",
    (sys.executable, "-m", "pytest", "--tb=line"),
    "maelstrom-pytest",
    Path(tempfile.gettempdir()) / "leaky-example-cache.txt",
)
GO = Demonstration(
    EXAMPLES / "leaky-go",
    "go test",
    ("go", "test", "-count=1"),
    "maelstrom-go-test",
    Path(tempfile.gettempdir()) / "leaky-go-example-cache.txt",
)

# exit codes of both programs
PASSED = 0
TESTS_FAILED = 1


def judge(plain: int, maelstrom: int, demonstration: Demonstration = PYTEST) -> str | None:
    """Say what is wrong with the two exit codes; None if they are what the demonstration is about."""
    native = f"plain {demonstration.native}"
    if plain == PASSED:
        return f"{native} passed: the tests do not disturb each other any more"
    if plain != TESTS_FAILED:
        return f"{native} ended with exit code {plain} instead of reporting failed tests"
    if maelstrom != PASSED:
        return f"{demonstration.program} ended with exit code {maelstrom}"
    return None


def run(demonstration: Demonstration, title: str, command: Sequence[str]) -> int:
    """Run one program in the suite's directory under a heading; return its exit code."""
    print(f"\n=== {title} ===\n", flush=True)
    tidy(demonstration)
    try:
        return subprocess.run(
            command, cwd=demonstration.suite, stdin=subprocess.DEVNULL, env=environment(), check=False
        ).returncode
    finally:
        tidy(demonstration)


def tidy(demonstration: Demonstration) -> None:
    """Remove the file that the suite leaves in /tmp; one of another user cannot be removed and does no harm."""
    with contextlib.suppress(PermissionError):
        demonstration.left_behind.unlink(missing_ok=True)


def environment() -> dict[str, str]:
    """Return the environment of somebody who has activated the environment this module runs in."""
    return os.environ | {"PATH": f"{SCRIPTS}:{os.environ.get('PATH', os.defpath)}", "VIRTUAL_ENV": sys.prefix}


def main(arguments: Sequence[str] = ()) -> int:
    """Run both; return the exit code of the demonstration."""
    shown = GO if list(arguments) == ["go"] else PYTEST
    if shown is GO and shutil.which("go") is None:
        print("left out: go is not in PATH")
        return 0
    plain = run(shown, f"plain {shown.native}", shown.native_command)
    maelstrom = run(shown, shown.program, [str(SCRIPTS / shown.program)])
    wrong = judge(plain, maelstrom, shown)
    print(f"\n=== {wrong or f'plain {shown.native}: tests failed; {shown.program}: all passed'} ===", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
