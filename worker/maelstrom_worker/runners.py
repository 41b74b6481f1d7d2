"""The runners of one pool member: processes that fork its jobs from templates, one job at a time.

A runner belongs to one member, so that the network namespace of its jobs is nobody else's. It is asked for once per
template and kept while there is use for it. Imports no asyncio.
"""

from __future__ import annotations

import os
import select
import socket
from collections import OrderedDict
from typing import Any

import msgspec

from maelstrom_container.job_groups import JobGroups
from maelstrom_container.launcher import Launcher, RunnerLostError, forget_runner, new_runner
from maelstrom_container.request import Request
from maelstrom_core.job import Cancelled, Container, NotForked, Outcome
from maelstrom_worker.incubator import ask_for_runner, read_reply
from maelstrom_worker.ring import Line, lib

KEPT = 3
"""Runners of a member, the ones used last; each keeps its template alive."""
TRIES = 2
"""How often a job is begun whose template or runner dies."""
NO_GROUP_REASON = "forks of templates have no cgroup of their own"


class _Runner(msgspec.Struct):
    control: socket.socket
    lease: socket.socket
    native: Any

    def close(self) -> None:
        """Let the runner end, and the template go if nobody else uses it."""
        forget_runner(self.native)
        self.control.close()
        self.lease.close()


class Runners:
    """Runs jobs in forks of templates; made and used by one member. `desk` is where runners are asked for.

    `groups` are those of limited jobs, of a member that has such. On `line` it is told which processes are kept
    meanwhile: so whoever looks knows that the other one is the job's.
    """

    def __init__(self, launcher: Launcher, desk: socket.socket, line: Line, groups: JobGroups | None = None) -> None:
        self._launcher = launcher
        self._line = line
        self._desk = desk
        self._groups = groups
        self._runners: OrderedDict[bytes, _Runner] = OrderedDict()

    def run(self, request: Request, *, doorbell: int, cancelled: Any) -> Outcome:
        """Run one job to its end; as `Launcher.run`."""
        groups = self._groups
        if groups is None:
            return self._run(request, doorbell, cancelled)
        limits = msgspec.msgpack.decode(request.container, type=Container).limits
        if groups.keeps(msgspec.structs.replace(limits, processes=None)):
            # The number of processes can be limited without a group. A fork is made by its runner, inside the
            # container, where no group may be reached.
            return NotForked(f"they are limited, and {NO_GROUP_REASON}")
        outcome = self._run(request, doorbell, cancelled)
        return JobGroups(reason=NO_GROUP_REASON if groups.controllers else groups.reason).told(outcome, limits)

    def _run(self, request: Request, doorbell: int, cancelled: Any) -> Outcome:
        lost = NotForked("it died under its job, twice", accident=True)
        for _ in range(TRIES):
            try:
                runner = self._runner(request, doorbell, cancelled)
            except (OSError, EOFError):
                continue  # the incubator died; there will be another
            if isinstance(runner, NotForked) and runner.accident:
                lost = runner
                continue
            if not isinstance(runner, _Runner):
                return runner
            others = (each.native.pidfd for each in self._runners.values() if each is not runner)
            self._line.resting = [pidfd for pidfd in others if pidfd >= 0]
            try:
                outcome, usable = self._launcher.fork(request, runner.native, doorbell=doorbell, cancelled=cancelled)
            except RunnerLostError:
                self._drop(request.template)
                continue
            if not usable:
                self._drop(request.template)
            return outcome
        return lost

    def _drop(self, template: bytes) -> None:
        self._runners.pop(template).close()

    def _runner(self, request: Request, doorbell: int, cancelled: Any) -> _Runner | Cancelled | NotForked:
        """Return the runner for a job, or what becomes of the job without one. Raises OSError and EOFError."""
        known = self._runners.get(request.template)
        if known is not None:
            self._runners.move_to_end(request.template)
            return known
        lease = ask_for_runner(self._desk, request.template)
        try:
            waited = _wait(lease, request, doorbell, cancelled)
            reply = read_reply(lease) if waited is None else waited
        except BaseException:
            lease.close()
            raise
        if not isinstance(reply, socket.socket):
            lease.close()
            return reply
        while len(self._runners) >= KEPT:
            self._runners.popitem(last=False)[1].close()
        self._runners[request.template] = runner = _Runner(reply, lease, new_runner(reply.fileno()))
        return runner


def _wait(lease: socket.socket, request: Request, doorbell: int, cancelled: Any) -> Cancelled | NotForked | None:
    """Wait for a reply: as long as the job itself might take, or until it is cancelled."""
    poll = select.poll()
    poll.register(lease, select.POLLIN)
    poll.register(doorbell, select.POLLIN)
    while True:
        if lib.word_load(cancelled) == request.sequence:
            return Cancelled()
        ready = poll.poll(request.timeout * 1000 if request.timeout else None)
        if not ready:
            return NotForked(f"it was not ready after {request.timeout:g} s")
        if any(fd == lease.fileno() for fd, _ in ready):
            return None
        os.eventfd_read(doorbell)
