"""What is said when a launch fails."""

from __future__ import annotations

import errno
import os

from maelstrom_core.job import ExecutionError, SystemFailure


def not_executed(program: str, environment: tuple[str, ...], code: int) -> ExecutionError:
    """Say why a program could not be executed; `code` is its errno."""
    message = f"failed to execute {program}: {os.strerror(code)}"
    if code == errno.ENOENT:
        known = any(entry.startswith("PATH=") for entry in environment)
        if "/" in program:
            return ExecutionError(message, "neither the program nor, if it is a script, its interpreter may be missing")
        where = "the directories of PATH" if known else "the working directory (the job's environment has no PATH)"
        return ExecutionError(message, f"it was looked for in {where}, inside the container")
    if code == errno.E2BIG:
        return ExecutionError(message, "arguments and environment together are larger than the kernel allows")
    return ExecutionError(message)


def refused(what: str, error: OSError) -> SystemFailure:
    """Say what this host refused, with the doctor's line about it."""
    return SystemFailure(f"failed to {what}: {error.strerror}", "`maelstrom-run --doctor` says what this host allows")
