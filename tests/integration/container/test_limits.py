"""What the processes of a job may use, where the specification limits it."""

from __future__ import annotations

import os
import resource

import pytest

from maelstrom_core.job import ExecutionError, Exited, Outcome, Signaled
from maelstrom_core.spec import Device, DevicesMount, Limits, ProcMount, TmpMount
from tests.support.pool import Pool, container, python, shell

MOUNTS = (ProcMount("/proc"), TmpMount("/tmp"), DevicesMount((Device.NULL, Device.ZERO)))
ALL = Limits(
    open_files=64,
    processes=50,
    file_size=4096,
    core_size=0,
    address_space=1 << 30,
    stack_size=1 << 20,
    cpu_time=1000,
)
NAMES = {
    "open_files": "NOFILE",
    "processes": "NPROC",
    "file_size": "FSIZE",
    "core_size": "CORE",
    "address_space": "AS",
    "stack_size": "STACK",
    "cpu_time": "CPU",
}
SHOW = f"import resource; print(*(resource.getrlimit(getattr(resource, 'RLIMIT_' + n)) for n in {[*NAMES.values()]}))"


def printed(outcome: Outcome) -> str:
    assert isinstance(outcome, Exited), outcome
    assert outcome.code == 0, outcome
    return outcome.effects.stdout.data.decode().strip()


def test_limits_are_those_of_the_specification(pool: Pool) -> None:
    wanted = " ".join(str((getattr(ALL, name), getattr(ALL, name))) for name in NAMES)
    assert printed(pool.run(python(SHOW, within=container(limits=ALL)))) == wanted


def test_what_is_not_limited_is_as_for_maelstrom_itself(pool: Pool) -> None:
    wanted = " ".join(str(resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))) for name in NAMES.values())
    assert printed(pool.run(python(SHOW, within=container()))) == wanted
    pool.run(python(SHOW, within=container(limits=ALL)))
    assert printed(pool.run(python(SHOW, within=container()))) == wanted, (
        "it is the job that is limited, not its member"
    )


def test_files_become_no_larger(pool: Pool) -> None:
    within = container(mounts=MOUNTS, limits=Limits(file_size=1000))
    outcome = pool.run(shell("trap '' XFSZ; head -c 5000 /dev/zero > /tmp/x; stat -c %s /tmp/x", within=within))
    assert printed(outcome) == "1000"


def test_no_more_files_are_open(pool: Pool) -> None:
    script = """
import os
fds = []
try:
    while True:
        fds.append(os.open("/", 0))
except OSError as error:
    print(error.strerror, max(fds))
"""
    assert printed(pool.run(python(script, within=container(limits=Limits(open_files=32))))) == "Too many open files 31"


def test_no_more_memory_is_mapped(pool: Pool) -> None:
    script = "import sys\ntry: bytearray(1 << 30)\nexcept MemoryError: print('refused')"
    assert printed(pool.run(python(script, within=container(limits=Limits(address_space=1 << 29))))) == "refused"


def test_time_on_the_processor_ends(pool: Pool) -> None:
    outcome = pool.run(shell("while :; do :; done", within=container(limits=Limits(cpu_time=1))))
    assert isinstance(outcome, Signaled)


@pytest.mark.skipif(os.getuid() == 0, reason="the kernel does not count the processes of a real root")
def test_no_more_processes_are_made(pool: Pool) -> None:
    script = """
import os, time
made = 0
try:
    for _ in range(100):
        if os.fork() == 0:
            time.sleep(1000)
        made += 1
except OSError as error:
    print(error.strerror, made)
"""
    outcome = pool.run(python(script, within=container(limits=Limits(processes=10))))
    assert printed(outcome) == "Resource temporarily unavailable 9"


@pytest.mark.parametrize("user", [0, 1000])
def test_limits_cannot_be_raised_again(pool: Pool, user: int) -> None:
    script = """
import resource
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (65, 65))
except ValueError as error:
    print(error)
"""
    outcome = pool.run(python(script, within=container(limits=ALL, user=user)))
    assert printed(outcome) == "not allowed to raise maximum limit"


def test_more_than_maelstrom_may_have_itself_is_an_error() -> None:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    pool = Pool(slots=1)
    try:
        outcome = pool.run(shell("true", within=container(limits=Limits(open_files=allowed + 1))))
    finally:
        pool.close()
    assert isinstance(outcome, ExecutionError)
    assert outcome.message == (
        f"failed to limit open_files to {allowed + 1}: Maelstrom itself may have no more than {allowed}"
    )
