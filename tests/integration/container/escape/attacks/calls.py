"""Makes the system calls that a filter is to refuse; says what the kernel answered to each."""

import ctypes
import errno
import fcntl
import os
import socket
import struct

from base import call, libc, tried

CLONE_NEWUSER = 0x10000000
SIGCHLD = 17


def say(name: str, result: int) -> None:
    print(name, errno.errorcode.get(-result, result), flush=True)


def wrapped(result: int) -> int:
    return -ctypes.get_errno() if result < 0 else result


for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, CLONE_NEWUSER, 0x20000000, 0x40000000, 0x80):
    say(f"unshare {flag:#x}", wrapped(libc.unshare(flag)))
child = call("clone", CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)
if child == 0:
    os._exit(0)
say("clone", child)
own = os.open("/proc/self/ns/uts", os.O_RDONLY)
say("setns", wrapped(libc.setns(own, 0)))
say("mount", wrapped(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)))
say("umount2", wrapped(libc.umount2(b"/tmp", 2)))
say("pivot_root", wrapped(libc.pivot_root(b"/tmp", b"/tmp")))
say("fsopen", call("fsopen", b"tmpfs", 0))
say("open_tree", call("open_tree", -100, b"/", 1))
say("move_mount", call("move_mount", -1, b"", -1, b"", 0))
say("mount_setattr", call("mount_setattr", -1, b"", 0, 0, 0))
say("add_key", call("add_key", b"user", b"maelstrom", b"x", 1, -2))
say("request_key", call("request_key", b"user", b"maelstrom", 0, 0))
say("keyctl", call("keyctl", 0, -3, 0))
say("bpf", call("bpf", 0, 0, 0))
say("perf_event_open", call("perf_event_open", 0, 0, -1, -1, 0))
say("userfaultfd", call("userfaultfd", 1))
say("io_uring_setup", call("io_uring_setup", 1, bytes(120)))
say("kexec_load", call("kexec_load", 0, 0, 0, 0))
say("init_module", wrapped(libc.init_module(b"", 0, b"")))
say("open_by_handle_at", wrapped(libc.open_by_handle_at(-100, bytes(16), 0)))
say("personality", wrapped(libc.personality(0x0400000)))
master, slave = os.openpty()
for name, request in (("TIOCSTI", 0x5412), ("TIOCLINUX", 0x541C)):
    try:
        say(name, fcntl.ioctl(slave, request, b"x"))
    except OSError as error:
        say(name, -(error.errno or 0))
for name, family in (("AF_ALG", 38), ("AF_VSOCK", 40)):
    try:
        socket.socket(family, socket.SOCK_STREAM if family == 40 else socket.SOCK_SEQPACKET).close()
        say(name, 0)
    except OSError as error:
        say(name, -(error.errno or 0))
arguments = struct.pack("=QQQQQQQQ", CLONE_NEWUSER, 0, 0, 0, SIGCHLD, 0, 0, 0)
child = call("clone3", arguments, len(arguments))
if child == 0:
    os._exit(0)
say("clone3", child)
tried()
