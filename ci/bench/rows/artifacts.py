"""artifact: bytes per second from a client through a broker to a worker, against sendfile over loopback and b3sum.

Ours: a broker's process, a client's and a worker's threads in this one; as soon as an artifact is stored it is fetched.
At the broker and at the worker it is written to a file, and its digest is checked. The reference: sendfile to a process
that writes to a file what comes, one after the other; then the digest of each of these files, as b3sum has it, by the
same library: mapped into memory, in as many threads as there are processors.
"""

from __future__ import annotations

import os
import queue
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

from ci.bench.measure import Bench, Sample, paired
from ci.bench.programs import BUILD, REPOSITORY, BenchError

FILES = 8
SIZE = 16 << 20
CONNECTIONS = 4
"""As many as clients and workers have, each way."""

_RECEIVE = """
import socket, sys
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
buffer = bytearray(1 << 20)
while True:
    peer, _ = listening.accept()
    with peer, open(sys.argv[1] + "/" + peer.recv(64).decode(), "wb", buffering=0) as file:
        peer.send(b"!")
        while count := peer.recv_into(buffer):
            file.write(memoryview(buffer)[:count])
        peer.send(b".")
"""


@contextmanager
def _listening(command: list[str]) -> Iterator[str]:
    """Run a program that says where it listens; yield what it said."""
    paths = os.pathsep.join(str(REPOSITORY / root) for root in ("core", "broker"))
    with Popen(command, stdout=PIPE, text=True, env=os.environ | {"PYTHONPATH": paths}) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise BenchError(f"{' '.join(command)} does not listen")
            yield line
        finally:
            process.kill()


def _threads(work: Callable[[], None], count: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


class Place:
    """Files, and where they go."""

    def __init__(self, root: Path, receiver: int) -> None:
        from blake3 import blake3

        self.root, self.receiver = root, receiver
        self.files: dict[str, Path] = {}
        self.rounds = 0
        for number in range(FILES):
            path = root / f"source{number}"
            data = os.urandom(SIZE)
            path.write_bytes(data)
            self.files[blake3(data).hexdigest()] = path

    def fresh(self) -> None:
        """Forget what came before, and its pages: new memory is dear where the machine is a virtual one."""
        from blake3 import blake3

        self.rounds += 1
        for digest, path in list(self.files.items()):
            with path.open("r+b") as file:
                file.write(self.rounds.to_bytes(8, "big"))
            del self.files[digest]
            self.files[blake3(path.read_bytes()).hexdigest()] = path
        for name in ("received", "store"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        (self.root / "received").mkdir()

    def ours(self) -> float:
        """Return bytes per second through a broker that has just been started."""
        from maelstrom_core import credentials

        self.fresh()
        credentials_file = self.root / "credentials.toml"
        options = ["--config-file", "-", "--credentials", str(credentials_file), "--store", str(self.root / "store")]
        with _listening([sys.executable, "-m", "maelstrom_broker", *options]) as said:
            port = int(said.split(",")[0].rpartition(":")[2])
            return self.through(port, credentials.read(credentials_file).client)

    def through(self, port: int, token: str) -> float:
        """Return bytes per second through a broker."""
        from maelstrom_core.artifact_client import ArtifactClient

        waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        stored: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def dial() -> socket.socket:
            return socket.create_connection(("127.0.0.1", port))

        def upload() -> None:
            with ArtifactClient(dial, token) as client:
                while (digest := waiting.get()) is not None:
                    client.upload(digest, self.files[digest])
                    stored.put(digest)

        def fetch() -> None:
            with ArtifactClient(dial, token) as client:
                while (digest := stored.get()) is not None:
                    with (self.root / "received" / digest).open("x+b") as file:
                        client.fetch_into(digest, SIZE, file.fileno())

        for digest in (*self.files, *[None] * CONNECTIONS):
            waiting.put(digest)
        begun = time.perf_counter()
        uploads, fetches = _threads(upload, CONNECTIONS), _threads(fetch, CONNECTIONS)
        for thread in uploads:
            thread.join()
        for _ in fetches:
            stored.put(None)
        for thread in fetches:
            thread.join()
        return FILES * SIZE / (time.perf_counter() - begun)

    def reference(self) -> float:
        """Return bytes per second of sendfile and b3sum."""
        from blake3 import blake3

        self.fresh()
        begun = time.perf_counter()
        for digest, path in self.files.items():
            with socket.create_connection(("127.0.0.1", self.receiver)) as peer, path.open("rb") as file:
                peer.sendall(digest.encode())
                peer.recv(1)
                peer.sendfile(file)
                peer.shutdown(socket.SHUT_WR)
                peer.recv(1)
            hasher = blake3(max_threads=blake3.AUTO)
            hasher.update_mmap(self.root / "received" / digest)
            if hasher.hexdigest() != digest:
                raise BenchError("what has come is not what went")
        return FILES * SIZE / (time.perf_counter() - begun)


@contextmanager
def place() -> Iterator[tuple[Sample, Sample]]:
    """Yield both samples, of one broker and one receiver."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="artifact-") as directory:
        root = Path(directory)
        (root / "received").mkdir()
        with _listening([sys.executable, "-c", _RECEIVE, str(root / "received")]) as port:
            here = Place(root, int(port))
            yield here.ours, here.reference


_ours, _reference = paired(place)
BENCH = Bench(
    name="artifact",
    what=f"{FILES} artifacts of {SIZE >> 20} MiB from client to worker, checked; sendfile over loopback, and b3sum",
    unit="bytes/s",
    better="more",
    reach=0.6,
    ours=_ours,
    reference=_reference,
)
