"""One job of many: what it is, how it is known again in another run, how it ended.

May import the core only.
"""

from __future__ import annotations

import msgspec

from maelstrom_core.job import Effects, Exited, Outcome, Signaled, SystemFailure, TimedOut
from maelstrom_core.spec import JobSpec

INPUT_VARIABLE = "MAELSTROM_INPUT"
NUMBER_VARIABLE = "MAELSTROM_JOB"
NOTHING = Effects()


class Task(msgspec.Struct, frozen=True):
    """A job with its number, from 1 in the order of the input; `input` is what `--map` made it of."""

    number: int
    spec: JobSpec
    digest: int = 0
    """What it is known by in a job log, 64 bits; 0 where nobody wants to know."""
    input: str | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that are the job's own."""
        if self.input is None:
            return ()
        return (f"{INPUT_VARIABLE}={self.input}", f"{NUMBER_VARIABLE}={self.number}")


class Finished(msgspec.Struct, frozen=True):
    """A task that is over; `ended` in seconds since 1970."""

    task: Task
    outcome: Outcome
    ended: float
    attempts: int = 1

    @property
    def success(self) -> bool:
        """Whether the job did what it was to do."""
        return isinstance(self.outcome, Exited) and self.outcome.code == 0

    @property
    def effects(self) -> Effects:
        """What the job left; nothing if it never ran."""
        return self.outcome.effects if isinstance(self.outcome, Exited | Signaled | TimedOut) else NOTHING


def kind(outcome: Outcome) -> str:
    """Return the word for how a job ended: `exited`, `signaled`, `timed-out`, `execution-error`, `system-error`..."""
    return str(outcome.__struct_config__.tag)


def may_be_retried(outcome: Outcome) -> bool:
    """Tell whether the next attempt could end otherwise: a specification that is wrong stays wrong."""
    if isinstance(outcome, Exited):
        return outcome.code != 0
    return isinstance(outcome, Signaled | TimedOut | SystemFailure)


def digest_of(*parts: bytes) -> int:
    """Return 64 bits, not all of them 0, that differ where one of the parts does."""
    from blake3 import blake3

    whole = blake3()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return int.from_bytes(whole.digest(length=8), "big") or 1
