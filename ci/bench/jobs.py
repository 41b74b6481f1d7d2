"""The job that benchmarks run, and the ways to run it: through the library, and as JSON for maelstrom-run.

The container is the least that isolates fully: own namespaces, a read-only root made of this machine's programs, a
tmpfs, proc and the usual devices. It has the loader's cache, as this machine and every image have: without it a program
looks for its libraries in some forty places. Imports the project lazily, so that the list of benchmarks needs none.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ci.bench.programs import REPOSITORY, TRUE, BenchError, cache_directory

if TYPE_CHECKING:
    import asyncio

    from maelstrom_client import Client
    from maelstrom_core.job import Outcome
    from maelstrom_core.spec import JobSpec

LOADER_CACHE = "/etc/ld.so.cache"


HOST_DIRECTORIES = ("/usr", "/bin", "/lib", "/lib64")
DEVICES = ("full", "null", "random", "urandom", "zero")


def job(program: str = TRUE, *arguments: str, writable: bool = False, loopback: bool = False) -> JobSpec:
    """Return one program of this machine in the container described above, or one that differs from it as said."""
    from maelstrom_core.spec import (
        BindMount,
        ContainerSpec,
        Device,
        DevicesMount,
        HostLayer,
        JobSpec,
        Network,
        ProcMount,
        TmpMount,
    )

    host = tuple(path for path in HOST_DIRECTORIES if Path(path).exists())
    devices = tuple(Device(name) for name in DEVICES)
    loader = BindMount(mount_point=LOADER_CACHE, local_path=LOADER_CACHE, read_only=True)
    own = (TmpMount(mount_point="/tmp"), ProcMount(mount_point="/proc"), DevicesMount(devices=devices))
    container = ContainerSpec(
        layers=(HostLayer(host=host),),
        mounts=(*own, loader) if Path(LOADER_CACHE).exists() else own,
        network=Network.LOOPBACK if loopback else Network.DISABLED,
        enable_writable_file_system=writable,
    )
    return JobSpec(container=container, program=program, arguments=arguments)


def as_json(spec: JobSpec) -> bytes:
    """Return the job as maelstrom-run reads it: the fields of the container stand beside the others."""
    from maelstrom_core.spec_write import job_document

    return json.dumps(job_document(spec)).encode() + b"\n"


@contextmanager
def running_client(slots: int) -> Iterator[tuple[asyncio.Runner, Client]]:
    """Run a client of `slots` slots in an event loop of its own, which `runner.run` enters."""
    from maelstrom_client import Client, ClientOptions, start_nursery
    from maelstrom_core.errors import MaelstromError

    try:
        nursery = start_nursery()  # forks: before the event loop
    except MaelstromError as error:
        raise BenchError(error.render()) from error

    import asyncio

    import uvloop

    options = ClientOptions(project_directory=REPOSITORY, slots=slots, cache_root=cache_directory())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        client = Client(nursery, options)
        runner.run(client.__aenter__())
        try:
            yield runner, client
        finally:
            runner.run(client.__aexit__())


async def one_after_another(client: Client, spec: JobSpec, count: int) -> float:
    """Run the job `count` times, each when the one before is done; return seconds."""
    start = time.perf_counter()
    for _ in range(count):
        check(await client.submit(spec))
    return time.perf_counter() - start


async def all_at_once(client: Client, spec: JobSpec, count: int) -> float:
    """Submit the job `count` times and wait for all; return seconds."""
    import asyncio

    start = time.perf_counter()
    for outcome in await asyncio.gather(*(client.submit(spec) for _ in range(count))):
        check(outcome)
    return time.perf_counter() - start


def check(outcome: Outcome) -> None:
    """Raise BenchError unless the job did what it should: a failing job is no measure of anything."""
    from maelstrom_core.job import Exited

    if not (isinstance(outcome, Exited) and outcome.code == 0):
        raise BenchError(f"a job of the benchmark did not succeed: {outcome}")


def cores() -> int:
    """Return how many cores we may use."""
    return len(os.sched_getaffinity(0))
