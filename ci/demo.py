"""Shows what isolation changes: `python -m ci.demo` runs one suite under plain pytest and under maelstrom-pytest.

The suite is examples/leaky, whose tests disturb each other. Exit code 0 means that the demonstration shows what it
should: plain pytest reported failed tests, and maelstrom-pytest none. Imports nothing of the project: it starts the
programs as a user does.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SUITE = Path(__file__).parent.parent / "examples" / "leaky"
LEFT_BEHIND = Path(tempfile.gettempdir()) / "leaky-example-cache.txt"

# exit codes of both programs
PASSED = 0
TESTS_FAILED = 1


def judge(plain: int, maelstrom: int) -> str | None:
    """Say what is wrong with the two exit codes; None if they are what the demonstration is about."""
    if plain == PASSED:
        return "plain pytest passed: the tests do not disturb each other any more"
    if plain != TESTS_FAILED:
        return f"plain pytest ended with exit code {plain} instead of reporting failed tests"
    if maelstrom != PASSED:
        return f"maelstrom-pytest ended with exit code {maelstrom}"
    return None


def run(title: str, command: list[str]) -> int:
    """Run one program in the suite's directory under a heading; return its exit code."""
    print(f"\n=== {title} ===\n", flush=True)
    tidy()
    try:
        return subprocess.run(command, cwd=SUITE, stdin=subprocess.DEVNULL, env=environment(), check=False).returncode
    finally:
        tidy()


def tidy() -> None:
    """Remove the file that the suite leaves in /tmp; one of another user cannot be removed and does no harm."""
    with contextlib.suppress(PermissionError):
        LEFT_BEHIND.unlink(missing_ok=True)


def environment() -> dict[str, str]:
    """Return the environment of somebody who has activated the environment this module runs in."""
    scripts = Path(sys.executable).parent
    return os.environ | {"PATH": f"{scripts}:{os.environ.get('PATH', os.defpath)}", "VIRTUAL_ENV": sys.prefix}


def main() -> int:
    """Run both; return the exit code of the demonstration."""
    scripts = Path(sys.executable).parent
    plain = run("plain pytest", [sys.executable, "-m", "pytest", "--tb=line"])
    maelstrom = run("maelstrom-pytest", [str(scripts / "maelstrom-pytest")])
    wrong = judge(plain, maelstrom)
    print(f"\n=== {wrong or 'plain pytest: tests failed; maelstrom-pytest: all passed'} ===", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
