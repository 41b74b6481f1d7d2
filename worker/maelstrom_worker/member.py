"""A pool member: a small process that runs one job at a time, for one slot.

It takes requests from its ring, launches, and answers; it lives in the outer sandbox and shares nothing with other
members but the host. Imports no asyncio.
"""

from __future__ import annotations

import os
import socket
from typing import Any

import msgspec

from maelstrom_container import native
from maelstrom_container.job_groups import JobGroups
from maelstrom_container.launcher import Launcher
from maelstrom_container.outer import Outer
from maelstrom_container.request import Request
from maelstrom_core.job import Outcome
from maelstrom_worker.messages import Answer, MemberFds, MemberSettings
from maelstrom_worker.passing import take_passed
from maelstrom_worker.repeat import Repeater, lib
from maelstrom_worker.ring import Line
from maelstrom_worker.runners import Runners

# made once, by the process that forks all members
_DECODE = msgspec.msgpack.Decoder(Request).decode
_ENCODE = msgspec.msgpack.Encoder().encode


def run_member(outer: Outer, settings: MemberSettings, fds: MemberFds, desk: socket.socket) -> None:
    """Serve requests until killed; `desk` is where runners of templates are asked for."""
    native.lib.launch_release_aside()  # while we are in no container yet: its thread stays where it begins
    line = Line(fds.memory, supervisor=False)
    groups = None
    if settings.limited:
        groups = JobGroups(fds.tree, settings.controllers, settings.reason)
    launcher = Launcher(
        outer,
        host_network=settings.host_network,
        confined=settings.confined,
        memory=settings.memory,
        groups=groups,
        rest=fds.rest,
    )
    member = Member(line, launcher, Runners(launcher, desk, line, groups), fds)
    repeater = Repeater(line, launcher, own_bell=fds.own_bell, supervisor_bell=fds.supervisor_bell)
    repeatable = False
    while True:
        need = repeater.serve(repeatable=repeatable)
        if need == lib.REPEAT_LANDED:
            member.answer_repeated(repeater.sequence)
        elif need == lib.REPEAT_MESSAGE:
            repeatable = member.handle(repeater.message)
        elif need == lib.REPEAT_WRITTEN:
            launcher.tidy()
            repeatable = False
        else:
            member.handle_pieces()
            repeatable = False


class Member:
    """What a member does in Python: whatever is not a repetition."""

    def __init__(self, line: Line, launcher: Launcher, runners: Runners, fds: MemberFds) -> None:
        self._line = line
        self._launcher = launcher
        self._runners = runners
        self._fds = fds
        self._last: Request

    def handle(self, message: bytes) -> bool:
        """Run the job of a request and answer; return whether its launch may be repeated."""
        self._last = request = _DECODE(message)
        run = self._runners.run if request.template else self._launcher.run
        if request.passed:
            run = self._run_with_passed
        self._answer(request.sequence, run(request, doorbell=self._fds.own_bell, cancelled=self._line.word))
        return not request.template and self._launcher.repeatable

    def answer_repeated(self, sequence: int) -> None:
        """Answer for a repetition of the last request, which has landed."""
        self._answer(sequence, self._launcher.repeated(self._last))

    def handle_pieces(self) -> None:
        """Handle what is there, and the rest of a message of which a part is."""
        while True:
            messages = self._line.receive()
            for message in messages:
                self.handle(message)
            if messages:
                continue  # a bell may have been swallowed while the job ran: look before sleeping
            if not self._line.partial:
                return
            os.eventfd_write(self._fds.supervisor_bell, 1)  # there is room for the rest now
            self._launcher.rest()
            os.eventfd_read(self._fds.own_bell)

    def _run_with_passed(self, request: Request, *, doorbell: int, cancelled: Any) -> Outcome:
        """Run a job that has a descriptor of its own, which is closed before anybody hears of the outcome."""
        passed = take_passed(self._fds.passing, request.sequence)
        try:
            return self._launcher.run(request, passed=passed, doorbell=doorbell, cancelled=cancelled)
        finally:
            os.close(passed)

    def _answer(self, sequence: int, outcome: Outcome) -> None:
        sent = self._line.send(_ENCODE(Answer(sequence, outcome)))
        os.eventfd_write(self._fds.supervisor_bell, 1)
        while not sent:
            os.eventfd_read(self._fds.own_bell)
            sent = self._line.flush()
            os.eventfd_write(self._fds.supervisor_bell, 1)
