"""What is said of a job's limits, by every program. Pure; imports the vocabulary of jobs only."""

from __future__ import annotations

from maelstrom_core.job import Effects, Exited, Limited, Outcome, Signaled, TimedOut

_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def limited(outcome: Outcome) -> Limited | None:
    """Return what came of the limits of a job, None where it has none or never ran."""
    return outcome.effects.limited if isinstance(outcome, Exited | Signaled | TimedOut) else None


def out_of_memory(outcome: Outcome) -> str | None:
    """Say, to stand after "killed: ", that a job wanted more memory than it may use; None if it did not."""
    told = limited(outcome)
    if told is None or not told.out_of_memory or told.limits.memory is None:
        return None
    return f"it used more than its {exact_size(told.limits.memory)} of memory"


def describe_limits(effects: Effects) -> list[str]:
    """Return what is said of a job that had to do without something, and went on."""
    told = effects.limited
    if told is None or not told.refused_processes:
        return []
    times = "once" if told.refused_processes == 1 else f"{told.refused_processes} times"
    return [f"it wanted more than its {told.limits.processes} processes, and was refused them {times}"]


def why_lost(effects: Effects) -> str:
    """Say, to stand behind a number of bytes that were lost, why they were."""
    return f"({effects.rest_error})" if effects.rest_error is not None else "(see --output-limit)"


def exact_size(size: int) -> str:
    """Return a number of bytes for people, with the largest unit in which it is whole."""
    for factor, unit in _UNITS:
        if not size % factor:
            return f"{size // factor} {unit}"
    return f"{size} B"
