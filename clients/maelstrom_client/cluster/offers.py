"""What a client says to the broker of itself and its jobs, and what it makes of the broker's answers.

Imports the words of the core only.
"""

from __future__ import annotations

import os
import platform
import secrets
import socket
import sys
from pathlib import Path

import msgspec

from maelstrom_core import messages as m
from maelstrom_core.job import Container, HostTree, Job, Outcome, Ran, SystemFailure, with_effects
from maelstrom_core.spec import BindMount, Mount
from maelstrom_core.travel import unpack_outcome

ARCHITECTURE = f"arch:{platform.machine()}"


def submission(number: int, job: Job, artifacts: m.Layers) -> m.Submit:
    """Return how a job is offered."""
    return m.Submit(
        number,
        artifacts,
        max(-1_000_000, min(job.priority, 1_000_000)),
        job.estimated_duration,
        job.slots,
        job.memory,
        required(job.labels),
    )


def required(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels that a worker must have: that of our architecture, too, unless the job names one."""
    named = any(label.startswith("arch:") for label in labels)
    return tuple(dict.fromkeys(labels if named else (ARCHITECTURE, *labels)))


def lacking_here(job: Job, labels: frozenset[str], memory: int) -> str | None:
    """Return what a job requires that this machine has not, None if it has all."""
    if not job.labels and job.memory <= memory:
        return None
    lacking = sorted(frozenset(required(job.labels)) - labels)
    if lacking:
        return ", ".join(lacking)
    return f"{job.memory} bytes of memory" if job.memory > memory else None


def machine_memory() -> int:
    """Return the memory of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def with_own_files(container: Container, cache_root: Path) -> Container:
    """Return a container with layers in place of what is bound, only to be read, of directories below the cache.

    What is there was put there by programs of ours, and does not change while they run. What users bind stays bound.
    """
    mounts: list[Mount] = []
    trees: list[HostTree] = []
    for mount in container.mounts:
        own = isinstance(mount, BindMount) and mount.read_only and Path(mount.local_path).is_relative_to(cache_root)
        if own and isinstance(mount, BindMount) and os.path.isdir(mount.local_path):
            trees.append(HostTree(mount.local_path, mount.mount_point))
        else:
            mounts.append(mount)
    return msgspec.structs.replace(container, layers=(*container.layers, *trees), mounts=tuple(mounts))


def own_name() -> str:
    """Return what this client is called: by people, and so that nobody else has the same name."""
    try:
        user = os.getlogin()
    except OSError:
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}:{os.getpid()}-{secrets.token_hex(16)}"[-256:]


def outcome_of(message: m.Finished, body: bytes) -> Outcome:
    """Return the outcome of a job that ran at a worker."""
    try:
        outcome = unpack_outcome(body)
    except ValueError as error:
        return SystemFailure(f"the worker {message.worker} sent an outcome that is none: {error}")
    return with_effects(outcome, ran=Ran(message.worker, message.attempt))


def failure_of(message: m.Failed) -> SystemFailure:
    """Say that a job could not be run, and what is known of each attempt."""
    attempts = "; ".join(f"at {each.worker}: {each.reason}" for each in message.attempts[:5])
    return SystemFailure(f"{message.reason}{': ' if attempts else ''}{attempts}")


def say(text: str) -> None:
    """Tell a user what he may want to know, and no job's outcome says."""
    print(f"maelstrom: {text}", file=sys.stderr, flush=True)  # noqa: T201
