"""Templates, seen from outside: what is asked of them and what they answer. The other end is template.c.

A template is a program in a container that loads once and then forks on request; docs/template-protocol.md describes
what is said. Imports no asyncio: this is used by small processes.
"""

from __future__ import annotations

import os
import socket
import struct
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import msgspec

from maelstrom_container import syscalls
from maelstrom_container.launcher import NAMESPACES
from maelstrom_container.outer import DEPTH
from maelstrom_container.prepare import CAP_SYS_ADMIN, Prepared, template_capabilities
from maelstrom_container.seccomp import INSTRUCTION
from maelstrom_container.steps import describe, fork_steps, kept_steps, limit_steps, pack_steps
from maelstrom_core.errors import SpecError
from maelstrom_core.spec import Network

VERSION = 2
STAGE, RUNNER = 2, 3
READY, REFUSED, STARTED, FAILED = 16, 17, 18, 20

HEAD = struct.Struct("=IIQQ")
PLAN = struct.Struct("=QQQIIII")
FAILURE = struct.Struct("=ii")
INLINE = 65536
"""A payload that is larger goes as a file: TEMPLATE_INLINE."""
ANSWER_LIMIT = HEAD.size + INLINE

CAP_SYS_PTRACE = 1 << 19
NETWORKS = {Network.DISABLED: 1, Network.LOOPBACK: 2}
"""What a runner gets: a network namespace of its own, and in it the loopback interface up."""


class Ready(msgspec.Struct, frozen=True):
    """The template has loaded."""


class Refused(msgspec.Struct, frozen=True):
    """The template must not be forked."""

    reason: str


class Failed(msgspec.Struct, frozen=True):
    """A fork could not be made: where (enum launch_phase, or the number of a step), and errno."""

    phase: int
    error: int


class Started(msgspec.Struct, frozen=True):
    """A stage has its first process; it will say more."""


Answer = Ready | Refused | Failed | Started


def library() -> Path:
    """Return the path of the library that programs load (template.c)."""
    folder = Path(__file__).parent
    return next(path for suffix in EXTENSION_SUFFIXES if (path := folder / f"_template{suffix}").exists())


def fork_plan(prepared: Prepared, *, memory: int, depth: int, stage: bool = False) -> bytes:
    """Return the plan for forks into copies of a container, `depth` forks away from its template: for jobs or a stage.

    Raises SpecError where there are too many forks in between.
    """
    if depth > DEPTH:
        raise SpecError(f"a template may have {DEPTH - 1} stages, not {depth - 1}")
    # The root of a fork can only be put on top of its template's: pivot_root wants it to be below. So it must not be
    # able to unmount; and one that could trace its first process could reach its template's memory, see template.c.
    layout = msgspec.structs.replace(prepared.layout, cover=True)
    capabilities = prepared.capabilities & ~(CAP_SYS_PTRACE | CAP_SYS_ADMIN)
    if stage:
        capabilities = template_capabilities(prepared)
    kept = [] if stage else kept_steps(layout, memory=memory, depth=depth)
    steps = [*kept, *fork_steps(layout, memory=memory, protect=prepared.protect, depth=depth, kept=not stage)]
    if not stage:
        steps += limit_steps(layout, forked=True)
    # A job that has capabilities may change what nobody looks at, unless all of the kernel's switches are read-only.
    keep = not stage and (capabilities == 0 or prepared.protect)
    program = b"" if stage else prepared.filters.fork
    length = len(program) // INSTRUCTION.size
    head = PLAN.pack(NAMESPACES, capabilities, length, len(steps), len(kept), NETWORKS[prepared.network], keep)
    maps = b"".join(_identity(line) + b"\0" for line in (prepared.uid_map, prepared.gid_map))
    return head + program + maps + pack_steps(steps)


def _identity(line: bytes) -> bytes:
    """Return the map of a user namespace below the one with this map, in which nobody changes."""
    inside = line.split()[0]
    return b"%s %s 1" % (inside, inside)


def send_request(control: socket.socket, kind: int, plan: bytes, payload: bytes, fds: list[int]) -> None:
    """Ask a template for a stage or a runner. Raises OSError where it is gone."""
    file = -1
    message = HEAD.pack(VERSION, kind, len(plan), len(payload)) + plan
    if len(payload) > INLINE:
        file = syscalls.memory_file(payload)
    else:
        message += payload
    try:
        socket.send_fds(control, [message], [*fds, file] if file >= 0 else fds)
    finally:
        if file >= 0:
            os.close(file)


def receive_answer(control: socket.socket) -> Answer | None:
    """Return what a template says; None where there is nothing yet. Raises EOFError where it is gone."""
    try:
        message, fds, _, _ = socket.recv_fds(control, ANSWER_LIMIT, 1)
    except BlockingIOError:
        return None
    except ConnectionError as error:
        raise EOFError from error
    for fd in fds:
        os.close(fd)
    if len(message) < HEAD.size:
        raise EOFError
    version, kind, _, size = HEAD.unpack_from(message)
    body = message[HEAD.size : HEAD.size + size]
    if version != VERSION:
        return Refused(f"it speaks version {version} of the protocol of templates, and this is version {VERSION}")
    if kind == READY:
        return Ready()
    if kind == STARTED:
        return Started()
    if kind == REFUSED:
        return Refused(body.decode(errors="replace"))
    if kind == FAILED and len(body) == FAILURE.size:
        return Failed(*FAILURE.unpack(body))
    return Refused(f"it says something that nobody understands (message {kind})")


def explain(failed: Failed, prepared: Prepared, *, memory: int, depth: int) -> str:
    """Say what went wrong with a fork, to stand after "failed to"."""
    steps = fork_steps(prepared.layout, memory=memory, protect=prepared.protect, depth=depth)
    steps += limit_steps(prepared.layout, forked=True)
    what = describe(steps[failed.phase]) if 0 <= failed.phase < len(steps) else "fork a template"
    return f"{what}: {os.strerror(failed.error)}"
