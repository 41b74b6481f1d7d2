"""A hostile fork: what it shares with its first process, its runner and its template is out of its reach.

Without a seccomp filter, as `tests/integration/container/test_hostile.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from maelstrom_core.job import Exited, Signaled
from maelstrom_core.spec import Seccomp
from tests.integration.templates.conftest import MakeJob
from tests.support.pool import Pool


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool(slots=1)
    yield pool
    pool.close()


def said(pool: Pool, forked: MakeJob, script: str, user: int, stages: tuple[str, ...]) -> list[str]:
    fields = {"user": user, "group": user, "seccomp": Seccomp.OFF}
    outcome = pool.run(forked(script, stages=stages, fields=fields))
    assert isinstance(outcome, Exited), outcome
    return outcome.effects.stdout.data.decode().splitlines()[1:]


def python(text: str) -> str:
    return f"python3 - <<'END'\n{text}\nEND\n"


TRACE = python("""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for request in (16, 0x4206):  # PTRACE_ATTACH, PTRACE_SEIZE
    if libc.ptrace(request, 1, 0, 0) == 0:
        print("traced")
for name in ("mem", "environ", "maps", "auxv"):
    try:
        with open(f"/proc/1/{name}", "r+b" if name == "mem" else "rb") as file:
            if name == "mem":
                file.seek(0x1000)
            print("opened", name, len(file.read(1)))
    except OSError:
        pass
for name in ("root", "cwd", "exe", "fd/0", "ns/mnt"):
    try:
        print("read", name, os.readlink(f"/proc/1/{name}"))
    except OSError:
        pass
local = ctypes.create_string_buffer(8)
vector = (ctypes.c_void_p * 2)(ctypes.addressof(local), 8)
far = (ctypes.c_void_p * 2)(ctypes.addressof(local), 8)
if libc.process_vm_writev(1, vector, 1, far, 1, 0) > 0:
    print("written")
""")


@pytest.mark.parametrize("stages", [(), ("more",)])
@pytest.mark.parametrize("user", [0, 1000])
def test_it_cannot_reach_the_memory_that_its_first_process_shares(
    pool: Pool, forked: MakeJob, user: int, stages: tuple[str, ...]
) -> None:
    assert said(pool, forked, TRACE, user, stages) == []


PROC = python("""
import ctypes, os, sys
NEWNS, NEWUSER, NEWPID, NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
for nested in (False, True):
    if nested and libc.unshare(NEWUSER | NEWNS | NEWPID | NEWNET) != 0:
        print("not nested")
    child = os.fork()
    if child == 0:
        if nested:
            for name, text in (("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
                try:
                    with open(f"/proc/self/{name}", "w") as file:
                        file.write(text)
                except OSError:
                    pass
        for undo in (b"/proc", b"/proc/sys"):
            libc.umount2(undo, 2)
            libc.mount(None, undo, None, 0x1000 | 0x20, None)  # MS_BIND, MS_REMOUNT: writable again
        for flags in (0, 14, 15):
            if libc.mount(b"none", b"/tmp", b"proc", flags, None) == 0:
                break
        for place in ("/proc", "/tmp"):
            for switch in ("sys/kernel/core_pattern", "sysrq-trigger", "sys/kernel/modprobe"):
                try:
                    os.close(os.open(f"{place}/{switch}", os.O_WRONLY))
                    print("opened", place, switch, nested)
                except OSError:
                    pass
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
""")


@pytest.mark.skipif(os.getuid() != 0, reason="the host lets only its own root write there, in whatever namespace")
@pytest.mark.parametrize("stages", [(), ("more",)])
@pytest.mark.parametrize("user", [0, 1000])
def test_it_cannot_open_the_switches_of_the_kernel(
    pool: Pool, forked: MakeJob, user: int, stages: tuple[str, ...]
) -> None:
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    assert said(pool, forked, PROC, user, stages) == []
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


BELOW = """
exec 2>/dev/null
look() { ls -d /scaffold /tree /upper* /job ../scaffold; }
look
umount -l /; look
cd /; umount -l .; look
unshare -Urm sh -c 'umount -l /; umount -l /proc; cd /; ls -d /scaffold /tree'
unshare -Urm sh -c 'mount -t tmpfs none /tmp && mkdir /tmp/old && pivot_root /tmp /tmp/old && umount -l /old; echo /*'
nsenter -t 1 -m ls -d /scaffold
for fd in /proc/self/fd/*; do ls -d $fd/scaffold $fd/../scaffold; done
true
"""


@pytest.mark.parametrize("user", [0, 1000])
def test_it_cannot_reach_what_its_root_is_made_of(pool: Pool, forked: MakeJob, user: int) -> None:
    lines = said(pool, forked, BELOW, user, ())
    assert not [line for line in lines if "scaffold" in line or "tree" in line or "upper" in line]


def test_signals_to_its_first_process_do_nothing_but_reach_itself(pool: Pool, forked: MakeJob) -> None:
    script = "trap 'echo heard' USR1; for n in 9 19 6 11; do kill -$n 1; done; kill -9 -1; true"
    outcome = pool.run(forked(script))
    assert isinstance(outcome, Exited | Signaled)  # what it may signal is itself
    assert isinstance(pool.run(forked("true")), Exited)


def test_what_it_does_to_its_limits_concerns_nobody_else(pool: Pool, forked: MakeJob) -> None:
    for _ in range(2):
        outcome = pool.run(
            forked("prlimit --pid 1 --nofile=3 --nproc=1; prlimit --nofile=3; echo 1000 > /proc/1/oom_score_adj; true")
        )
        assert isinstance(outcome, Exited)
        assert outcome.effects.result.data == b"hello"
