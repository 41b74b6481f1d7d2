"""Deliberate bugs, each of which the simulation has to find: those that others are known to have had, and more.

    with MUTANTS["a lost worker's jobs are forgotten"]:
        World(...).run()        # raises

A mutant is a function whose source has been changed in one place; when that place is no longer there it says so.
"""

from __future__ import annotations
import __future__

import inspect
import sys
import textwrap
from typing import Any, Self

from maelstrom_broker.broker import Broker
from maelstrom_broker.gatherer import Gatherer
from maelstrom_broker.pool import Pool
from maelstrom_broker.records import Job
from maelstrom_broker.scheduler import Scheduler
from maelstrom_core.wire import Connection
from tests.simulation.world import World

SCHEDULES = 300
"""In so many a bug is found, or counts as missed."""


RARE = {
    "who has refused is not asked for a later job",
    "who has refused is not asked for another layer",
    "manifests that wait are not read",
}
"""These take several hundred: they are looked for on demand, and what they break has tests of its own."""


class Mutant:
    """One bug, while it is entered."""

    def __init__(self, owner: type, method: str, old: str, new: str) -> None:
        self.owner, self.method = owner, method
        self.was = vars(owner)[method]
        function = getattr(self.was, "fget", None) or getattr(self.was, "__func__", self.was)
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(old) == 1, f"{owner.__name__}.{method} has not one {old!r}"
        code = compile(source.replace(old, new), f"<mutant of {method}>", "exec", __future__.annotations.compiler_flag)
        made: dict[str, Any] = {}
        exec(code, sys.modules[owner.__module__].__dict__, made)
        self.becomes = made[method]

    def __enter__(self) -> Self:
        setattr(self.owner, self.method, self.becomes)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(self.owner, self.method, self.was)

    def found(self, schedules: int = SCHEDULES, seed: int = 1) -> tuple[int, str] | None:
        """In which schedule it is found, and as what; None if it is not."""
        with self:
            for number in range(schedules):
                try:
                    World(f"{seed} {number}").run()
                except Exception as error:  # noqa: BLE001 - whatever it is, it was noticed
                    return number, f"{type(error).__name__}: {error}".splitlines()[0][:100]
        return None


MUTANTS = {
    # what others had: jobs of a lost worker that are said to run for ever, attempts that are not counted, slots that
    # are not given back, jobs that run twice, jobs that run though nobody knows them, workers that do not kill,
    # artifacts that are dropped while they are needed
    "a lost worker's jobs are forgotten": Mutant(Scheduler, "worker_gone", "attempt.job is not None", "False"),
    "attempts lost with their worker do not count": Mutant(Scheduler, "worker_gone", "if ran else", "if False else"),
    "those that wait are blamed for their worker": Mutant(Scheduler, "worker_gone", "set(worker.ahead)", "set()"),
    "slots are not given back": Mutant(Scheduler, "_release", "worker.used -= wanted.slots", "pass"),
    "memory is not given back": Mutant(Scheduler, "_release", "worker.memory_used -= wanted.memory", "pass"),
    "what is recalled begins elsewhere at once": Mutant(
        Scheduler,
        "_recall",
        "reason.expecting += 1",
        "reason.expecting += 1; job = attempt.job; self._again(job, None, attempt)",
    ),
    "what nobody wants goes on": Mutant(
        Scheduler, "_stop", "self._effects.append(Send(attempt.worker.peer, m.Stop(attempt.number)))", "pass"
    ),
    "who does not stop a job is kept": Mutant(Scheduler, "overdue", "late[attempt.worker] = None", "pass"),
    "what is stopped still has a job": Mutant(Scheduler, "_stop", "attempt.job = None", "pass"),
    "artifacts that are there are not held": Mutant(
        Gatherer, "_need", "self.references[digest] += 1", "self.references[digest] += digest not in self.available"
    ),
    "what was dropped counts as there": Mutant(Gatherer, "evicted", "self.available.discard(digest)", "pass"),
    # clients
    "cancelling is not answered": Mutant(
        Scheduler, "cancel", "self._report(job, m.Cancelled(job.sequence, reason))", "self._withdraw(job)"
    ),
    "a job that was reported is kept": Mutant(Scheduler, "_withdraw", "del client.jobs[job.sequence]", "pass"),
    "who connects again is there twice": Mutant(
        Broker, "_connected", 'self._part(former, "connected again")', "self._names.pop(hello.name)"
    ),
    "nobody is told that it runs": Mutant(
        Scheduler, "started", 'self._tell(attempt.job, "running", attempt.worker)', "pass"
    ),
    "the wrong attempt is told": Mutant(Scheduler, "finished", "len(job.lost) + 1", "1"),
    # order
    "urgent jobs come last": Mutant(Job, "rank", "-self.priority", "self.priority"),
    "short jobs come first": Mutant(Job, "rank", "-self.length", "self.length"),
    "shares are not counted": Mutant(Scheduler, "_assign", "client.used += wanted.slots", "pass"),
    "turns are not counted anew": Mutant(Scheduler, "_release", "shape.moved(line)", "pass"),
    "who could not run it gets it again": Mutant(Scheduler, "broken", "avoid=True", "avoid=False"),
    # slots
    "one too many waits ahead": Mutant(Pool, "may_wait", "< worker.look_ahead", "<= worker.look_ahead"),
    "those that wait do not move up": Mutant(Scheduler, "_release", "worker.used += 1", "pass"),
    "a reservation stays": Mutant(Scheduler, "_unqueue", "if reserved is not None and", "if False and"),
    "a free slot is not looked at": Mutant(Scheduler, "_release", "self._dirty[worker] = None", "pass"),
    "what waits again is not looked at": Mutant(Scheduler, "ready", "self._unplaced[shape] = None", "pass"),
    "nothing is recalled": Mutant(Scheduler, "settle", "self._steal(worker)", "pass"),
    "an answer to a recall does not count": Mutant(
        Scheduler, "_recall_answered", "attempt.recalled_for.expecting -= 1", "pass"
    ),
    "who drains gets jobs": Mutant(Scheduler, "drain", "self._withdraw_worker(worker)", "pass"),
    "who drains keeps what waits": Mutant(Scheduler, "drain", "self._recall(attempt, worker)", "pass"),
    "a lost worker still has layers": Mutant(Pool, "remove", "self.hold(worker, (), tuple(worker.layers))", "pass"),
    # time
    "silence is not noticed": Mutant(Broker, "_tick", ">= self.settings.silence]", "> 1e9]"),
    "who speaks counts as silent": Mutant(Broker, "_said", "self.heard[event.peer] = self.scheduler.now", "pass"),
    "there are no heartbeats": Mutant(Broker, "_tick", "for peer in self.peers)", "for peer in ())"),
    # artifacts
    "when a client goes nobody else is asked": Mutant(Gatherer, "client_gone", "self._ask(digest, want)", "pass"),
    "after a refusal nobody else is asked": Mutant(Gatherer, "refused", "self._ask(digest, want)", "pass"),
    "who has refused is not asked for a later job": Mutant(
        Gatherer, "start", "self._ask_again(gathering, peer)", "pass"
    ),
    "who has refused is not asked for another layer": Mutant(Gatherer, "_need", "want.refused.pop(peer, None)", "pass"),
    "manifests that wait are not read": Mutant(Gatherer, "read", "self._begin(self._queue.popleft())", "pass"),
    "a reader is never free again": Mutant(Gatherer, "read", "self._active -= 1", "pass"),
    "who comes later does not get what was read before": Mutant(
        Gatherer, "_read", "self._need_all(gathering, list(reading.named))", "pass"
    ),
    "manifests are remembered without what they name": Mutant(
        Gatherer, "read", "tuple(reading.named)", "tuple(reading.named)[:1]"
    ),
    # frames
    "the rest of a frame is lost": Mutant(Connection, "receive_data", "incoming += data[consumed:]", "pass"),
    "a body may be cut": Mutant(Connection, "_frames", "if size < end:", "if size < middle:"),
    "what comes behind is read twice": Mutant(Connection, "receive_data", "del incoming[:consumed]", "pass"),
}
