"""A hostile job gets nowhere, its worker stays healthy, and the next job runs as before."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from maelstrom_core.spec import Seccomp
from tests.integration.container.escape.conftest import ATTACKS, Attack, MakeAttack, lines_of
from tests.support.pool import Pool

OWN_NAMESPACES = (
    *("/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/sys/kernel/ns_last_pid"),
    "/proc/sys/kernel/pid_max",  # since Linux 6.14
    *("/proc/sys/kernel/shm", "/proc/sys/kernel/msg", "/proc/sys/kernel/sem", "/proc/sys/kernel/auto_msgmni"),
    *("/proc/sys/fs/mqueue/", "/proc/sys/user/"),
)
"""Switches of namespaces that are the job's own."""
STATISTICS = {
    *("allocinfo", "pagetypeinfo", "slabinfo", "timer_list", "vmallocinfo"),
    *("kpagecgroup", "kpagecount", "kpageflags"),
}
EVERYBODYS = ("/proc/pressure/",)
"""Whoever writes there asks to be woken himself, when the machine is short of something."""


def test_no_descriptor_and_no_directory_leads_out(attack: Attack, seccomp: Seccomp) -> None:
    assert attack("descriptors", seccomp=seccomp) == []


def test_what_runs_outside_is_not_written_to(attack: Attack, seccomp: Seccomp) -> None:
    libraries = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line]
    files = [os.path.realpath("/usr/bin/python3"), os.path.realpath("/bin/sh"), "/etc/passwd", *libraries[:3]]
    before = [os.stat(path) for path in files]
    attack("executables", "/proc/self/exe", "/proc/1/exe", *files, sys.executable, seccomp=seccomp)
    after = [os.stat(path) for path in files]
    for was, now in zip(before, after, strict=True):
        assert (was.st_mtime_ns, was.st_ctime_ns, was.st_mode, was.st_ino) == (
            now.st_mtime_ns,
            now.st_ctime_ns,
            now.st_mode,
            now.st_ino,
        )


def test_no_switch_of_the_kernel_can_be_opened_but_those_of_its_own(attack: Attack, seccomp: Seccomp) -> None:
    opened = attack("switches", "/proc", "/sys", seccomp=seccomp)
    assert [path for path in opened if not path.startswith((*OWN_NAMESPACES, *EVERYBODYS))] == []


def test_nothing_is_read_that_only_root_may_know(attack: Attack, seccomp: Seccomp) -> None:
    """But for how busy the kernel is, if it was root who started the worker: see docs/decisions/real-root.md."""
    read = attack("secrets", seccomp=seccomp)
    assert set(read) <= ({f"read /proc/{name}" for name in STATISTICS} if os.getuid() == 0 else set())


def test_no_process_outside_is_reached(attack: Attack, pool: Pool, outside: tuple[int, ...], seccomp: Seccomp) -> None:
    assert attack("processes", *outside, pool.process.pid, *pool.members(), seccomp=seccomp) == []


def test_no_namespace_outside_is_entered(attack: Attack, seccomp: Seccomp) -> None:
    assert attack("namespaces", seccomp=seccomp) == []


def test_no_device_can_be_made_or_changed_and_no_user_become(attack: Attack, seccomp: Seccomp) -> None:
    assert attack("nodes", seccomp=seccomp) == []


@pytest.fixture
def listening() -> Iterator[str]:
    """An abstract socket of the host's."""
    name = f"maelstrom-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        yield name


def natively(name: str, *arguments: str) -> list[str]:
    """Return what an attack gets away with outside of a job: that it can succeed."""
    command = [sys.executable, "-B", ATTACKS / f"{name}.py", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def test_no_abstract_socket_of_the_host_is_reached(attack: Attack, listening: str, seccomp: Seccomp) -> None:
    assert f"{listening} connected" in natively("sockets", listening)
    assert attack("sockets", listening, seccomp=seccomp) == []


def test_a_job_has_a_filter_and_a_fork_that_of_its_template_too(
    pool: Pool, make: MakeAttack, start: str, seccomp: Seccomp
) -> None:
    outcome = pool.run(make("grep -E ^Seccomp /proc/self/status", seccomp=seccomp))
    status = dict(line.split(":\t") for line in lines_of(outcome, start))
    filters = 0 if seccomp is Seccomp.OFF else {"cold": 1, "forked": 2}[start]
    assert status.pop("Seccomp_filters", str(filters)) == str(filters)  # since Linux 5.9
    assert status == {"Seccomp": "2" if filters else "0"}


def test_the_filter_refuses_what_no_ordinary_program_does(attack: Attack) -> None:
    answers = dict(line.rsplit(maxsplit=1) for line in attack("calls"))
    assert answers.pop("clone3") == "ENOSYS"
    assert {answers.pop(name) for name in ("AF_ALG", "AF_VSOCK")} == {"EAFNOSUPPORT"}
    assert len(answers) > 25
    assert {name: answer for name, answer in answers.items() if answer != "EPERM"} == {}


@pytest.fixture(scope="module")
def keyed() -> Iterator[tuple[Pool, str]]:
    """A worker that was started where there is a key in the session's keyring."""
    libc = ctypes.CDLL(None, use_errno=True)
    name = f"maelstrom-{uuid.uuid4()}"
    keyctl, add_key = {"x86_64": (250, 248), "aarch64": (219, 217)}[os.uname().machine]
    if libc.syscall(keyctl, 1, None) < 0 or libc.syscall(add_key, b"user", name.encode(), b"secret", 6, -3) < 0:
        pytest.skip(f"there are no keyrings here: {os.strerror(ctypes.get_errno())}")
    pool = Pool(slots=1)
    yield pool, name
    pool.close()


class TestKeys:
    @pytest.fixture
    def pool(self, keyed: tuple[Pool, str]) -> Pool:
        return keyed[0]

    def test_no_key_of_who_started_it_is_reached(
        self, attack: Attack, keyed: tuple[Pool, str], seccomp: Seccomp
    ) -> None:
        assert "requested" in natively("keys", keyed[1])
        assert attack("keys", keyed[1], seccomp=seccomp) == []
