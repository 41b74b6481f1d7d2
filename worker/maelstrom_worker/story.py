"""What the log is told of jobs and pool members; next to nothing is done where nobody listens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from maelstrom_core import log
from maelstrom_core.job import Exited, Job, Outcome, Signaled, TimedOut
from maelstrom_worker.job_queue import JobId, Slot


class Running(NamedTuple):
    """A job that a pool member has."""

    identity: JobId
    slot: Slot
    member: int
    """The member's process id; -1 if it is only being made."""
    job: Job
    since: float
    """When a slot took it, by the time of day."""
    resting: tuple[int, ...] = ()
    """The member's descriptors of processes that it keeps, and that are not this job's."""


def running(members: Iterable[Any], tasks: Mapping[JobId, Any]) -> list[Running]:
    """Return what members run; these and tasks are the supervisor's own records."""
    return [
        Running(
            member.task,
            member.place[0],
            pid_of(member.pidfd),
            (task := tasks[member.task]).job,
            task.started,
            member.line.resting,
        )
        for member in members
        if member.task is not None
    ]


def begun(identity: JobId, slot: Slot, job: Job) -> None:
    """Tell that a slot has taken a job."""
    program = job.program if job.template is None else f"fork of {job.template.program}"
    log.debug("job started", job=identity, slot=slot, program=program)


def ended(identity: JobId, outcome: Outcome) -> None:
    """Tell how a job ended."""
    if log.threshold > log.DEBUG:
        return
    values: dict[str, object] = {"outcome": outcome.__struct_config__.tag}
    if isinstance(outcome, Exited | Signaled | TimedOut):
        values["seconds"] = f"{outcome.effects.duration:.3f}"
    log.debug("job ended", job=identity, **values)


def born(number: int, slot: Slot, pidfd: int) -> None:
    """Tell of a pool member."""
    if log.threshold <= log.DEBUG:
        log.debug("pool member born", member=number, slot=slot, pid=pid_of(pidfd))


def pid_of(pidfd: int, owner: int | str = "self") -> int:
    """Return the process id behind a pidfd in our own pid namespace; -1 where it is gone.

    It may be another process's; raises OSError where that one is gone, or is not ours.
    """
    if pidfd < 0:
        return -1
    for line in Path(f"/proc/{owner}/fdinfo/{pidfd}").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Pid":
            return int(value)
    return -1
