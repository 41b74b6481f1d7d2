"""The file of a job log: what it knows of earlier runs, and what it is told of this one. The form is `joblog`'s."""

from __future__ import annotations

from maelstrom_core.errors import SpecError, UserError
from maelstrom_core.job import Cancelled
from maelstrom_run.appended import AppendedFile
from maelstrom_run.joblog import HEADER, LONGEST_LINE, Known, command_of, format_line, parse_line
from maelstrom_run.progress import jobs
from maelstrom_run.task import Finished, Task

CHANGED = (
    "the jobs must be the same in the same order, in the same kind of container; there may be more; "
    "for others begin another job log"
)


class JobLog:
    """An open job log. With `resume` it says which jobs need not run; with `failed` those that failed do."""

    def __init__(self, path: str, *, resume: bool, failed: bool = False) -> None:
        """Open, lock and read it. Raises UserError where that is not possible, or the file is no job log."""
        self._path = path
        self._failed = failed
        self._known = Known()
        self._file = AppendedFile(path, "job log", resume=resume)
        self.torn = False
        """Whether its last line was not whole: a run, or the machine, was stopped while it was written."""
        try:
            self._begin()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def add(self, finished: Finished) -> None:
        """Note a job that is over; not one that was stopped. Raises InfrastructureError."""
        if not isinstance(finished.outcome, Cancelled):
            self._file.append(format_line(finished))

    def code(self, task: Task) -> int | None:
        """Return the exit code with which a job ended in an earlier run, None where it has to run.

        Raises SpecError where another job had this number.
        """
        if not self._known.agrees(task):
            raise SpecError(
                f"job {task.number} is not the one that the job log {self._path} has under this number: "
                f"there `{self._command(task.number)}`, here `{command_of(task)}`",
                hint=CHANGED,
            )
        code = self._known.code(task)
        return None if code and self._failed else code

    def check_end(self, number: int) -> None:
        """Raise SpecError where the run before had more jobs than this one's `number`."""
        if self._known.last > number:
            raise SpecError(
                f"this run has {jobs(number)}, but the one which the job log {self._path} is of has {self._known.last}",
                hint=CHANGED,
            )

    def _command(self, number: int) -> str:
        """Return the command that stands in the log for a job."""
        found = ""
        for line in self._file.lines(LONGEST_LINE):
            first, *_, last = line.decode(errors="replace").rstrip("\n").split("\t")
            if first == str(number):
                found = last
        return found

    def describe(self) -> list[str]:
        """Return what there is to say of the runs before: nothing if this is the first."""
        said = []
        if self.torn:
            said.append(f"the last line of {self._path} is not whole: its job runs again")
        ended, failed = self._known.counts()
        if ended:
            with_failures = f", of which {failed} failed" if failed else ""
            again = " and run again" if failed and self._failed else ""
            hint = " (--resume-failed runs them again)" if failed and not self._failed else ""
            said.append(f"{jobs(ended)} ended in earlier runs{with_failures}{again}{hint}")
        return said

    def _begin(self) -> None:
        if not self._file.plain:
            raise UserError(f"the job log {self._path} is no regular file")
        self.torn = self._file.mend() > 0
        if not self._read():
            self._file.append(HEADER)

    def _read(self) -> bool:
        """Take up what is there; return whether there is anything. Raises UserError."""
        place = 0
        for place, line in enumerate(self._file.lines(LONGEST_LINE), 1):
            try:
                if place == 1:
                    if line != HEADER:
                        raise ValueError("it is not the head of a job log of this version")  # noqa: TRY301
                else:
                    self._known.add(parse_line(line))
            except ValueError as error:
                raise UserError(f"failed to read the job log {self._path}: line {place}: {error}") from None
        return place > 0
