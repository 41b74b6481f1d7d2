"""Ends what we have started when we have died, also by kill -9: compilers would go on for minutes.

A signal at the death of its parent (PR_SET_PDEATHSIG) reaches one process only, and a build is many, of one process
group. So a shell waits beside them for the end of a pipe that nobody but us holds open.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

SCRIPT = 'read -r _ || kill -s KILL -- "-$1"'


class Guard:
    """Watches over a process group."""

    def __init__(self, group: int) -> None:
        """Begin. Without a shell, or where no process can be started, there is no guard."""
        self._process: subprocess.Popen[bytes] | None = None
        theirs, self._ours = os.pipe()
        try:
            with suppress(OSError):
                self._process = subprocess.Popen(
                    ["/bin/sh", "-c", SCRIPT, "sh", str(group)],
                    stdin=theirs,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    process_group=0,  # ^C is none of its business
                )
        finally:
            os.close(theirs)

    def release(self) -> None:
        """Watch no more: the group is over. Its number may be another's from now on."""
        if self._process is not None:
            with suppress(OSError):
                os.write(self._ours, b"\n")
            self._process.wait()
        os.close(self._ours)
