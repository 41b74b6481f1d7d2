"""Programs of this machine that build and list tests, started with or without an event loop: `building` is for one.

Each has a process group of its own, so that ^C is ours, and is gone with all that it has started when nobody wants it.
Must not import asyncio: they work while that is imported.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from maelstrom_core.errors import UserError
from maelstrom_test_runner.guard import Guard


class Child:
    """A program with nothing on its input and a pipe for its output; to be closed at the end."""

    def __init__(
        self,
        command: Sequence[str],
        directory: str | os.PathLike[str],
        *,
        environment: Mapping[str, str] | None = None,
        errors: bool = True,
        guarded: bool = True,
    ) -> None:
        """Start it. Its environment is ours where there is none; without `errors` error output goes where ours goes.

        One that is `guarded` ends with us, also by kill -9. Raises UserError where it cannot be started.
        """
        try:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if errors else None,
                process_group=0,
            )
        except OSError as error:
            raise UserError(f"failed to start {command[0]}: {error.strerror}") from error
        self._guard = Guard(self.process.pid) if guarded else None

    def signal(self, number: int) -> bool:
        """Send a signal to it and what it has started; tell whether it still ran."""
        if self.process.poll() is not None:
            return False
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        return True

    def close(self) -> None:
        """Have it gone, if it still runs. More than once is fine."""
        if self.signal(signal.SIGKILL):
            self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.release()
