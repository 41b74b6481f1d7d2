"""Runs a suite: once under plain pytest, once under maelstrom-pytest.

Both leave a report of one line for each test, and a JUnit report.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ci.comparison.agreement import Said
from ci.comparison.outcomes import Test, parse_report
from ci.comparison.suites import Suite, without_selection

RECORDER = Path(__file__).parent / "recorder.py"
BOOTSTRAP = f"exec(compile(open({str(RECORDER)!r}).read(), {str(RECORDER)!r}, 'exec'))"

REPORT, JUNIT = "{report}", "{junit}"
"""Stand in commands for the paths of the two reports."""

HAS_VERDICTS = frozenset({0, 1})
"""Exit codes of both programs after which the report is complete: all passed, or some failed."""


class RunError(Exception):
    """A run left nothing to compare; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run said, how long it took, and how it ended. `output` is its own report to people."""

    outcomes: dict[Test, str]
    seconds: float
    exit_code: int
    output: str
    junit: bytes = b""

    @property
    def said(self) -> Said:
        """What is compared beside the outcomes."""
        return Said(self.output, self.junit)

    @property
    def complete(self) -> bool:
        """Whether the run ended as one does whose report is complete."""
        return self.exit_code in HAS_VERDICTS


def run_native(suite: Suite, timeout: float) -> Run:
    """Run the suite under plain pytest in its own interpreter, all of it.

    Raises RunError if the interpreter is not found, the run exceeds `timeout` seconds, or it reports no test.
    """
    python = shutil.which(suite.python, path=suite.environment.get("PATH", os.defpath))
    if python is None:
        raise RunError(f"{suite.name}: there is no {suite.python} on the suite's PATH")
    command = [python, "-c", BOOTSTRAP, REPORT, *suite.arguments, f"--junit-xml={JUNIT}"]
    return _run("plain pytest", command, suite, timeout)


def run_alone(suite: Suite, nodeid: str, timeout: float) -> Run:
    """Run one test under plain pytest, in a process of its own. Raises RunError as `run_native` does."""
    return run_native(replace(suite, arguments=(*without_selection(suite.arguments), nodeid)), timeout)


def run_ours(suite: Suite, program: Sequence[str], nodeids: Sequence[str] | None, timeout: float) -> Run:
    """Run the suite under maelstrom-pytest with the same interpreter and arguments; only `nodeids` if given.

    Raises RunError as `run_native` does.
    """
    arguments = suite.arguments if nodeids is None else (*without_selection(suite.arguments), *nodeids)
    command = [*program, "--python", suite.python, "--report", REPORT, "--junit-xml", JUNIT]
    command += ["--", *arguments]
    return _run("maelstrom-pytest", command, suite, timeout)


def _run(who: str, command: Sequence[str], suite: Suite, timeout: float) -> Run:
    with tempfile.TemporaryDirectory(prefix="maelstrom-verdicts-") as directory:
        report, junit = Path(directory) / "report.jsonl", Path(directory) / "junit.xml"
        filled = [word.replace(REPORT, str(report)).replace(JUNIT, str(junit)) for word in command]
        start = time.monotonic()
        code, output = _bounded(who, filled, suite, timeout)
        seconds = time.monotonic() - start
        lines = report.read_text().splitlines() if report.exists() else []
        junit_report = junit.read_bytes() if junit.exists() else b""
    try:
        outcomes = parse_report(lines)
    except ValueError as error:
        raise RunError(f"{suite.name}: {who} wrote a report that cannot be read: {error}") from error
    if not outcomes:
        raise RunError(f"{suite.name}: {who} reported no test (exit code {code}):\n{output[-2000:]}")
    return Run(outcomes, seconds, code, output, junit_report)


def _bounded(who: str, command: Sequence[str], suite: Suite, timeout: float) -> tuple[int, str]:
    """Run a command in a session of its own, so that nothing of it survives its time."""
    try:
        process = subprocess.Popen(
            command,
            cwd=suite.directory,
            env=dict(suite.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise RunError(f"{suite.name}: cannot start {who}: {error}") from error
    with process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise RunError(f"{suite.name}: {who} did not end within {timeout:g} seconds") from error
            raise
    return process.returncode, output.decode(errors="replace")
