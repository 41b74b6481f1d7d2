"""How long to endure, and jobs that end in every way there is, and leave behind whatever a job can."""

from __future__ import annotations

import os

from maelstrom_core.job import Container, ExecutionError, Exited, Job, Outcome, Signaled, TimedOut
from maelstrom_core.spec import Device, DevicesMount, MqueueMount, Network, ProcMount, TmpMount
from tests.support.pool import container, shell

JOBS = int(os.environ.get("MAELSTROM_TEST_JOBS", "240"))
"""Jobs in a row; 20,000 on demand."""
SLOTS = int(os.environ.get("MAELSTROM_TEST_SLOTS", "12"))
"""Jobs at once; 200 on demand."""
LITTER = """
echo x > /dev/shm/left; echo x > /tmp/left; echo x > /var/tmp/left
ipcmk -M 4096 -S 1 -Q > /dev/null
sleep 1000 & setsid sleep 1000 &
"""
CRASH = "exec python3 -c 'import ctypes; ctypes.string_at(0)'"
"""The first process of a namespace does not die of a signal that it sends itself."""
MOUNTS = (
    *(ProcMount("/proc"), TmpMount("/tmp"), DevicesMount((Device.NULL, Device.ZERO))),
    *(TmpMount("/dev/shm"), MqueueMount("/dev/mqueue")),
)


def within(**fields: object) -> Container:
    """Return a container with everything that is a job's own."""
    standard = {"mounts": MOUNTS, "network": Network.LOOPBACK, "writable": True, "directories": ("/var/tmp",)}
    return container(**(standard | fields))


def every_way() -> list[tuple[Job, type[Outcome]]]:
    """Return jobs that end in different ways, each with the outcome that it must have."""
    return [
        (shell("true", within=within()), Exited),
        (shell(LITTER, within=within()), Exited),
        (shell(LITTER + "exit 3", within=within(network=Network.DISABLED)), Exited),
        (shell(LITTER + CRASH, within=within()), Signaled),
        (shell(LITTER + "wait", within=within(), timeout=0.1), TimedOut),
        (shell("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2", within=within(), inline_limit=1000), Exited),
        (Job(within(), "/no/such/program"), ExecutionError),
        (shell("true", within=within(), working_directory="/no/such/directory"), ExecutionError),
        (shell("true", within=within(mounts=(TmpMount("/bin/sh"),))), ExecutionError),
    ]
