"""The supervisor: jobs in, outcomes out, over a pool of members on this machine.

The one class behind both `maelstrom-worker` and every client without a broker. It carries out what `scheduler`
decides: requests go down a member's ring, outcomes come up, a member's death is seen through its pidfd.
Runs in one loop, asyncio's or `blocking`'s; nothing here blocks.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from maelstrom_core import log
from maelstrom_core.job import Cancelled, Job, Outcome, SystemFailure, effects_of, with_effects
from maelstrom_core.spec import Network, Seccomp
from maelstrom_worker import story
from maelstrom_worker.job_queue import JobId, Slot
from maelstrom_worker.kinds import Kind, kind, kind_of
from maelstrom_worker.limiting import Limiting, memory_for
from maelstrom_worker.messages import Answer, MemberFds, MemberSettings, Stillborn
from maelstrom_worker.nursery import Nursery
from maelstrom_worker.passing import open_passing, pass_descriptor
from maelstrom_worker.requests import Requests
from maelstrom_worker.ring import Line, ProtocolError, create_memory
from maelstrom_worker.scheduler import Effect, Forget, Kill, Scheduler, Start

if TYPE_CHECKING:
    from maelstrom_worker.rests import Rests

Report = Callable[[Outcome], object]
OnStart = Callable[[], object]


class Loop(Protocol):
    """What is needed of an event loop."""

    def add_reader(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Have `callback` called whenever something can be read."""

    def remove_reader(self, fd: int) -> bool:
        """Do so no more."""


class _Task(msgspec.Struct):
    job: Job
    report: Report
    on_start: OnStart | None
    started: float = 0.0
    """When a slot took it, by the time of day."""
    descriptor: int = -1

    def close_descriptor(self) -> None:
        """Let go of what is passed to the job."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


class _Member(msgspec.Struct):
    """One pool member as the supervisor sees it."""

    number: int
    place: tuple[Slot, Kind]
    line: Line
    bell: int
    passing: socket.socket
    pidfd: int = -1
    task: JobId | None = None
    rest: int = -1
    """Its file for output that exceeds the inline limit."""
    unsent: bool = msgspec.field(default=False)


class Supervisor:
    """Runs jobs on `slots` slots, between `open` and `close`. The nursery must be alive, and is closed at the end."""

    def __init__(self, nursery: Nursery, *, slots: int, memory: int | None = None, rests: Rests | None = None) -> None:
        """`memory` bounds each file system in memory of a job, in bytes; None: as this machine allows.

        With `rests` output that exceeds a job's inline limit is kept in files: `take_rest`. Else all is inline.
        """
        self.slots = slots
        self._nursery = nursery
        self._scheduler = Scheduler(slots)
        self._processors = len(os.sched_getaffinity(0))
        self._memory = memory_for(slots) if memory is None else memory
        self.ended: Counter[type[Outcome]] = Counter()
        """How many jobs that had begun came to which kind of outcome."""
        self._tasks: dict[JobId, _Task] = {}
        self._members: dict[tuple[Slot, Kind], _Member] = {}
        self._by_number: dict[int, _Member] = {}
        self._last_job = self._last_member = 0
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._limiting = Limiting()
        self._requests = Requests(None if rests is None else rests.share)
        self._decode = msgspec.msgpack.Decoder(Answer).decode
        self._loop: Loop | None = None
        self._rests = rests
        self._rest = -1

    def open(self, loop: Loop) -> None:
        """Begin. Raises HostError where this host does not allow what a container needs."""
        self._nursery.wait_until_ready()
        self._loop = loop
        loop.add_reader(self._bell, self._on_bell)
        loop.add_reader(self._nursery.fileno(), self._on_nursery, loop)
        log.debug("pool opened", slots=self.slots, memory=self._memory)

    def expect(self, network: Network, seccomp: Seccomp) -> None:
        """Have a member made for the next job, whose container is said to have these: it need not wait for one then.

        May be called before `open`.
        """
        with contextlib.suppress(OSError):  # whoever starts the job will hear of it
            self._member(self._scheduler.next_slot, kind(network, seccomp))

    def close(self) -> None:
        """Kill what runs, answer everybody, and wait until every process is gone. Once is enough."""
        if self._bell < 0:
            return
        self._apply(self._scheduler.stop())
        if self._loop is not None:
            self._loop.remove_reader(self._nursery.fileno())
            self._loop.remove_reader(self._bell)
        for member in list(self._by_number.values()):
            self._drop(member)
        self._nursery.close()
        self._limiting.close()
        os.close(self._bell)
        self._bell = -1
        for job in list(self._tasks):
            self._answer(job, Cancelled())

    def new_id(self) -> JobId:
        """Return what a job may be called."""
        self._last_job += 1
        return JobId(self._last_job)

    def start(
        self,
        job: Job,
        report: Report,
        on_start: OnStart | None = None,
        identity: JobId | None = None,
        *,
        descriptor: int = -1,
    ) -> JobId:
        """Run a job; `report` is called once, with its outcome, and `on_start` before, when a slot takes the job.

        The identity is a new one, unless it is given. Raises ValueError for a job of more slots than there are.
        `descriptor` is a socket of `passing.offer`, with the standard streams or the terminal for the job; it is
        closed here when the job has it. Not for jobs of templates.
        """
        assert descriptor < 0 or job.template is None  # noqa: S101 - the fork of a template has its own
        assert (job.allocate_tty is None) or descriptor >= 0  # noqa: S101
        if identity is None:
            identity = self.new_id()
        self._tasks[identity] = _Task(job, report, on_start, descriptor=descriptor)
        effects = self._scheduler.submit(
            identity, priority=job.priority, estimate=job.estimated_duration, group=job.template, slots=job.slots
        )
        self._apply(effects)
        return identity

    def cancel(self, identity: JobId) -> None:
        """Stop a job: its outcome will be `Cancelled`, unless it has one already."""
        self._apply(self._scheduler.cancel(identity))

    def take_rest(self) -> int:
        """Return the file with the `Rest` of the job that is being reported, to be closed by the caller; -1: none."""
        descriptor, self._rest = self._rest, -1
        return descriptor

    def is_running(self, identity: JobId) -> bool:
        """Tell whether a job was handed to a member and has no outcome yet."""
        task = self._tasks.get(identity)
        return task is not None and task.started > 0

    def member_pids(self) -> list[int]:
        """Return the process ids of the live members."""
        return [pid for member in self._by_number.values() if (pid := story.pid_of(member.pidfd)) > 0]

    def look(self) -> tuple[int, list[story.Running]]:
        """Return how many jobs wait for a slot, and what members run."""
        return self._scheduler.counts()["queued"], story.running(self._by_number.values(), self._tasks)

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Start(job=job, slot=slot):
                    self._start(job, slot)
                case Kill(job=job, slot=slot):
                    self._kill(job, slot)
                case Forget(job=job):
                    self._answer(job, Cancelled())

    def _start(self, identity: JobId, slot: Slot) -> None:
        task = self._tasks[identity]
        task.started = time.time()
        if log.threshold <= log.DEBUG:
            story.begun(identity, slot, task.job)
        if task.on_start is not None:
            task.on_start()
        try:
            member = self._member(slot, kind_of(task.job))
        except OSError as error:
            self._finish(identity, SystemFailure(f"failed to make a pool member: {error}"))
            return
        passes = task.descriptor >= 0
        try:
            if passes:
                pass_descriptor(member.passing, identity, task.descriptor)
        except OSError as error:
            self._finish(identity, SystemFailure(f"failed to pass a descriptor to a pool member: {error}"))
            return
        if passes:
            task.close_descriptor()
        member.task = identity
        member.line.set_hint(self._scheduler.taken * 2 <= self._processors)
        member.unsent = not member.line.send(self._requests.request(identity, task.job, passes=passes))
        os.eventfd_write(member.bell, 1)

    def _kill(self, identity: JobId, slot: Slot) -> None:
        member = self._members.get((slot, kind_of(self._tasks[identity].job)))
        if member is not None:
            log.debug("job is killed", job=identity, slot=slot)
            member.line.set_word(identity)
            os.eventfd_write(member.bell, 1)

    def _member(self, slot: Slot, wanted: Kind) -> _Member:
        """Return the member of a slot for a kind of job, asking the nursery for one if need be.

        The request can be written before the member lives: the ring waits for it.
        """
        place = (slot, wanted)
        member = self._members.get(place)
        if member is not None:
            return member
        limiting = self._limiting
        if wanted.limited:
            limiting.open()
        memory, bell = create_memory(), os.eventfd(0, os.EFD_CLOEXEC)
        ours, theirs = open_passing()
        rest = -1
        try:
            rest = -1 if self._rests is None else self._rests.open()
            self._last_member += 1
            member = _Member(self._last_member, place, Line(memory, supervisor=True), bell, ours, rest=rest)
            settings = MemberSettings(
                host_network=wanted.host_network,
                confined=wanted.confined,
                memory=self._memory,
                limited=wanted.limited,
                controllers=limiting.controllers,
                reason=limiting.reason,
                rest=rest >= 0,
            )
            tree = limiting.fd if wanted.limited else -1
            fds = MemberFds(memory, bell, self._bell, theirs.fileno(), tree, rest)
            self._nursery.request(member.number, settings, fds)
        except OSError:
            if rest >= 0:
                os.close(rest)
            os.close(bell)
            ours.close()
            raise
        finally:
            os.close(memory)
            theirs.close()
        self._members[place] = self._by_number[member.number] = member
        return member

    def _on_bell(self) -> None:
        with _UNLESS_EMPTY:
            os.eventfd_read(self._bell)
        # It is any of them that has rung, and there may be many.
        for member in [member for member in self._by_number.values() if member.unsent or member.line.waiting()]:
            self._hear(member)

    def _hear(self, member: _Member) -> None:
        try:
            messages = member.line.receive()
        except ProtocolError as error:
            self._lose(member, f"it wrote nonsense: {error}")
            return
        if member.unsent or member.line.partial:
            member.unsent = not member.line.flush()
            os.eventfd_write(member.bell, 1)
        for message in messages:
            answer = self._decode(message)
            if answer.sequence == member.task:
                member.task = None
                self._finish(JobId(answer.sequence), *self._with_rest(member, answer))

    def _finish(self, identity: JobId, outcome: Outcome, rest: int = -1) -> None:
        self.ended[type(outcome)] += 1
        story.ended(identity, outcome)
        # The slot goes on before anybody is told: it need not wait for them, and what they raise breaks nothing here.
        task = self._tasks.pop(identity)
        if task.descriptor >= 0:
            task.close_descriptor()
        self._apply(self._scheduler.finished(identity))
        self._rest = rest
        try:
            task.report(outcome)
        finally:
            if self._rest >= 0:
                os.close(self.take_rest())

    def _with_rest(self, member: _Member, answer: Answer) -> tuple[Outcome, int]:
        """Take what a job has left in its member's file, before the member's next job writes there."""
        outcome = answer.outcome
        effects = effects_of(outcome)
        if effects is None or effects.rest is None or self._rests is None:
            return outcome, -1
        limit = self._requests.rest_limit(self._tasks[JobId(answer.sequence)].job)
        try:
            return outcome, self._rests.take(effects.rest, limit, member.rest)
        except OSError as error:
            reason = f"the worker failed to keep it: {error.strerror or error}"
            return with_effects(outcome, rest=None, rest_error=reason), -1

    def _answer(self, identity: JobId, outcome: Outcome) -> None:
        task = self._tasks.pop(identity)
        task.close_descriptor()
        task.report(outcome)

    def _on_nursery(self, loop: Loop) -> None:
        try:
            answers = self._nursery.answers()
        except (EOFError, ConnectionError):
            loop.remove_reader(self._nursery.fileno())
            for orphan in list(self._by_number.values()):
                self._lose(orphan, "the process that forks pool members died")
            return
        for answer in answers:
            member = self._by_number.get(answer.member)
            if isinstance(answer, Stillborn):
                if member is not None:
                    self._lose(member, answer.reason)
            elif member is None:
                os.close(answer.pidfd)
            else:
                member.pidfd = answer.pidfd
                story.born(member.number, member.place[0], answer.pidfd)
                loop.add_reader(answer.pidfd, self._on_death, member)

    def _on_death(self, member: _Member) -> None:
        self._hear(member)  # it may have answered before it died
        self._lose(member, "it was killed, or crashed")

    def _lose(self, member: _Member, reason: str) -> None:
        """Give up a member; its job gets a failure of ours, the next job of its slot a new member."""
        task = member.task
        log.info("pool member lost", member=member.number, job=task, reason=reason)
        self._drop(member)
        if task is not None:
            hint = "the machine may be short of memory: see the kernel's log"
            self._finish(task, SystemFailure(f"the pool member that ran this job was lost: {reason}", hint))

    def _drop(self, member: _Member) -> None:
        self._by_number.pop(member.number, None)
        if self._members.get(member.place) is member:
            del self._members[member.place]
        if member.pidfd >= 0 and self._loop is not None:
            self._loop.remove_reader(member.pidfd)
            os.close(member.pidfd)
            member.pidfd = -1
        os.close(member.bell)
        if member.rest >= 0:
            os.close(member.rest)
        member.passing.close()
        member.line.close()


_UNLESS_EMPTY = contextlib.suppress(BlockingIOError)
