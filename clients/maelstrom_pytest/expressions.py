"""Regular expressions that tests compile again and again: told by forks, compiled once, known in later runs.

See `guest/expressions.py`. They are compiled by a job that runs nothing of the project, so what a test says can only
be which expressions there are, and never what they mean. Files are per project and interpreter.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from maelstrom_core.job import Exited, Output
from maelstrom_core.spec import JobSpec
from maelstrom_core.whole_file import write_whole
from maelstrom_pytest import plan as planning
from maelstrom_pytest.plan import Plan
from maelstrom_pytest.records import Expressions

if TYPE_CHECKING:
    from maelstrom_pytest.session import Runner

TIMEOUT = 60.0
"""Seconds that compiling may take."""
WORTH = 0.5
"""Seconds that must have been spent on compiling what was compiled before, or nothing is done."""
SIZE_LIMIT = 8 * 1024 * 1024
"""Characters of all expressions that are compiled for a run."""
FILE_LIMIT = 48 * 1024 * 1024
"""Bytes that are added to; a file that is larger is replaced."""
PROJECTS_LIMIT = 32

COMPILE = """\
import sys
from importlib.machinery import SourceFileLoader as loader
code = loader("maelstrom_expressions", sys.argv[1] + "/expressions.py").get_code("maelstrom_expressions")
exec(code, {"__name__": "maelstrom_expressions"})
"""

Expression = tuple[str, bool, int]
"""Text, whether it is one of bytes (then in Latin-1), flags."""


class Learned:
    """The expressions that the tests of a run have compiled."""

    def __init__(self) -> None:
        self._found: dict[Expression, None] = {}
        self._size = 0
        self._jobs = 0
        self._seconds = 0.0

    def add(self, told: Expressions) -> None:
        """Take note of what a job has compiled."""
        self._jobs += 1
        self._seconds += told.seconds
        for expression in told.found:
            if expression not in self._found and self._size + len(expression[0]) <= SIZE_LIMIT:
                self._size += len(expression[0])
                self._found[expression] = None

    def request(self, known: Sequence[str]) -> bytes | None:
        """Return what the job that compiles them reads; None if it would not be worth it.

        `known` are files, as that job sees them, whose contents are to be kept.
        """
        if self._jobs < 2 or self._seconds < WORTH:
            return None
        return json.dumps({"known": known, "new": list(self._found)}).encode()


async def compile_learned(runner: Runner, plan: Plan, learned: Learned, store: Store) -> None:
    """Have expressions compiled for later runs, if that is worth it, by an interpreter that knows of no project."""
    request = learned.request(() if store.is_full() else planning.expression_files(plan))
    if request is None:
        return
    spec = JobSpec(
        container=planning.container(plan),
        program=plan.interpreter.executable,
        arguments=("-I", "-S", "-c", COMPILE, plan.mount_point),
        timeout=TIMEOUT,
        local=True,
    )
    outcome = await runner.submit(spec, stdin=request)
    if isinstance(outcome, Exited) and outcome.code == 0:
        store.keep(outcome.effects.result)


class Store:
    """The files of a project, in a directory that templates are shown. What goes wrong with it costs time only."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def files(self) -> tuple[str, ...]:
        """Return the names of the files there are."""
        try:
            return tuple(sorted(name for name in os.listdir(self.directory) if name.endswith(".bin")))
        except OSError:
            return ()

    def is_full(self) -> bool:
        """Tell whether there is so much that it is better to begin anew."""
        with contextlib.suppress(OSError):
            return sum((self.directory / name).stat().st_size for name in self.files()) > FILE_LIMIT
        return False

    def keep(self, written: Output) -> None:
        """Replace what there is by what a job has written."""
        data = written.data
        if not data or written.lost:
            return
        with contextlib.suppress(OSError):
            name = f"{blake3(data).hexdigest(16)}.bin"
            write_whole(self.directory / name, data)
            # also what a run left that was killed while it wrote; who writes just now loses that, and no more
            for other in set(os.listdir(self.directory)) - {name}:
                (self.directory / other).unlink()
            os.utime(self.directory)
            self._prune()

    def _prune(self) -> None:
        projects = sorted(self.directory.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for project in projects[PROJECTS_LIMIT:]:
            for file in project.iterdir():
                file.unlink()
            project.rmdir()
