"""What cargo says on its error output while it builds: how far it is, and what people should read. Pure."""

from __future__ import annotations

import re

from maelstrom_test_runner.lines import plain
from maelstrom_test_runner.native import Found

PROGRESS = re.compile(
    r"^ *(Adding|Blocking|Building|Checking|Compiling|Downloaded|Downloading|Executable|Finished|Fresh|Locking|Removing"
    r"|Running|Updating|Unpacking|Dirty)\b.*"
)
ENDED = frozenset({"Finished", "Executable", "Running", "Fresh"})


class Words:
    """Tells lines of progress from diagnostics; the lines of one diagnostic are passed on together."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._block: list[str] = []

    def take(self, line: str) -> None:
        """Take a line."""
        progress = PROGRESS.match(plain(line))
        if progress is not None:
            self.finish()
            if progress[1] not in ENDED:
                self._found.busy(plain(line).strip().partition(" (/")[0])
        elif line.strip():
            self._block.append(line)
        else:
            self.finish()

    def finish(self) -> None:
        """Pass on what has come."""
        if self._block:
            self._found.message("\n".join(self._block))
            self._block.clear()
