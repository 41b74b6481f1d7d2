"""broker-...: what a job costs in a broker, against an echo of the same frames; and how that grows with the cluster.

A broker's process, and in this one a client and workers that do nothing but speak: they take every job for done as soon
as it comes. Per job the broker reads three frames (`Submit`, `Started`, `Ended`) and sends two (`Run`, `Finished`). The
reference is a bare server of asyncio, uvloop and orjson, which reads the same three frames, and sends them back. Jobs
have no layers; the client has a thousand in hand. What grows is measured without sockets: `ci.bench.crowd`.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE, Popen

from ci.bench.measure import Bench, Sample
from ci.bench.programs import BUILD, REPOSITORY, BenchError, run

WORKERS, SLOTS = 10, 16
WINDOW = 1000
"""Jobs that the client has offered and not had back."""
JOBS = 20_000
TURNS = 20_000
BODY, OUTCOME = b"j" * 300, b"o" * 150
FEW, MANY_WORKERS = 10, 5000
SHORT, LONG_QUEUE = 100, 1_000_000
WANTED = 0.35

Server = Callable[[], AbstractContextManager[tuple[Callable[[int], None], int]]]
"""What runs one, and gives what has so many jobs done, and its process."""

_LENGTHS = struct.Struct(">II")

_ECHO = """
import asyncio, struct
import orjson, uvloop

LENGTHS = struct.Struct(">II")

class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.buffer = transport, bytearray()

    def data_received(self, data):
        buffer, position, answers = self.buffer, 0, []
        buffer += data
        while len(buffer) - position >= 8:
            json, body = LENGTHS.unpack_from(buffer, position)
            middle = position + 8 + json
            end = middle + body
            if end > len(buffer):
                break
            text = orjson.dumps(orjson.loads(buffer[position + 8 : middle]))
            answers += (LENGTHS.pack(len(text), body), text, bytes(buffer[middle:end]))
            position = end
        del buffer[:position]
        self.transport.write(b"".join(answers))

async def serve():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

uvloop.run(serve())
"""


def frame(text: bytes, body: bytes = b"") -> bytes:
    """Return a frame."""
    return _LENGTHS.pack(len(text), len(body)) + text + body


def submit(number: int) -> bytes:
    """Return the frame of a job."""
    return frame(b'{"type":"submit","sequence":%d}' % number, BODY)


def done(number: bytes) -> bytes:
    """Return the frames by which a worker tells that a job has begun and ended."""
    started = frame(b'{"type":"started","attempt":%b}' % number)
    return started + frame(b'{"type":"ended","attempt":%b}' % number, OUTCOME)


class Speaker:
    """One connection, which reads frames."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._buffer = b""

    def frames(self) -> list[bytes]:
        """Return the texts of the frames that have come whole."""
        data = self._buffer + self.socket.recv(1 << 20)
        if not data:
            raise BenchError("the connection was closed")
        texts, position = [], 0
        while len(data) - position >= 8:
            json, body = _LENGTHS.unpack_from(data, position)
            end = position + 8 + json + body
            if end > len(data):
                break
            texts.append(data[position + 8 : position + 8 + json])
            position = end
        self._buffer = data[position:]
        return texts


class Cluster:
    """A client and workers of a server that is being measured."""

    def __init__(self, port: int, hellos: list[bytes]) -> None:
        """Connect, and greet: first the client. Without greetings there are none."""
        self._speakers = [Speaker(port) for _ in range(1 + WORKERS)]
        self._selector = selectors.DefaultSelector()
        for speaker in self._speakers:
            self._selector.register(speaker.socket, selectors.EVENT_READ, speaker)
        for speaker, hello in zip(self._speakers, hellos, strict=False):
            speaker.socket.sendall(frame(hello))
            if b'"hello"' not in speaker.frames()[0]:
                raise BenchError("the broker did not let us in")
        self._number = 0

    def close(self) -> None:
        """Close all connections."""
        for speaker in self._speakers:
            speaker.socket.close()
        self._selector.close()

    def _submit(self, jobs: int) -> None:
        frames = [submit(number) for number in range(self._number, self._number + jobs)]
        self._number += jobs
        self._speakers[0].socket.sendall(b"".join(frames))

    def run(self, jobs: int, by_client: Callable[[list[bytes]], int], by_worker: Callable[[Speaker], int]) -> None:
        """Have so many jobs done; both tell how many came to their end by what has come."""
        client = self._speakers[0]
        self._submit(min(WINDOW, jobs))
        left, unsent = jobs, jobs - min(WINDOW, jobs)
        while left:
            ended = 0
            for key, _ in self._selector.select():
                speaker: Speaker = key.data
                ended += by_client(client.frames()) if speaker is client else by_worker(speaker)
            left -= ended
            more = min(ended, unsent)
            if more:
                unsent -= more
                self._submit(more)

    def through_broker(self, jobs: int) -> None:
        """Have jobs done by a broker's workers."""

        def work(speaker: Speaker) -> int:
            numbers = [text[24:-1] for text in speaker.frames() if text.startswith(b'{"type":"run"')]
            if numbers:
                speaker.socket.sendall(b"".join(map(done, numbers)))
            return 0

        self.run(jobs, lambda texts: sum(text.startswith(b'{"type":"finished"') for text in texts), work)

    def through_echo(self, jobs: int) -> None:
        """Send the same frames to whoever echoes them, in the same order."""
        workers, turn = self._speakers[1:], 0

        def hand_out(texts: list[bytes]) -> int:
            nonlocal turn
            share = -(-len(texts) // WORKERS)
            for at in range(0, len(texts), share):
                turn = (turn + 1) % WORKERS
                numbers = [text[28:-1] for text in texts[at : at + share]]
                workers[turn].socket.sendall(b"".join(map(done, numbers)))
            return 0

        self.run(jobs, hand_out, lambda speaker: sum(b'"ended"' in text for text in speaker.frames()))


@contextmanager
def _serving(stack: ExitStack, command: list[str]) -> Iterator[tuple[int, int]]:
    """Run a server that says where it listens; yield its port and its process."""
    paths = os.pathsep.join(str(REPOSITORY / root) for root in ("core", "broker"))
    process = stack.enter_context(Popen(command, stdout=PIPE, text=True, env=os.environ | {"PYTHONPATH": paths}))
    stack.callback(process.kill)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchError(f"{command[0]} does not listen")
    yield int(line.split(",")[0].rpartition(":")[2]), process.pid


@contextmanager
def broker() -> Iterator[tuple[Callable[[int], None], int]]:
    """Run a broker."""
    from msgspec.json import encode

    from maelstrom_core import credentials
    from maelstrom_core import messages as m

    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="broker-") as directory, ExitStack() as stack:
        tokens = Path(directory) / "credentials.toml"
        options = ["--config-file", "-", "--credentials", str(tokens), "--store", f"{directory}/store"]
        command = [sys.executable, "-m", "maelstrom_broker", *options]
        port, pid = stack.enter_context(_serving(stack, command))
        known = credentials.read(tokens)
        worker = m.Hello(m.PROTOCOL, "worker", known.worker, "w", offer=m.Offer(SLOTS))
        client = m.Hello(m.PROTOCOL, "client", known.client, "bench")
        cluster = Cluster(port, [encode(client), *[encode(worker)] * WORKERS])
        stack.callback(cluster.close)
        yield cluster.through_broker, pid


@contextmanager
def echo() -> Iterator[tuple[Callable[[int], None], int]]:
    """Run the echo."""
    with ExitStack() as stack:
        port, pid = stack.enter_context(_serving(stack, [sys.executable, "-c", _ECHO]))
        cluster = Cluster(port, [])
        stack.callback(cluster.close)
        yield cluster.through_echo, pid


@contextmanager
def rate(server: Server) -> Iterator[Sample]:
    """Yield jobs per second."""
    with server() as (work, _):

        def sample() -> float:
            begun = time.perf_counter()
            work(JOBS)
            return JOBS / (time.perf_counter() - begun)

        yield sample


@contextmanager
def processor_time(server: Server) -> Iterator[Sample]:
    """Yield microseconds of a server's processor time for a job."""
    import psutil

    with server() as (work, pid):
        process = psutil.Process(pid)

        def sample() -> float:
            begun = sum(process.cpu_times()[:2])
            work(JOBS)
            return float(sum(process.cpu_times()[:2]) - begun) / JOBS * 1e6

        yield sample


@contextmanager
def crowd(workers: int, queued: int) -> Iterator[Sample]:
    """Yield microseconds of processor time for a job, without sockets."""
    from ci.bench.crowd import Crowd

    there = Crowd(workers, queued)
    yield lambda: there.seconds(TURNS) * 1e6


@contextmanager
def memory() -> Iterator[Sample]:
    """Yield bytes for each job that waits; each sample has a process of its own."""
    yield lambda: float(run([sys.executable, "-m", "ci.bench.crowd", str(LONG_QUEUE)]))


RATE = Bench(
    name="broker-rate",
    what=f"jobs/s through a broker, {WORKERS} workers that only speak; the same frames, echoed by uvloop and orjson",
    unit="jobs/s",
    better="more",
    reach=WANTED,
    ours=partial(rate, broker),
    reference=partial(rate, echo),
)
TIME = Bench(
    name="broker-time",
    what="processor time of the broker for a job; of that echo",
    unit="us",
    better="less",
    reach=1 / WANTED,
    ours=partial(processor_time, broker),
    reference=partial(processor_time, echo),
)
CROWDED = Bench(
    name="broker-workers",
    what=f"processor time of the broker's decisions for a job, with {MANY_WORKERS} workers; with {FEW}",
    unit="us",
    better="less",
    reach=1.2,
    ours=partial(crowd, MANY_WORKERS, SHORT),
    reference=partial(crowd, FEW, SHORT),
)
QUEUED = Bench(
    name="broker-queued",
    what=f"the same, with {LONG_QUEUE} jobs that wait; with {SHORT}",
    unit="us",
    better="less",
    reach=1.2,
    ours=partial(crowd, FEW, LONG_QUEUE),
    reference=partial(crowd, FEW, SHORT),
)
MEMORY = Bench(
    name="broker-memory",
    what=f"memory of the broker for each of {LONG_QUEUE} jobs that wait, with three layers and 300 bytes of their own",
    unit="bytes",
    better="less",
    reach=None,
    ours=memory,
    reference=None,
    runs=1,
    warm_up=0,
)
BENCHES = (RATE, TIME, CROWDED, QUEUED, MEMORY)
