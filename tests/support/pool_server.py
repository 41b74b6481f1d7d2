"""A pool of members in a process of its own, for tests: framed requests on stdin, framed answers on stdout.

A test process has threads (pytest-xdist's), so it must not fork a nursery itself. Real members, real containers.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from typing import Any

import msgspec

from maelstrom_core.job import Job, Outcome
from maelstrom_worker.job_queue import JobId
from maelstrom_worker.nursery import Nursery


class Ask(msgspec.Struct, tag=True):
    number: int
    job: Job


class Cancel(msgspec.Struct, tag=True):
    number: int


class Members(msgspec.Struct, tag=True):
    """Asks for the pids of the pool members, as seen from here."""


class Answer(msgspec.Struct):
    number: int
    outcome: Outcome | None = None
    pids: list[int] = []


Request = Ask | Cancel | Members


async def serve(nursery: Nursery, slots: int, memory: int | None) -> None:
    from maelstrom_worker.supervisor import Supervisor

    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    decode = msgspec.msgpack.Decoder(Request).decode
    identities: dict[int, JobId] = {}

    def answer(value: Answer) -> None:
        payload = msgspec.msgpack.encode(value)
        sys.stdout.buffer.write(len(payload).to_bytes(4, "big") + payload)
        sys.stdout.buffer.flush()

    def tell(number: int, outcome: Outcome) -> None:
        answer(Answer(number, outcome))

    supervisor = Supervisor(nursery, slots=slots, memory=memory)
    supervisor.open(loop)
    try:
        while header := await reader.read(4):
            request: Any = decode(await reader.readexactly(int.from_bytes(header, "big")))
            if isinstance(request, Cancel):
                supervisor.cancel(identities[request.number])
            elif isinstance(request, Members):
                answer(Answer(0, pids=supervisor.member_pids()))
            else:
                report = partial(tell, request.number)
                identities[request.number] = supervisor.start(request.job, report)
    finally:
        supervisor.close()


if __name__ == "__main__":
    os.set_inheritable(0, False)
    nursery = Nursery.start()
    asyncio.run(serve(nursery, int(sys.argv[1]), int(sys.argv[2]) or None))
