"""Runs one job and ends as it ended: with the same exit code, or killed by the same signal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

import msgspec

from maelstrom_core.errors import UserError
from maelstrom_core.job import Outcome, Signaled
from maelstrom_core.spec import ContainerSpec, JobSpec, Limits, Out
from maelstrom_core.spec_parse import check_limits, parse_run_input
from maelstrom_run.options import Bounds
from maelstrom_run.present import FAILURE, exit_code


class OneJob(msgspec.Struct, frozen=True):
    """A job, and the containers that were named before it."""

    spec: JobSpec
    containers: Mapping[str, ContainerSpec] = {}


def read_one(read: Callable[[int], bytes]) -> OneJob:
    """Return the first job of a stream; what follows it is not read. Raises UserError."""
    from maelstrom_core.json_stream import read_documents

    containers: dict[str, ContainerSpec] = {}
    for document in read_documents(read):
        item = parse_run_input(document.value)
        if isinstance(item, JobSpec):
            return OneJob(item, containers)
        containers.update(item)
    raise UserError("no job was given", hint="write its specification to standard input, or name a file with --file")


def with_command(job: OneJob, command: tuple[str, ...], timeout: float | None) -> OneJob:
    """Return the job with its program and arguments replaced by a command, and its timeout, if they are given."""
    spec = job.spec
    if command:
        spec = msgspec.structs.replace(spec, program=command[0], arguments=command[1:])
    if timeout is not None:
        spec = msgspec.structs.replace(spec, timeout=timeout or None)
    return OneJob(spec, job.containers)


def with_files(job: OneJob, out: str | None, out_from: str | None, capture: str | None) -> OneJob:
    """Return the job with what is to be kept of it, where that is given."""
    spec = job.spec
    if out is not None:
        spec = msgspec.structs.replace(spec, out=Out(out, out_from))
    if capture is not None:
        spec = msgspec.structs.replace(spec, capture=capture)
    return OneJob(spec, job.containers)


def with_bounds(job: OneJob, bounds: Bounds) -> OneJob:
    """Return the job with limits, where they are given. Raises SpecError for what is out of range."""
    return OneJob(bounded(job.spec, bounds), job.containers)


def bounded(spec: JobSpec, bounds: Bounds) -> JobSpec:
    """Return a specification with limits beside its own. Raises SpecError for what is out of range."""
    given = {name: value for name, value in bounds._asdict().items() if value is not None}
    if not given:
        return spec
    own = spec.container.limits
    limits = msgspec.structs.replace(own if isinstance(own, Limits) else Limits(), **given)
    check_limits(limits, "limits")
    return msgspec.structs.replace(spec, container=msgspec.structs.replace(spec.container, limits=limits))


def mimic(outcome: Outcome, die: Callable[[int], NoReturn]) -> int:
    """Return the exit code that the outcome asks for, or `die` by the signal that killed the job."""
    if isinstance(outcome, Signaled):
        die(outcome.signal)
    return exit_code(outcome)


def die_by_signal(number: int) -> NoReturn:
    """End this process as if the signal had killed it, by SIGKILL if it does not kill; no core is dumped."""
    import resource
    import signal

    sys.stdout.flush()
    sys.stderr.flush()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        signal.signal(number, signal.SIG_DFL)
    except (OSError, ValueError):
        pass  # SIGKILL, or one that the C library keeps for itself
    else:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(FAILURE)  # never reached
