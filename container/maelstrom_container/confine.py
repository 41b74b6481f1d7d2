"""The seccomp filter of a pool member, installed: see `seccomp` and docs/decisions/seccomp.md."""

from __future__ import annotations

import os

from maelstrom_container.native import ffi, lib
from maelstrom_container.seccomp import INSTRUCTION, member_filter


def confine() -> OSError | None:
    """Install the filter in this process for good; return why that is not possible, if so.

    Only the C launcher and `syscalls` know the pass, and make containers as before.
    """
    number = int.from_bytes(os.urandom(8))
    program = member_filter(number)
    result = lib.confine_launcher(ffi.from_buffer(program), len(program) // INSTRUCTION.size, number)
    return OSError(-result, os.strerror(-result)) if result < 0 else None
