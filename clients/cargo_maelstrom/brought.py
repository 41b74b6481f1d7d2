"""Coverage of tests on a cluster: a shell in front of each program has its profiles come with its result. Pure.

In the container the processes of a binary share a file, as on this machine. When all is over the files go into the
channel of results, one after the other, which is a form that LLVM reads; what libtest has logged there stands before.
"""

from __future__ import annotations

import msgspec

from maelstrom_core.job import Exited, Outcome, Output, Signaled, effects_of
from maelstrom_core.spec import JobSpec

PLACE = "/tmp/.maelstrom-coverage"  # noqa: S108 - the job's own
SCRIPT = f'"$0" "$@"; code=$?; cat {PLACE}/*.profraw >&3 2>/dev/null; exit "$code"'
MAGIC = b"\x81rforpl\xff"
"""A profile begins so, on machines of 64 bits that store the lowest byte first."""
KILLED = 128
"""What a shell adds to the number of a signal."""
LAST_SIGNAL = 64


def bringing(spec: JobSpec) -> JobSpec:
    """Return a job that brings the profiles of its processes."""
    return msgspec.structs.replace(spec, program="/bin/sh", arguments=("-c", SCRIPT, spec.program, *spec.arguments))


def split(outcome: Outcome) -> tuple[Outcome, bytes]:
    """Return the outcome of the program itself, and the profiles; none where they have not come whole."""
    effects = effects_of(outcome)
    if effects is None:
        return outcome, b""
    log, magic, profiles = effects.result.data.partition(MAGIC)
    own = msgspec.structs.replace(effects, result=Output(log))
    if isinstance(outcome, Exited) and KILLED < outcome.code <= KILLED + LAST_SIGNAL:
        outcome = Signaled(outcome.code - KILLED, own)
    else:
        outcome = msgspec.structs.replace(outcome, effects=own)
    return outcome, b"" if effects.result.lost else magic + profiles
