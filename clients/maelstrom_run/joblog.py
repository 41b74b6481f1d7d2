"""The job log: one line for each job that is over, and what another run learns from them.

Texts in, texts out: `log_file` has the file. The form is a table, with tabs between the columns and their names in the
first line: one can look at it with `column`, sort it, or read it as data. May import the core only.
"""

from __future__ import annotations

import shlex
from array import array
from typing import NamedTuple

from maelstrom_core.job import Exited, Signaled
from maelstrom_run.present import visible
from maelstrom_run.task import Finished, Task, kind

COLUMNS = ("job", "start", "seconds", "outcome", "value", "attempts", "digest", "command")
HEADER = "\t".join(COLUMNS).encode() + b"\n"
"""The columns are the version of the form, too: whoever adds one makes a new one."""
LONGEST_COMMAND = 1000
LONGEST_LINE = 64 * 1024
LARGEST_GAP = 100_000
"""By so much a job's number may exceed the number of lines: more than are ever unfinished at once."""
ENDED = frozenset({"exited", "signaled", "timed-out", "execution-error"})
"""Outcomes that are the job's own; after any other it has to run again."""
FAILURE = 1


class Entry(NamedTuple):
    """A line. `code` is what the job contributes to the exit code of a run, None where it has to run again."""

    number: int
    digest: int
    code: int | None


def format_line(finished: Finished) -> bytes:
    """Return the line of a job that is over."""
    task, outcome, effects = finished.task, finished.outcome, finished.effects
    value = outcome.code if isinstance(outcome, Exited) else outcome.signal if isinstance(outcome, Signaled) else "-"
    start = finished.ended - effects.duration
    return (
        f"{task.number}\t{start:.3f}\t{effects.duration:.3f}\t{kind(outcome)}\t{value}\t{finished.attempts}\t"
        f"{task.digest:016x}\t{command_of(task)}\n"
    ).encode()


def command_of(task: Task) -> str:
    """Return a job's command for people to read, in one line."""
    return visible(shlex.join((task.spec.program, *task.spec.arguments)), LONGEST_COMMAND)


def parse_line(line: bytes) -> Entry:
    """Return what a line says; raises ValueError where it is none."""
    if not line.endswith(b"\n") or len(fields := line.split(b"\t")) != len(COLUMNS):
        raise ValueError("it has not the columns of a job log")
    number, outcome, value, digest = fields[0], fields[3].decode("ascii"), fields[4], fields[6]
    if not number.isdigit() or len(number) > 18 or not int(number):
        raise ValueError("its first column is no job's number")
    if len(digest) != 16:
        raise ValueError("its digest has not 16 digits")
    if outcome == "exited":
        code: int | None = int(value)
        if not 0 <= int(value) <= 255:
            raise ValueError("its exit code is none")
    else:
        code = FAILURE if outcome in ENDED else None
    return Entry(int(number), int(digest, 16), code)


class Known:
    """What a log says of each job: the last line counts. Takes ten bytes for each, as there may be millions."""

    def __init__(self) -> None:
        self.lines = 0
        self.last = 0
        """The largest number of a job."""
        self._digests = array("Q")
        self._codes = array("H")  # one more than the code; 0 where there is none

    def add(self, entry: Entry) -> None:
        """Take note of a line; raises ValueError for a number that no job can have."""
        self.lines += 1
        number = entry.number
        if number > self.lines + LARGEST_GAP:
            raise ValueError(f"there cannot be a job {number} so early")
        if (missing := number + 1 - len(self._digests)) > 0:
            self._digests.extend([0] * missing)
            self._codes.extend([0] * missing)
        self.last = max(self.last, number)
        self._digests[number] = entry.digest
        self._codes[number] = 0 if entry.code is None else entry.code + 1

    def agrees(self, task: Task) -> bool:
        """Tell whether it may have been this job that had its number."""
        return task.number > self.last or self._digests[task.number] in {0, task.digest}

    def code(self, task: Task) -> int | None:
        """Return the exit code with which a job has ended before, None where it has to run."""
        found = self._codes[task.number] if task.number <= self.last else 0
        return found - 1 if found else None

    def counts(self) -> tuple[int, int]:
        """Return how many jobs have ended, and how many of these failed."""
        ended = len(self._codes) - self._codes.count(0)
        return ended, ended - self._codes.count(1)
