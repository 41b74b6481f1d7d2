"""Running jobs one after another: prepared containers, the C launcher, and what its landings mean.

One `Launcher` per pool member. It keeps the last few prepared containers; whatever goes wrong with a job is its
outcome, never an exception. Imports no asyncio: members are small.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Any

import msgspec

from maelstrom_container import syscalls
from maelstrom_container.captured.mounts import check_layout, real_path, shown_uppers, with_captured
from maelstrom_container.confine import confine
from maelstrom_container.failures import not_started, refused
from maelstrom_container.job_groups import NO_GROUP, JobGroups
from maelstrom_container.kept import ANY_NUMBER
from maelstrom_container.native import ffi, lib
from maelstrom_container.networks import Networks
from maelstrom_container.outer import Outer
from maelstrom_container.prepare import Prepared, captured_steps, prepare, template_capabilities
from maelstrom_container.request import PASSED_NOTHING, Request, TemplateRequest
from maelstrom_container.seccomp import INSTRUCTION
from maelstrom_container.steps import CompiledSteps, compile_steps, template_steps, upper_targets
from maelstrom_container.strings import Strings, candidates
from maelstrom_container.syscalls import memory_file
from maelstrom_core.errors import SpecError
from maelstrom_core.job import (
    Cancelled,
    Capture,
    Captured,
    Container,
    Effects,
    ExecutionError,
    Exited,
    Outcome,
    Output,
    Rest,
    Signaled,
    SystemFailure,
    TimedOut,
)
from maelstrom_core.spec import Network

KEPT_CONTAINERS = 6
NAMESPACES = (
    syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
)
"""No cgroup namespace: see `outer`."""
REPEATER_FUNCTIONS = ("launch", "launch_rest", "launch_dismiss", "kept_is_clean")
SECOND = 1_000_000_000
NOT_FAILED = lib.PHASE_NONE
NOTHING = Output()
NO_REST = Rest()
# Making a decoder takes longer than launching a job: members have that of the process that forks them.
_DECODE = msgspec.msgpack.Decoder(Container).decode


class RunnerLostError(Exception):
    """The process that was to fork a job is gone."""


class LaunchError(Exception):
    """A program could not be started; `outcome` says whose fault that is."""

    def __init__(self, outcome: ExecutionError | SystemFailure) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


def new_runner(control: int) -> Any:
    """Return what is known of a runner; to be given back by `forget_runner`. The control socket stays the caller's."""
    return ffi.new("struct runner *", {"control": control, "pidfd": -1})


def forget_runner(runner: Any) -> None:
    """Close what there is of the process that a runner has kept."""
    lib.forget_kept(runner)


class Launcher:
    """Launches jobs from inside an outer sandbox. `memory` bounds each file system in memory, in bytes."""

    def __init__(
        self,
        outer: Outer,
        *,
        host_network: bool,
        memory: int,
        templates: bool = False,
        confined: bool = False,
        groups: JobGroups | None = None,
        rest: int = -1,
    ) -> None:
        """`templates`: it starts templates, not jobs. `confined`: this process, and so all jobs, get a filter.

        `groups` makes the groups of limited jobs; there are none of these without it. `rest` is the file for output
        that exceeds the inline limit.
        """
        self._outer = outer
        self._confined = confined
        self._unconfined = confine() if confined else None
        self._templates = templates
        self._memory = memory
        self._networks = None if host_network else Networks()
        self._prepared: OrderedDict[bytes, Prepared] = OrderedDict()
        self._entered: Prepared | None = None
        self._launch = ffi.new("struct launch *")
        self._launch.namespaces = NAMESPACES
        self._launch.confined = confined
        self._launch.group = NO_GROUP
        self._launch.rest = rest
        self._groups = groups
        self._armed: tuple[Prepared, CompiledSteps] | None = None
        self._programs, self._arguments, self._environment = Strings(), Strings(), Strings()
        self._variables, self._directory = Strings(), Strings()
        self._landing = ffi.new("struct landing *")
        self.repeatable = False
        """Whether the last request could be run again, with other arguments, by the C launcher alone."""

    def pointers(self) -> tuple[int, ...]:
        """Return where the launch, the landing and the launcher's functions are: for who repeats a launch in C."""
        functions = (ffi.addressof(lib, name) for name in REPEATER_FUNCTIONS)
        return tuple(int(ffi.cast("uintptr_t", pointer)) for pointer in (self._launch, self._landing, *functions))

    @property
    def watched_sockets(self) -> tuple[int, tuple[bytes, bytes]]:
        """What is to be read from where before the last launch may be repeated; -1 where it may be at any time."""
        if self._networks is None or self._entered is None or self._entered.network is not Network.LOOPBACK:
            return -1, (b"", b"")
        return self._networks.sockets, self._networks.no_sockets

    def repeated(self, request: Request) -> Outcome:
        """Say what became of a launch that was repeated, with other arguments than this request's."""
        if self._landing.phase == NOT_FAILED:
            return self._completed()
        assert self._armed is not None  # noqa: S101 - only what was launched can be repeated
        return self._failure(self._armed[1], request)

    def run(self, request: Request, *, passed: int = -1, doorbell: int = -1, cancelled: Any = None) -> Outcome:
        """Run one job to its end.

        `passed` is the descriptor that came with the request, if one did; it stays the caller's. `cancelled` points to
        a word in shared memory: the job is killed when it becomes the request's sequence number and the doorbell (an
        eventfd) rings.
        """
        self.repeatable = False
        if self._unconfined is not None:
            return refused("install a seccomp filter", self._unconfined)
        try:
            prepared = self._enter(request.container)
        except SpecError as error:
            return ExecutionError(error.message, error.hint)
        except OSError as error:
            return refused("prepare a container", error)
        stdin = self._outer.null if request.passed == PASSED_NOTHING else passed
        try:
            if request.stdin:
                stdin = memory_file(request.stdin)
        except OSError as error:
            return refused("keep a job's input", error)
        try:
            self._launch.stdin_fd, self._launch.passed = stdin, request.passed
            self._set_bounds(request, doorbell, cancelled)
            if request.capture is None:
                return self._run(prepared, self._steps(prepared), request)
            check_layout(prepared.layout)
            return self._run_captured(prepared, request, request.capture)
        except SpecError as error:
            return ExecutionError(error.message, error.hint)
        finally:
            if request.stdin:
                os.close(stdin)

    def fork(self, request: Request, runner: Any, *, doorbell: int = -1, cancelled: Any = None) -> tuple[Outcome, bool]:
        """Run one job in a fork that a runner makes (struct runner of launch.h, as `new_runner` returns it).

        Returns what became of it, and whether the runner can be used again. Raises RunnerLostError where the runner
        died: then so did the job, if it had begun.
        """
        landing = self._landing
        self.repeatable = False
        self._set_bounds(request, doorbell, cancelled)
        payload = ffi.from_buffer(request.stdin)
        lib.launch_fork(self._launch, runner, payload, len(request.stdin), landing)
        phase = landing.phase
        if phase == NOT_FAILED:
            return self._completed(), not landing.spoiled
        if phase == lib.PHASE_LOST:
            if landing.was_cancelled:
                return Cancelled(), False
            raise RunnerLostError
        error = OSError(landing.error, os.strerror(landing.error))
        if phase == lib.PHASE_PIPES:
            return refused("make pipes for a job's output", error), True
        what = f"step {phase}" if phase >= 0 else f"phase {phase}"
        return refused(f"make the container of a fork ({what})", error), False

    def start_template(self, request: TemplateRequest, descriptors: tuple[int, int, int]) -> tuple[Prepared, int]:
        """Start a template; `descriptors` are for its output, its error output and its control socket.

        Returns its prepared container and a pidfd. Raises SpecError, OSError, or LaunchError where it cannot be had.
        """
        prepared = self._enter(request.container)
        steps = compile_steps(template_steps(prepared.layout, memory=self._memory, protect=prepared.protect))
        launch = self._launch
        self._arm(prepared, steps)
        self._armed = None  # what follows is for this launch only
        launch.capabilities = template_capabilities(prepared)
        self._filter(prepared.filters.template)
        stdin = memory_file(request.request)
        try:
            self._set_program(request)
            launch.stdin_fd = stdin
            pidfd = lib.start_template(launch, ffi.new("int[3]", descriptors), self._landing)
        finally:
            os.close(stdin)
        if pidfd < 0:
            raise LaunchError(self._failure(steps, request))
        return prepared, pidfd

    def rest(self) -> None:
        """Give back what is kept of the last job, its mounts and what is in them: for when no other is at hand."""
        self.tidy()
        lib.launch_rest()

    def _enter(self, packed: bytes) -> Prepared:
        """Enter the prepared container, making it first if need be."""
        self.tidy()
        prepared = self._prepared.get(packed)
        if prepared is None:
            container = _DECODE(packed)
            self._entered = None
            self._enter_network(container.network)
            controllers = self._groups.controllers if self._groups is not None else ()
            prepared = prepare(
                self._outer, container, memory=self._memory, templates=self._templates, controllers=controllers
            )
            self._prepared[packed] = prepared
            self._entered = prepared
            if len(self._prepared) > KEPT_CONTAINERS:
                self._prepared.popitem(last=False)[1].close()
            return prepared
        self._prepared.move_to_end(packed)
        self._enter_network(prepared.network)
        if self._entered is not prepared:
            prepared.enter()
            self._entered = prepared
        return prepared

    def tidy(self) -> None:
        """Let go of what the last job has written to the root that it shares with others."""
        if self._entered is not None and self._entered.kept is not None:
            self._entered.kept.tidy()

    def _steps(self, prepared: Prepared) -> CompiledSteps:
        """Return the steps for a job of a container which we are in: one that gets the kept root, or its own."""
        kept = prepared.kept
        if kept is None or not kept.ready():
            return prepared.steps
        return kept.steps

    def _enter_network(self, network: Network) -> None:
        if self._networks is not None:
            self._networks.enter(network)

    def _run_captured(self, prepared: Prepared, request: Request, capture: Capture) -> Outcome:
        """Run a job whose upper directories are the client's."""
        if prepared.kept is not None and prepared.kept.there:
            prepared.kept.remove()
        steps = captured_steps(prepared, memory=self._memory, trees=capture.trees)
        targets = upper_targets(steps.steps)
        try:
            captured = Captured(targets, real_path(capture.path))
            with shown_uppers(self._outer, prepared, capture.directory, len(targets)):
                outcome = self._run(prepared, steps, request)
                lib.launch_end()  # nothing of the job looks at the directories any more
        except OSError as error:
            return SystemFailure(f"failed to make upper directories in {capture.directory}: {error.strerror}")
        return with_captured(outcome, captured)

    def _run(self, prepared: Prepared, steps: CompiledSteps, request: Request) -> Outcome:
        try:
            self._set_program(request)
        except ValueError:
            return ExecutionError(
                f"failed to execute {request.program!r}: "
                "a NUL character stands in the program, an argument or the environment"
            )
        self._arm(prepared, steps)
        if self._groups is not None and prepared.limits.is_of_jobs:
            try:
                use = self._groups.run(prepared.limits, request.sequence, self._launch_in)
            except OSError as error:
                return refused("make a cgroup for a job", error)
            if self._landing.phase != NOT_FAILED:
                return self._failure(steps, request)
            return self._groups.told(self._completed(), prepared.limits, use)
        lib.launch(self._launch, self._landing)
        if self._landing.phase != NOT_FAILED:
            return self._failure(steps, request)
        # A job with input has its own descriptor, one that is captured its own directories.
        self.repeatable = not request.stdin and not request.passed and not request.capture
        if self.repeatable:
            self._launch.repeats = prepared.kept.take_repeats() if prepared.kept is not None else ANY_NUMBER
        return self._completed()

    def _launch_in(self, group: int) -> None:
        """Launch what has been set up, in a cgroup, which may be NO_GROUP."""
        self._launch.group = group
        lib.launch(self._launch, self._landing)

    def _set_program(self, request: Request | TemplateRequest) -> None:
        """Say what to execute. Raises ValueError where a string holds a NUL."""
        launch, program, environment = self._launch, request.program, request.environment
        launch.programs, launch.program_count = self._programs.packed(candidates(program, environment))
        launch.arguments, launch.argument_count = self._arguments.packed((program, *request.arguments))
        launch.environment, launch.environment_count = self._environment.packed(environment)
        variables = request.variables if isinstance(request, Request) else ()
        launch.variables, launch.variable_count = self._variables.packed(variables)
        launch.directory, _ = self._directory.packed((request.working_directory,))

    def _arm(self, prepared: Prepared, steps: CompiledSteps) -> None:
        """Say in which container, and how it is completed; that is nearly always as for the last job."""
        if self._armed is not None and self._armed[0] is prepared and self._armed[1] is steps:
            return
        launch = self._launch
        launch.steps, launch.step_count = steps.array, len(steps.steps)
        kept = prepared.kept
        launch.kept = kept.native if kept is not None and steps is kept.steps else ffi.NULL
        launch.uid_map, launch.gid_map = ffi.from_buffer(prepared.uid_map), ffi.from_buffer(prepared.gid_map)
        launch.capabilities = prepared.capabilities
        launch.session = prepared.session
        if self._confined:
            assert prepared.filters.job  # noqa: S101 - whoever wants none is for another member
        else:
            self._filter(prepared.filters.job)
        self._armed = prepared, steps

    def _filter(self, program: bytes) -> None:
        self._launch.filter, self._launch.filter_length = ffi.from_buffer(program), len(program) // INSTRUCTION.size

    def _set_bounds(self, request: Request, doorbell: int, cancelled: Any) -> None:
        launch = self._launch
        launch.doorbell = doorbell
        launch.cancelled, launch.sequence = cancelled or ffi.NULL, request.sequence
        launch.timeout = max(1, int(request.timeout * SECOND)) if request.timeout else 0
        launch.grace = int(request.grace.seconds * SECOND) if request.grace else 0
        launch.grace_signal = request.grace.signal if request.grace else 0
        launch.limits = (request.inline_limit, request.inline_limit, request.result_limit)
        launch.rest_limit = request.rest_limit

    def _failure(self, steps: CompiledSteps, request: Request | TemplateRequest) -> ExecutionError | SystemFailure:
        return not_started(self._landing.phase, self._landing.error, steps, request)

    def _completed(self) -> Outcome:
        landing = self._landing
        if landing.was_cancelled:
            return Cancelled()
        stdout, stderr, result = (
            Output(bytes(ffi.buffer(stream.data, kept)) if kept else b"", stream.rest + stream.lost)
            if (kept := stream.kept) or stream.rest or stream.lost
            else NOTHING
            for stream in landing.streams
        )
        rest = None
        if stdout.lost or stderr.lost:
            kept_elsewhere = Rest(landing.streams[lib.STREAM_STDOUT].rest, landing.streams[lib.STREAM_STDERR].rest)
            rest = kept_elsewhere if kept_elsewhere != NO_REST else None
        peak = landing.peak_memory
        effects = Effects(
            stdout=stdout,
            stderr=stderr,
            result=result,
            duration=landing.duration / SECOND,
            cpu_user=landing.cpu_user / SECOND,
            cpu_system=landing.cpu_system / SECOND,
            peak_memory=peak if peak > landing.own_peak else None,
            rest=rest,
        )
        if landing.timed_out:
            return TimedOut(effects)
        return Exited(landing.status, effects) if landing.exited else Signaled(landing.status, effects)
