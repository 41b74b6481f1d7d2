"""cluster: jobs per second of a cluster on this machine; what its slots could do if nothing cost anything.

Ours: a broker, workers and maelstrom-run as processes; jobs that sleep, so that there is time for what is between
them. The whole command is measured. The reference is computed: seconds of all jobs, divided by the slots.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

from ci.bench.measure import Bench, Sample
from ci.bench.programs import BUILD, REPOSITORY, BenchError

WORKERS, SLOTS = 4, 4
JOBS, SECONDS = 3000, 0.05
PROGRAMS = ["/bin/sleep"]


def _environment() -> dict[str, str]:
    roots = ("core", "container", "worker", "broker", "clients")
    return os.environ | {"PYTHONPATH": os.pathsep.join(str(REPOSITORY / root) for root in roots)}


def _start(stack: ExitStack, module: str, *options: str) -> str:
    """Start a program that says where it is; return what it said."""
    command = [sys.executable, "-m", module, "--config-file", "-", *options]
    process = stack.enter_context(Popen(command, stdout=PIPE, text=True, env=_environment()))
    stack.callback(process.terminate)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchError(f"{module} did not start")
    return line


@contextmanager
def ours() -> Iterator[Sample]:
    """Yield jobs per second of the cluster."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="cluster-") as directory, ExitStack() as stack:
        root = Path(directory)
        credentials = ("--credentials", str(root / "credentials.toml"))
        said = _start(stack, "maelstrom_broker", *credentials, "--store", str(root / "store"))
        to_broker = ("--broker", f"127.0.0.1:{int(said.split(',')[0].rpartition(':')[2])}", *credentials)
        for number in range(WORKERS):
            cache = ("--cache-root", str(root / f"worker{number}"))
            _start(stack, "maelstrom_worker", *to_broker, "--slots", str(SLOTS), *cache, "--name", str(number))
        files = [{"paths": PROGRAMS, "follow_symlinks": True}, {"shared_library_dependencies": PROGRAMS}]
        job = {"layers": files, "program": PROGRAMS[0]}
        (root / "job.json").write_text(json.dumps(job))
        client = ("--cache-root", str(root / "client"), "--no-local", "--no-progress")
        many = ("--map", "--file", str(root / "job.json"), "--", *PROGRAMS, "{}")
        command = [sys.executable, "-m", "maelstrom_run", "--config-file", "-", *to_broker, *client, *many]

        def sample() -> float:
            begun = time.perf_counter()
            subprocess.run(command, env=_environment(), input=b"%g\n" % SECONDS * JOBS, check=True)
            return JOBS / (time.perf_counter() - begun)

        yield sample


@contextmanager
def reference() -> Iterator[Sample]:
    """Yield jobs per second of so many slots, if nothing cost anything."""
    yield lambda: WORKERS * SLOTS / SECONDS


BENCH = Bench(
    name="cluster",
    what=f"{JOBS} jobs of {SECONDS * 1000:.0f} ms on {WORKERS} workers with {SLOTS} slots; the same without any cost",
    unit="jobs/s",
    better="more",
    reach=0.9,
    ours=ours,
    reference=reference,
    runs=3,
)
