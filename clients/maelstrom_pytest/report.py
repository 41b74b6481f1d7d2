"""The report of a run as JSON lines: one object for each test, written when its verdict is there.

    {"nodeid": "test_a.py::test_b", "index": 0, "outcome": "passed", "duration": 0.01}

`index` counts tests of the same node id; `outcome` is one of passed, failed, error, skipped, xfailed, xpassed, flaky,
timeout, crashed; `duration` is in seconds. `attempts`, if there, are the outcomes of earlier attempts. What was skipped
or failed while it was collected has the node id of its file.
"""

from __future__ import annotations

import json
from pathlib import Path

from maelstrom_core.errors import UserError
from maelstrom_pytest.verdict import Verdict
from maelstrom_test_runner.status import Status

OUTCOMES = {
    Status.PASSED: "passed",
    Status.FAILED: "failed",
    Status.ERROR: "error",
    Status.SKIPPED: "skipped",
    Status.XFAIL: "xfailed",
    Status.XPASS: "xpassed",
    Status.FLAKY: "flaky",
    Status.TIMEOUT: "timeout",
    Status.ERR: "crashed",
}


class JsonLines:
    """Writes the report. Raises UserError where the file cannot be written."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise UserError(f"failed to write the report {path}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file; every line is in it already."""
        self._file.close()

    def finished(self, nodeid: str, index: int, verdict: Verdict) -> None:
        """Write down a test's verdict."""
        attempts = [OUTCOMES[attempt.status] for attempt in verdict.attempts]
        more = {"attempts": attempts} if attempts else {}
        self.write(nodeid, index, OUTCOMES[verdict.status], verdict.duration, **more)

    def write(self, nodeid: str, index: int, outcome: str, duration: float = 0.0, **more: object) -> None:
        """Write one line, at once: what is reported survives a crash."""
        record = {"nodeid": nodeid, "index": index, "outcome": outcome, "duration": round(duration, 6), **more}
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
