"""What attacks share. They run in a job, with the standard library only.

An attack prints a line for all that it got away with, and "tried" at its end: one that breaks off is no success.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {
    "x86_64": {
        "add_key": 248, "bpf": 321, "clone": 56, "io_uring_setup": 425, "kexec_load": 246, "keyctl": 250,
        "perf_event_open": 298, "request_key": 249, "userfaultfd": 323,
    },
    "aarch64": {
        "add_key": 217, "bpf": 280, "clone": 220, "io_uring_setup": 425, "kexec_load": 104, "keyctl": 219,
        "perf_event_open": 241, "request_key": 218, "userfaultfd": 282,
    },
}[os.uname().machine]  # fmt: skip
SINCE_ALL_ARE_THE_SAME = {
    "clone3": 435,
    "fsconfig": 431,
    "fsmount": 432,
    "fsopen": 430,
    "mount_setattr": 442,
    "move_mount": 429,
    "open_tree": 428,
}


def got(*what: object) -> None:
    """Say what was got away with."""
    print(*what, flush=True)


def call(name: str, *arguments: object) -> int:
    """Make a system call; returns its result, or -errno."""
    number = {**NUMBERS, **SINCE_ALL_ARE_THE_SAME}[name]
    result = int(libc.syscall(ctypes.c_long(number), *(as_long(argument) for argument in arguments)))
    return -ctypes.get_errno() if result < 0 else result


def as_long(argument: object) -> object:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def attempt(what: str, action: Callable[[], object]) -> None:
    """Do something that must not work."""
    try:
        result = action()
    except (OSError, ValueError):
        return
    got(what, result)


def tried() -> None:
    """Say that this is the end."""
    print("tried", flush=True)
