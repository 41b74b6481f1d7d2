"""Which job runs where: events in, effects out, without a clock, a socket, or randomness of its own.

Order: priority, then the client that uses fewest slots, then the longest estimate (unknown before all), then as they
came. A job begins at the least loaded worker that has most of its layers. When no slot is free, plain jobs wait at
workers, a few at each (the look-ahead), so that a worker need not ask for the next; who has free slots while such jobs
wait elsewhere has them recalled. A job that needs several slots, or memory, reserves a worker when its turn has come.
Once a job is at a worker only the worker's answer, or its end, frees the slots; what comes of an attempt that was given
up is dropped.
"""

from __future__ import annotations

from collections import Counter

from maelstrom_broker.effects import Close, Effect, Send
from maelstrom_broker.lacking import tell
from maelstrom_broker.pool import Pool
from maelstrom_broker.records import Attempt, Client, Job, Peer, Requirements, Settings, Worker, length_class
from maelstrom_broker.shape import Shape
from maelstrom_broker.story import Story
from maelstrom_core import messages as m


class Scheduler:
    """The machine; `effects` collects what is to be done, `settle` ends each event."""

    def __init__(self, settings: Settings, effects: list[Effect]) -> None:
        self.settings = settings
        self.pool = Pool()
        self.clients: dict[Peer, Client] = {}
        self.story = Story()
        self.counts: Counter[str] = Counter()
        """`queued`, `running` (slots or not: attempts at workers); and ever: `finished`, `failed`, `cancelled`."""
        self.stopping: dict[int, Attempt] = {}
        """Attempts that are to be stopped and have not ended, oldest first."""
        self.ended: list[Job] = []
        """Jobs that were reported, or given up, and still hold their artifacts: for whoever lets go of those."""
        self.now = 0.0
        self._effects = effects
        self._turns = 0
        self._arrivals = 0
        self._attempts = 0
        self._dirty: dict[Worker, None] = {}
        """Workers on which something became free."""
        self._unplaced: dict[Shape, None] = {}
        """Shapes of which a job came to wait."""

    # clients and their jobs

    def submit(self, client: Client, message: m.Submit, wanted: Requirements, payload: bytes) -> Job:
        """Take in a job that is not ready yet: see `ready`."""
        self._arrivals += 1
        job = Job(
            client,
            message.sequence,
            self.pool.shape(wanted),
            message.priority,
            message.estimate,
            length_class(None if message.estimate is None else message.estimate * message.slots),
            self._arrivals,
            message.layers,
            payload,
            since=self.now,
        )
        client.jobs[message.sequence] = job
        client.wanted[wanted] = client.wanted.get(wanted, 0) + 1
        return job

    def ready(self, job: Job) -> None:
        """Let a job wait for a worker: the broker has all its artifacts."""
        shape = job.shape
        if shape.wanted.avoid and not shape.fitting:
            self._reshape(job, frozenset())  # nobody else is there: let those try again who could not
            shape = job.shape
        self.counts["queued"] += 1
        job.since = self.now
        shape.push(job)
        self._unplaced[shape] = None

    def cancel(self, job: Job, reason: str = "") -> None:
        """Report a job as cancelled, and stop it where it is."""
        self.story.add(self.now, job.key, "cancelled")
        self.counts["cancelled"] += 1
        self._report(job, m.Cancelled(job.sequence, reason))

    def fail(self, job: Job, reason: str) -> None:
        """Report that a job could not be run."""
        self.story.add(self.now, job.key, f"failed: {reason}")
        self.counts["failed"] += 1
        self._report(job, m.Failed(job.sequence, reason, job.lost))

    def client_gone(self, client: Client) -> None:
        """Forget a client; what runs of it is stopped."""
        del self.clients[client.peer]
        for job in list(client.jobs.values()):
            self._withdraw(job)

    def _report(self, job: Job, message: m.Message, body: bytes = b"") -> None:
        self._withdraw(job)
        self._effects.append(Send(job.client.peer, message, body))

    def _withdraw(self, job: Job) -> None:
        """Take a job out of everything; stop its attempt if there is one."""
        client, shape = job.client, job.shape
        if job.state == "queued":
            self._unqueue(job)
        if job.attempt is not None:
            self._stop(job.attempt)
            job.attempt = None
        job.state = "gone"
        del client.jobs[job.sequence]
        left = client.wanted[shape.base] - 1
        if left:
            client.wanted[shape.base] = left
        else:
            del client.wanted[shape.base]
        self.pool.leave(shape)
        self.ended.append(job)

    def _unqueue(self, job: Job, worker: Worker | None = None) -> None:
        """Take a job from its queue; a reservation goes when it was for this job, or none waits for it any more."""
        shape = job.shape
        shape.remove(job)
        self.counts["queued"] -= 1
        reserved = shape.reserved
        if reserved is not None and (worker is not None or not shape.waiting):
            shape.reserved, reserved.reserved = None, None
            if reserved is not worker:
                self._dirty[reserved] = None

    # workers

    def worker_here(self, worker: Worker) -> None:
        """Let a worker in; it gets jobs at once."""
        self.pool.add(worker)
        self._dirty[worker] = None

    def worker_gone(self, worker: Worker, reason: str) -> None:
        """Forget a worker; its jobs are tried elsewhere, and of those that ran it counts as an attempt."""
        worker.gone = True  # first: what its jobs want now may be wanted for the first time
        self._withdraw_worker(worker)
        waited = set(worker.ahead)
        for attempt in list(worker.attempts.values()):
            ran = attempt.started or attempt.number not in waited
            self._release(attempt)
            if attempt.job is not None:
                self._again(attempt.job, f"the worker was lost: {reason}" if ran else None, attempt)
        self.pool.remove(worker)
        self._dirty.pop(worker, None)

    def drain(self, worker: Worker) -> None:
        """Give a worker no more jobs, and have those back that have not begun."""
        if not worker.draining:
            worker.draining = True
            self._withdraw_worker(worker)
            for attempt in list(worker.ahead.values()):
                if attempt.job is not None and attempt.recalled_for is None and not attempt.started:
                    self._recall(attempt, worker)

    def _withdraw_worker(self, worker: Worker) -> None:
        self._unreserve(worker)
        shapes = [shape for shape in worker.shapes if not len(shape.fitting) > 1 and shape.wanted.avoid]
        self._unplaced.update((shape, None) for shape in worker.shapes if len(shape.fitting) == 1 and shape.waiting)
        self.pool.withdraw(worker)
        for shape in shapes:
            for job in shape.all_waiting():
                self._unqueue(job)
                self.ready(job)

    # attempts

    def started(self, attempt: Attempt) -> None:
        """Take note that it has begun: perhaps before one that came earlier, whose layers are still to be fetched."""
        attempt.started = True
        attempt.shape.ahead.pop(attempt.number, None)
        if attempt.recalled_for is not None:
            self._recall_answered(attempt)
        if attempt.job is not None:
            attempt.job.since = self.now
            self._tell(attempt.job, "running", attempt.worker)

    def finished(self, attempt: Attempt, body: bytes) -> None:
        """Report what came of it."""
        job = attempt.job
        attempt.worker.ended += 1
        self._release(attempt)
        if job is not None:
            job.attempt = None
            self.story.add(self.now, job.key, "finished", attempt.worker.name, attempt.number)
            self.counts["finished"] += 1
            self._report(job, m.Finished(job.sequence, attempt.worker.name, len(job.lost) + 1), body)

    def broken(self, attempt: Attempt, reason: str) -> None:
        """Try the job elsewhere."""
        self._release(attempt)
        if attempt.job is not None:
            self._again(attempt.job, reason, attempt, avoid=True)

    def given_back(self, attempt: Attempt) -> None:
        """Let a job that did not begin wait again; or take note that one was stopped."""
        self._release(attempt)
        if attempt.job is not None:
            self._again(attempt.job, None, attempt)

    def _again(self, job: Job, lost: str | None, attempt: Attempt, *, avoid: bool = False) -> None:
        """Let a job wait once more, or give it up; `lost` is why an attempt came to nothing, if it counts as one."""
        worker = attempt.worker
        job.attempt = None
        self.story.add(self.now, job.key, lost or "given back", worker.name, attempt.number)
        if lost is not None:
            job.lost += (m.LostAttempt(worker.name, lost),)
            if len(job.lost) >= self.settings.attempts:
                job.state = "gone"
                self.fail(job, f"given up after {len(job.lost)} attempts")
                return
        if avoid:
            self._reshape(job, job.shape.wanted.avoid | {worker.peer})
        self.ready(job)
        self._tell(job, "queued")

    def _reshape(self, job: Job, avoid: frozenset[Peer]) -> None:
        before, old = job.shape.wanted, job.shape
        job.shape = self.pool.shape(Requirements(before.slots, before.memory, before.labels, avoid))
        self.pool.leave(old)

    def _stop(self, attempt: Attempt) -> None:
        """Have an attempt stopped; its job is none of its business any more."""
        attempt.job = None
        attempt.shape.ahead.pop(attempt.number, None)
        attempt.stopping = self.now
        self.stopping[attempt.number] = attempt
        self._effects.append(Send(attempt.worker.peer, m.Stop(attempt.number)))

    def _release(self, attempt: Attempt) -> None:
        """Free what an attempt had; those that wait at the worker move up, as they do there."""
        worker, client, number, wanted = attempt.worker, attempt.client, attempt.number, attempt.wanted
        del worker.attempts[number]
        if attempt.job is None:
            del self.stopping[number]
        if attempt.recalled_for is not None:
            self._recall_answered(attempt)
        if worker.ahead.pop(number, None) is not None:
            attempt.shape.ahead.pop(number, None)
        else:
            worker.used -= wanted.slots
            worker.memory_used -= wanted.memory
            while worker.ahead and worker.used < worker.slots:
                number, following = next(iter(worker.ahead.items()))
                del worker.ahead[number]
                following.shape.ahead.pop(number, None)
                worker.used += 1
        client.used -= wanted.slots
        for shape, line in client.lines.items():
            shape.moved(line)
        self.counts["running"] -= 1
        self.pool.leave(attempt.shape)
        if not worker.draining:
            self._dirty[worker] = None

    # who gets what

    def settle(self) -> None:
        """Let what waits have what is free: after an event, or several."""
        while self._dirty or self._unplaced:
            dirty, self._dirty = [worker for worker in self._dirty if not (worker.draining or worker.gone)], {}
            unplaced, self._unplaced = self._unplaced, {}
            for worker in dirty:
                self._unreserve(worker)
            self._dirty.clear()
            for worker in dirty:
                self._fill(worker)
                self.pool.update(worker)
            self._place(unplaced, ahead=False)
            for worker in dirty:
                if self._fill(worker, ahead=True):
                    self.pool.update(worker)
            self._place(unplaced, ahead=True)
            for worker in dirty:
                if worker.used < worker.slots:
                    self._steal(worker)
            for shape in unplaced:
                if shape.waiting and not shape.fitting:
                    self._effects += tell(shape, self.pool.workers.values())

    def _fill(self, worker: Worker, *, ahead: bool = False) -> bool:
        """Give a worker the jobs that it has room for; or those that may wait there. Tell whether anything changed."""
        passed: set[Shape] = set()
        changed = False
        while (shape := self._first_shape(worker, passed)) is not None:
            if worker.reserved is not shape and worker.reserved is not None:
                break
            line = shape.first_line()
            if line is None:
                break
            wanted = shape.wanted
            if worker.has_room(wanted) or (ahead and wanted.plain and self.pool.may_wait(worker)):
                self._assign(line.head_for(worker), worker)
                changed = True
            elif not wanted.plain and shape.reserved is None and worker.reserved is None:
                shape.reserved, worker.reserved = worker, shape
                return True
            else:
                passed.add(shape)
        return changed

    def _first_shape(self, worker: Worker, passed: set[Shape]) -> Shape | None:
        waiting = [shape for shape in worker.shapes if shape.waiting and shape not in passed]
        if not waiting:
            return None
        return min(waiting, key=Shape.rank) if len(waiting) > 1 else waiting[0]

    def _place(self, shapes: dict[Shape, None], *, ahead: bool) -> None:
        """Find workers for the jobs of these shapes."""
        left = [shape for shape in shapes if shape.waiting and (shape.wanted.plain or not ahead)]
        while left:
            shape = min(left, key=Shape.rank) if len(left) > 1 else left[0]
            line = shape.first_line()
            index = shape.spare if ahead else shape.room
            worker = self.pool.choose(line.head(), index) if line is not None else None
            if worker is None or line is None:
                left.remove(shape)
                continue
            self._assign(line.head(), worker)
            self.pool.update(worker)
            if not shape.waiting:
                left.remove(shape)

    def _assign(self, job: Job, worker: Worker) -> None:
        """Send a job to a worker."""
        self._unqueue(job, worker)
        self._attempts += 1
        shape, client, wanted = job.shape, job.client, job.shape.wanted
        attempt = Attempt(self._attempts, worker, client, wanted, shape, job)
        shape.jobs += 1
        worker.attempts[attempt.number] = attempt
        if worker.has_room(wanted):
            worker.used += wanted.slots
            worker.memory_used += wanted.memory
        else:
            worker.ahead[attempt.number] = attempt
            shape.ahead[attempt.number] = worker
        job.attempt, job.state, job.since = attempt, "assigned", self.now
        self._turns += 1
        client.served = self._turns
        client.used += wanted.slots
        for other, line in client.lines.items():
            other.moved(line)
        self.counts["running"] += 1
        if job.artifacts:
            self.pool.hold(worker, [artifact.digest for artifact in job.artifacts], ())
        self.story.add(self.now, job.key, "assigned", worker.name, attempt.number)
        self._effects.append(Send(worker.peer, m.Run(attempt.number, wanted.slots, job.artifacts), job.payload))
        self._tell(job, "assigned", worker)

    def _unreserve(self, worker: Worker) -> None:
        if worker.reserved is not None:
            worker.reserved.reserved = None
            worker.reserved = None
            self._dirty[worker] = None

    def _steal(self, worker: Worker) -> None:
        """Have jobs recalled that wait at others, as many as could begin here."""
        free = worker.slots - worker.used - worker.expecting
        for shape in worker.shapes:
            while free > 0 and shape.ahead and worker.reserved is None and worker.has_room(shape.wanted):
                number = next(reversed(shape.ahead))
                self._recall(shape.ahead[number].attempts[number], worker)
                free -= 1

    def _recall(self, attempt: Attempt, reason: Worker) -> None:
        attempt.shape.ahead.pop(attempt.number, None)
        attempt.recalled_for = reason
        reason.expecting += 1
        self._effects.append(Send(attempt.worker.peer, m.Recall(attempt.number)))

    def _recall_answered(self, attempt: Attempt) -> None:
        if attempt.recalled_for is not None:
            attempt.recalled_for.expecting -= 1
            self._dirty[attempt.recalled_for] = None
            attempt.recalled_for = None

    def _tell(self, job: Job, state: m.StateName, worker: Worker | None = None) -> None:
        if job.client.states:
            self._effects.append(Send(job.client.peer, m.State(job.sequence, state, worker.name if worker else "")))

    # time

    def overdue(self) -> list[Close]:
        """Return whom to part with, since they do not stop what they should."""
        late: dict[Worker, None] = {}
        for attempt in self.stopping.values():
            if self.now - (attempt.stopping or 0.0) < self.settings.patience:
                break
            late[attempt.worker] = None
        return [Close(worker.peer, "did not stop a job in time") for worker in late]
