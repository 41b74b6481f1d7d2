"""A job ready to run, and what becomes of it.

`Job` is what a supervisor takes: parents are collapsed, the environment is evaluated, layers are realised
on this machine. `Outcome` is what it gives back: exactly one for each job. The user's own form of a job, with
layers still to build, is `maelstrom_core.spec.JobSpec`.

Sizes are bytes, times are seconds. Imports nothing of the project but the vocabulary of `spec`.
"""

from __future__ import annotations

import msgspec

from maelstrom_core.spec import Grace, Limits, Mount, Network, Seccomp, TemplateSpec, WindowSize

DEFAULT_INLINE_LIMIT = 1_000_000
DEFAULT_RESULT_LIMIT = 64 * 1024 * 1024
REST_HEAD = 16


class LayerDirectory(msgspec.Struct, frozen=True, tag="directory"):
    """A directory of the layer store; its contents appear from `/` on. Never changed once published."""

    path: str
    generation: int = 0
    """Tells directories apart that were there one after the other, where layers come and go while jobs run."""


class HostTree(msgspec.Struct, frozen=True, tag="tree"):
    """A directory of this machine, shown read-only (or under a throw-away upper layer) at `target`.

    `hidden` are paths relative to `source` that the job does not see (version control data, secrets).
    """

    source: str
    target: str
    hidden: tuple[str, ...] = ()
    generation: int = 0
    """Tells one from another that was at the same path before; only of those that came from elsewhere."""


RealisedLayer = LayerDirectory | HostTree


class Container(msgspec.Struct, frozen=True, cache_hash=True):
    """What the job sees; equal containers share one prepared root. Layers from the bottom up."""

    layers: tuple[RealisedLayer, ...]
    mounts: tuple[Mount, ...] = ()
    network: Network = Network.DISABLED
    writable: bool = False
    user: int = 0
    group: int = 0
    directories: tuple[str, ...] = ()
    """Directories that exist whatever the layers hold (HOME, /var/tmp); writable where the root is."""
    limits: Limits = Limits()
    seccomp: Seccomp = Seccomp.DEFAULT
    session: bool = True
    """Whether the first process leads a session of its own: else the first terminal that it opens does not become its
    own, which would hang it up when the other end is closed. It has one anyway where its job has a terminal."""


class Capture(msgspec.Struct, frozen=True):
    """Where what a job writes to its root is kept: on disk instead of in memory, and it outlives the job.

    Upper directory N of the job is the directory N in `directory`, which exists on this machine and belongs to the
    caller. What is in it already is what the job finds.
    """

    directory: str
    trees: bool = True
    """Whether the same holds for trees of this machine; else they are read-only."""
    path: str = "/"
    """A path of the container; `Captured` says where it really leads."""


class Job(msgspec.Struct, frozen=True):
    """One program in one container. `estimated_duration` None means unknown, which counts as longest."""

    container: Container
    program: str
    arguments: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    """`NAME=value`, complete: nothing is inherited."""
    variables: tuple[str, ...] = ()
    """More of the same, none of which `environment` names: what differs from job to job. Forks have none."""
    working_directory: str = "/"
    timeout: float | None = None
    grace: Grace | None = None
    priority: int = 0
    estimated_duration: float | None = None
    stdin: bytes = b""
    allocate_tty: WindowSize | None = None
    """A terminal is its input, output and error output, and nothing of them is kept; see `Supervisor.start`."""
    template: TemplateSpec | None = None
    """What to fork the job from; program and arguments mean nothing then."""
    inline_limit: int = DEFAULT_INLINE_LIMIT
    """Bytes of stdout, and of stderr, that come with the outcome."""
    result_limit: int = DEFAULT_RESULT_LIMIT
    """The same for the result channel, descriptor 3 of the job."""
    slots: int = 1
    """How many of the pool's slots it takes."""
    local: bool = False
    """Whether it is to run on this machine, where there is a cluster as well."""
    capture: Capture | None = None
    """Takes a container that is writable, and no template."""
    output_limit: int = 0
    """Bytes kept of stdout, and of stderr, in all; what exceeds that, and the inline limit, is counted and dropped.

    What exceeds the inline limit only stays at the worker of a cluster: see `Rest`. On this machine all is inline.
    """
    memory: int = 0
    """Bytes that it requires of its machine, beside other jobs that require some."""
    labels: tuple[str, ...] = ()
    """Those that its machine must have."""


class Output(msgspec.Struct, frozen=True):
    """What came out of one descriptor: the first bytes, and how many more were lost to the limit."""

    data: bytes = b""
    lost: int = 0


class Rest(msgspec.Struct, frozen=True):
    """Output beyond the inline limit that was kept where the job ran. As long as it is there it counts as lost here."""

    stdout: int = 0
    """Bytes of it, as in the next."""
    stderr: int = 0
    digest: str = ""
    """The artifact that has it: `REST_HEAD` bytes that mean nothing, then that of stdout, then that of stderr."""


class Ran(msgspec.Struct, frozen=True):
    """Where a job ran that ran on a cluster."""

    worker: str
    attempt: int = 1
    """From 1; those before it came to nothing by no fault of the job's."""


class Captured(msgspec.Struct, frozen=True):
    """What was kept of a job that had a `Capture`."""

    uppers: tuple[str, ...]
    """Where in the container upper directory N is, without symbolic links; the first is `/`."""
    path: str
    """That of the capture, without symbolic links as far as it was there."""


class Files(msgspec.Struct, frozen=True):
    """What became of the files of a job that were asked for: brought back, but for what `notes` name, or not."""

    notes: tuple[str, ...] = ()
    error: str | None = None
    hint: str | None = None


class Limited(msgspec.Struct, frozen=True):
    """What came of the limits of a job; of those that only a group of its own can keep."""

    limits: Limits
    out_of_memory: bool = False
    """Whether the kernel killed the job because it wanted more memory than it may use."""
    refused_processes: int = 0
    """Processes and threads that were not made because the job had as many as it may have."""
    lacking: str | None = None
    """Which limits hold less than they say, and why."""


class Effects(msgspec.Struct, frozen=True):
    """What a job that ran left behind."""

    stdout: Output = Output()
    stderr: Output = Output()
    result: Output = Output()
    duration: float = 0.0
    """Wall clock, from just before the process is made until it is gone."""
    cpu_user: float = 0.0
    cpu_system: float = 0.0
    peak_memory: int | None = None
    """Largest resident set of one process of the job; None where it was too small to be told from ours.

    Of a job whose memory is limited: the most that all of it took at once, where the kernel says so (5.19).
    """
    captured: Captured | None = None
    """Only of jobs with a capture."""
    files: Files | None = None
    """Only of jobs whose files were asked for."""
    limited: Limited | None = None
    """Only of jobs that have such limits."""
    rest: Rest | None = None
    rest_error: str | None = None
    """Why output that was kept elsewhere is lost after all."""
    ran: Ran | None = None
    """Only of jobs that ran on a cluster."""


class Exited(msgspec.Struct, frozen=True, tag="exited"):
    """The job's first process ended by itself."""

    code: int
    effects: Effects


class Signaled(msgspec.Struct, frozen=True, tag="signaled"):
    """The job's first process was killed by a signal."""

    signal: int
    effects: Effects


class TimedOut(msgspec.Struct, frozen=True, tag="timed-out"):
    """The job ran into its timeout and was killed; what it had printed until then is kept."""

    effects: Effects


class ExecutionError(msgspec.Struct, frozen=True, tag="execution-error"):
    """The job never ran, by a fault of its specification: the user's to mend."""

    message: str
    hint: str | None = None


class SystemFailure(msgspec.Struct, frozen=True, tag="system-error"):
    """The job could not be run, or was lost, by no fault of its own."""

    message: str
    hint: str | None = None


class Cancelled(msgspec.Struct, frozen=True, tag="cancelled"):
    """Somebody asked for the job to be stopped, and it was."""


class NotForked(msgspec.Struct, frozen=True, tag="not-forked"):
    """The job's template refused to be forked, or could not be had; only of jobs that name one."""

    reason: str
    accident: bool = False
    """It died: another job may find another that does not."""


Outcome = Exited | Signaled | TimedOut | ExecutionError | SystemFailure | Cancelled | NotForked


def effects_of(outcome: Outcome) -> Effects | None:
    """Return what a job left behind, None if it never ran to an end of its own."""
    return outcome.effects if isinstance(outcome, Exited | Signaled | TimedOut) else None


def with_effects(outcome: Outcome, **changes: object) -> Outcome:
    """Return an outcome with other effects, if it has any."""
    if not isinstance(outcome, Exited | Signaled | TimedOut):
        return outcome
    return msgspec.structs.replace(outcome, effects=msgspec.structs.replace(outcome.effects, **changes))
