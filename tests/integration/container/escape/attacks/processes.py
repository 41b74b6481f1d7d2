"""Signals, traces and reads processes outside: their numbers on the host are the arguments."""

import ctypes
import os
import signal
import sys

from base import attempt, got, libc, tried

PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206


def read_memory(pid: int) -> int:
    local = ctypes.create_string_buffer(8)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(local), 8)
    return int(libc.process_vm_readv(pid, vector, 1, vector, 1, 0))


def write_memory(pid: int) -> int:
    local = ctypes.create_string_buffer(8)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(local), 8)
    return int(libc.process_vm_writev(pid, vector, 1, vector, 1, 0))


def inside(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


targets = [pid for pid in map(int, sys.argv[1:]) if not inside(pid)]
assert targets
for pid in targets:
    attempt(f"signal {pid}", lambda pid=pid: os.kill(pid, 0))
    attempt(f"signal group {pid}", lambda pid=pid: os.kill(-pid, 0))
    attempt(f"pidfd {pid}", lambda pid=pid: os.pidfd_open(pid))
    attempt(f"priority {pid}", lambda pid=pid: os.getpriority(os.PRIO_PROCESS, pid))
    attempt(f"session {pid}", lambda pid=pid: os.getsid(pid))
if os.getpid() != 1:
    targets.append(1)
    signal.pidfd_send_signal(os.pidfd_open(1), signal.SIGKILL)  # it is sent, and not heard
for pid in targets:
    for request in (PTRACE_ATTACH, PTRACE_SEIZE):
        if libc.ptrace(request, pid, 0, 0) == 0:
            got("traces", pid)
    if read_memory(pid) > 0:
        got("reads", pid)
    if write_memory(pid) > 0:
        got("writes", pid)
if os.getpid() != 1:
    for name in ("mem", "environ", "maps", "auxv", "root", "cwd"):
        attempt(f"opens {name}", lambda name=name: os.open(f"/proc/1/{name}", os.O_RDONLY))
others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) > 100]
if others:
    got("sees", others)
tried()
