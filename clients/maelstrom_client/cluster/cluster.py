"""A client's jobs on a cluster, as far as they can travel, and on this machine: carries out what `placement` decides.

The name of this client and a job's number are the job's identity for the broker, also after the connection was lost:
what is unfinished is offered again, and told once. The broker stops what runs when this client is gone.
"""

from __future__ import annotations

import os
from collections import deque
from functools import partial

import msgspec

from maelstrom_client.artifacts import Artifacts
from maelstrom_client.cluster.describing import Describing
from maelstrom_client.cluster.offers import (
    ARCHITECTURE,
    failure_of,
    lacking_here,
    machine_memory,
    outcome_of,
    own_name,
    say,
    submission,
    with_own_files,
)
from maelstrom_client.cluster.placement import (
    Began,
    Describe,
    Drop,
    Effect,
    Offer,
    Placement,
    RunHere,
    StopHere,
    Withdraw,
)
from maelstrom_client.cluster.rests import RestFetcher
from maelstrom_client.ready import ClientOptions
from maelstrom_core import log
from maelstrom_core import messages as m
from maelstrom_core.bounded import Bounded
from maelstrom_core.dial import Endpoint, Loop, dial_plainly
from maelstrom_core.job import (
    Cancelled,
    Container,
    ExecutionError,
    Job,
    Outcome,
    SystemFailure,
)
from maelstrom_core.link import Link, RefusedError
from maelstrom_core.spec import BindMount, Network, Seccomp
from maelstrom_core.travel import Packer, tie
from maelstrom_worker.background import Background
from maelstrom_worker.job_queue import JobId
from maelstrom_worker.requests import REMEMBERED
from maelstrom_worker.supervisor import OnStart, Report, Supervisor

PATIENCE = 10.0
"""Seconds in which the broker must be there when a program starts."""
LONELY = 10.0
"""Seconds after which a user is told why nothing happens."""
LACKING = 3.0
"""The same, where no worker could run a job: one may be about to connect."""
_STATES: tuple[m.StateName, ...] = ("artifacts", "queued", "assigned", "running")
_ON_THE_WAY = 32 << 20
"""Bytes of jobs that wait to be sent, at most: others are made when these are gone."""
_REASON = 8000


class _Task(msgspec.Struct):
    job: Job
    traveller: Job
    """The same, fit for travel unless something ties it here."""
    report: Report
    on_start: OnStart | None
    descriptor: int
    artifacts: m.Layers = ()


class Cluster:
    """Between `open` and `close`. The supervisor is open already; it is closed here."""

    def __init__(
        self, supervisor: Supervisor, endpoint: Endpoint, options: ClientOptions, background: Background
    ) -> None:
        cache_root = options.cache_root.absolute()
        self._supervisor = supervisor
        self._options = options
        self._name = own_name()
        dial = partial(dial_plainly, endpoint)
        self._tell = say if options.tell is None else options.tell
        self._artifacts = Artifacts(
            cache_root, dial, endpoint.token, refused=self._not_sent, name=self._name, told=self._tell_later
        )
        self._rests = RestFetcher(background, dial, endpoint.token, self._name)
        self._background = background
        self._memory = machine_memory()
        self._labels = frozenset((ARCHITECTURE, *options.labels))
        """Those of this machine."""
        self._placement = Placement(supervisor.slots if options.local else 0, self._memory)
        self._endpoint = endpoint
        self._packer = Packer()
        self._tasks: dict[JobId, _Task] = {}
        self._cache_root = cache_root
        self._carried: Bounded[Container, Container] = Bounded(REMEMBERED)
        self._describing = Describing(
            background, self._artifacts.offer, described=self._described, failed=self._not_described
        )
        self._unsent: deque[JobId] = deque()
        self._gone: SystemFailure | None = None
        """What becomes of jobs that need the broker, where that is given up."""
        self._losses = 0
        """How often it was lost, or came back."""
        self._link: Link
        self._loop: Loop
        self._watching = self._told = False
        """Whether somebody looks how far the first job is."""
        self._furthest: m.StateName = "artifacts"
        """How far any job has come at the broker."""
        self._lacking: set[str] = set()
        """What the user was told that no worker has."""

    def open(self, loop: Loop) -> None:
        """Connect to the broker, and wait for that. Raises UnreachableError, RefusedError."""
        hello = m.Hello(m.PROTOCOL, "client", self._endpoint.token, self._name, ("states",))
        self._loop = loop
        self._link = Link(loop, self._endpoint, hello, self)
        self._link.connect(PATIENCE)

    def close(self) -> None:
        """Stop what runs, here and there, and answer everybody."""
        self._link.close("the client has ended")
        self._artifacts.close()
        self._supervisor.close()
        for identity in list(self._tasks):
            self._answer(identity, Cancelled())

    def expect(self, network: Network, seccomp: Seccomp) -> None:
        """Have this machine get ready for a job."""
        self._supervisor.expect(network, seccomp)

    def new_id(self) -> JobId:
        """Return what a job may be called."""
        return self._supervisor.new_id()

    def start(
        self,
        job: Job,
        report: Report,
        on_start: OnStart | None = None,
        identity: JobId | None = None,
        *,
        descriptor: int = -1,
    ) -> JobId:
        """Run a job, somewhere; see `Supervisor.start`."""
        if identity is None:
            identity = self.new_id()
        traveller = self._carry(job)
        self._tasks[identity] = _Task(job, traveller, report, on_start, descriptor)
        tied = descriptor >= 0 or tie(traveller) is not None
        fits = lacking_here(job, self._labels, self._memory) is None
        if self._gone is not None and not tied:
            tied = fits and 0 < job.slots <= self._placement.slots
            if not tied:
                self._loop.call_later(0, partial(self._answer, identity, self._gone))
                return identity
        self._apply(self._placement.submit(identity, job.slots, tied=tied, memory=job.memory, fits=fits))
        return identity

    def cancel(self, identity: JobId) -> None:
        """Stop a job: its outcome will be `Cancelled`, unless it has one already."""
        self._apply(self._placement.cancel(identity))

    def is_running(self, identity: JobId) -> bool:
        """Tell whether a slot, here or there, has taken a job that has no outcome yet."""
        return self._placement.is_running(identity) or self._supervisor.is_running(identity)

    # of the link

    def greeted(self, _hello: m.Hello) -> None:
        """Offer what is unfinished."""
        if self._losses:
            self._tell(f"the broker at {self._endpoint} is there again")
        self._losses += 1 if self._losses else 0
        self._unsent.clear()
        self._apply(self._placement.greeted())

    def lost(self, reason: str) -> None:
        """Take note that the broker has forgotten everything."""
        self._tell(f"lost the connection to the broker at {self._endpoint} ({reason}); trying again")
        self._artifacts.renew()
        self._losses += 1
        if self._options.broker_timeout:
            self._loop.call_later(self._options.broker_timeout, partial(self._timed_out, self._losses))
        self._unsent.clear()
        self._apply(self._placement.lost())

    def _timed_out(self, losses: int) -> None:
        """Give up a broker that has not come back since."""
        if losses == self._losses and self._gone is None:
            reason = f": {self._link.unreachable}" if self._link.unreachable else ""
            text = f"the broker at {self._endpoint} was lost, and has not come back"
            hint = f"it was waited for {self._options.broker_timeout:g} s: --broker-timeout"
            self._give_up(f"{text}{reason}", hint)

    def refused(self, error: RefusedError) -> None:
        """Give up the broker."""
        self._unsent.clear()
        self._apply(self._placement.lost())
        self._give_up(error.message, error.hint)

    def _give_up(self, reason: str, hint: str | None) -> None:
        """Go on without the broker: slots of this machine take what is left, if they may."""
        self._tell(f"{reason}; going on without it" if self._placement.slots else reason)
        self._link.close("the client does without it")
        self._gone = SystemFailure(f"the job was not run: {reason}", hint)
        for identity in self._placement.give_up():
            self._answer(identity, self._gone)

    def received(self, message: m.AnyMessage, body: bytes) -> None:
        """Do what the broker says, and tell what it tells."""
        match message:
            case m.State(sequence=number, state=state):
                self._furthest = max(self._furthest, state, key=_STATES.index)
                self._apply(self._placement.told(JobId(number), state))
            case m.Finished(sequence=number):
                self._ended_there(JobId(number), outcome_of(message, body))
            case m.Lacking(sequence=number, reason=reason):
                self._loop.call_later(LACKING, partial(self._tell_lacking, JobId(number), reason))
            case m.Failed(sequence=number):
                self._ended_there(JobId(number), failure_of(message))
            case m.Cancelled(sequence=number):
                self._apply(self._placement.let_go(JobId(number)))
            case m.WantArtifact(digest=digest):
                self._artifacts.wanted(digest)

    def drained(self) -> None:
        """Go on to offer jobs."""
        unsent, self._unsent = self._unsent, deque()
        for identity in unsent:
            self._offer(identity)

    # what is to be done

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case RunHere(job=identity):
                    self._run_here(identity)
                case Describe(job=identity):
                    self._describing.describe(identity, self._tasks[identity].traveller.container.layers)
                case Offer(job=identity):
                    self._offer(identity)
                case Withdraw(job=identity):
                    self._link.send(m.Cancel(identity))
                case StopHere(job=identity):
                    self._supervisor.cancel(identity)
                case Began(job=identity):
                    task = self._tasks[identity]
                    if task.on_start is not None:
                        task.on_start()
                        task.on_start = None
                case Drop(job=identity):
                    self._answer(identity, Cancelled())

    def _carry(self, job: Job) -> Job:
        """Return a job that takes along what programs of ours keep in the cache: as layers, instead of mounts."""
        container = job.container
        if not any(isinstance(mount, BindMount) for mount in container.mounts):
            return job
        carried = self._carried.get(container)
        if carried is None:
            carried = self._carried[container] = with_own_files(container, self._cache_root)
        return msgspec.structs.replace(job, container=carried)

    def _run_here(self, identity: JobId) -> None:
        task = self._tasks[identity]
        lacking = lacking_here(task.job, self._labels, self._memory)
        if task.job.slots > self._supervisor.slots:
            lacking = f"{task.job.slots} slots"
        if lacking is not None:
            reason = tie(task.traveller) or "its layers cannot travel"
            text = f"it requires {lacking}, which this machine has not, and is tied to it: {reason}"
            self._ended_here(identity, ExecutionError(text))
            return
        descriptor, task.descriptor = task.descriptor, -1
        self._supervisor.start(
            task.job, partial(self._ended_here, identity), task.on_start, identity, descriptor=descriptor
        )

    def _described(self, identity: JobId, artifacts: m.Layers) -> None:
        task = self._tasks.get(identity)
        if task is not None:
            task.artifacts = artifacts
            self._apply(self._placement.described(identity))

    def _not_described(self, waiting: list[JobId], error: BaseException) -> None:
        self._tell(f"jobs of one container are run on this machine, as its layers cannot travel: {error}")
        for identity in waiting:
            self._apply(self._placement.stays(identity))

    def _offer(self, identity: JobId) -> None:
        task = self._tasks.get(identity)
        job = self._placement.jobs.get(identity)
        if task is None or job is None or job.place != "offered":
            return
        if self._link.waiting > _ON_THE_WAY:
            self._unsent.append(identity)
            return
        message = submission(identity, task.job, task.artifacts)
        try:
            self._link.send(message, self._packer.pack(task.traveller))
            if not self._watching:
                self._watching = True
                self._loop.call_later(LONELY, self._look)
        except ValueError as error:
            log.info("job cannot travel", job=identity, reason=str(error))
            self._apply(self._placement.stays(identity))

    def _look(self) -> None:
        """Tell the user what he waits for, when the first job takes long to begin."""
        if not self._link.up or not any(job.place == "offered" for job in self._placement.jobs.values()):
            return
        if self._furthest == "artifacts":
            if not self._told:
                self._told = True
                self._tell("what jobs need is being sent to the broker, which takes long the first time")
            self._loop.call_later(LONELY, self._look)

    def _tell_lacking(self, identity: JobId, reason: str) -> None:
        """Tell the user, once, what a job waits for that no worker has, if it still waits."""
        job = self._placement.jobs.get(identity)
        if job is not None and job.place == "offered" and self._link.up and reason not in self._lacking:
            self._lacking.add(reason)
            self._tell(f"jobs wait: {reason}")

    def _not_sent(self, digest: str, reason: str, turn: int) -> None:
        """Tell the broker that it will not get an artifact, if it is still the one that has asked; in a thread."""
        log.info("artifact not sent", digest=digest[:16], reason=reason)

        def tell() -> None:
            if turn == self._artifacts.turn:
                self._link.send(m.NoArtifact(digest, reason[:_REASON]))

        self._background.post(tell)

    def _tell_later(self, text: str) -> None:
        """Tell the user something; in a thread."""
        self._background.post(partial(self._tell, text))

    def _ended_here(self, identity: JobId, outcome: Outcome) -> None:
        effects = self._placement.ended_here(identity)
        self._answer(identity, outcome)
        self._apply(effects)

    def _ended_there(self, identity: JobId, outcome: Outcome) -> None:
        effects = self._placement.ended_there(identity)
        if effects is not None:
            most = self._tasks[identity].job.output_limit
            self._rests.complete(outcome, most, partial(self._answer, identity))
            self._apply(effects)

    def _answer(self, identity: JobId, outcome: Outcome) -> None:
        task = self._tasks.pop(identity, None)
        if task is None:  # answered when the client closed
            return
        if task.descriptor >= 0:
            os.close(task.descriptor)
        task.report(outcome)
