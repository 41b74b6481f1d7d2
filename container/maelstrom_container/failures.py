"""What is said when a launch fails."""

from __future__ import annotations

import errno
import os

from maelstrom_container.native import lib
from maelstrom_container.request import Request, TemplateRequest
from maelstrom_container.steps import CompiledSteps, describe
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


def not_started(
    phase: int, code: int, steps: CompiledSteps, request: Request | TemplateRequest
) -> ExecutionError | SystemFailure:
    """Say why a program did not start: `phase` of launch.h, or one of the steps, and its errno."""
    error = OSError(code, os.strerror(code))
    if phase == lib.PHASE_EXEC:
        return not_executed(request.program, request.environment, code)
    if phase == lib.PHASE_DIRECTORY:
        return ExecutionError(
            f"failed to enter the working directory {request.working_directory}: {error.strerror}",
            hint="it must be a directory inside the container",
        )
    return refused(_PHASES[phase] if phase in _PHASES else describe(steps.steps[phase]), error)


def refused(what: str, error: OSError) -> SystemFailure:
    """Say what this host refused, with the doctor's line about it."""
    return SystemFailure(f"failed to {what}: {error.strerror}", "`maelstrom-run --doctor` says what this host allows")


_PHASES = {
    lib.PHASE_CLONE: "start a process in namespaces of its own",
    lib.PHASE_IDENTITY: "map the user of a container",
    lib.PHASE_SEAL: "close a container",
    lib.PHASE_GROUP: "enter the cgroup of a job",
    lib.PHASE_PIPES: "make pipes for a job's output",
}
