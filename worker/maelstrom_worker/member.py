"""A pool member: a small process that runs one job at a time, for one slot.

It takes requests from its ring, launches, and answers; it lives in the outer sandbox and shares nothing with other
members but the host. Imports no asyncio.
"""

from __future__ import annotations

import os
import socket

import msgspec

from maelstrom_container.launcher import Launcher, Request
from maelstrom_container.outer import Outer
from maelstrom_core.job import Outcome
from maelstrom_worker.ring import Line, MemoryFd
from maelstrom_worker.runners import Runners


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What became of the request with this sequence number."""

    sequence: int
    outcome: Outcome


class MemberSettings(msgspec.Struct, frozen=True):
    """What a member is made with; travels from the supervisor to the nursery as JSON."""

    host_network: bool
    memory: int


class MemberFds(msgspec.Struct, frozen=True):
    """The descriptors a member is given: shared memory, its own bell, the supervisor's bell (both eventfds)."""

    memory: MemoryFd
    own_bell: int
    supervisor_bell: int


def run_member(outer: Outer, settings: MemberSettings, fds: MemberFds, desk: socket.socket) -> None:
    """Serve requests until killed; `desk` is where runners of templates are asked for."""
    line = Line(fds.memory, supervisor=False)
    launcher = Launcher(outer, host_network=settings.host_network, memory=settings.memory)
    runners = Runners(launcher, desk)
    decode = msgspec.msgpack.Decoder(Request).decode
    encode = msgspec.msgpack.Encoder().encode
    while True:
        messages = line.receive()
        for message in messages:
            request = decode(message)
            run = runners.run if request.template else launcher.run
            outcome = run(request, doorbell=fds.own_bell, cancelled=line.word)
            sent = line.send(encode(Answer(request.sequence, outcome)))
            os.eventfd_write(fds.supervisor_bell, 1)
            while not sent:
                os.eventfd_read(fds.own_bell)
                sent = line.flush()
                os.eventfd_write(fds.supervisor_bell, 1)
        if messages:
            continue  # a bell may have been swallowed while the job ran: look before sleeping
        if line.partial:
            os.eventfd_write(fds.supervisor_bell, 1)  # there is room for the rest now
        launcher.rest()
        os.eventfd_read(fds.own_bell)
