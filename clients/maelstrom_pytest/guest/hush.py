"""Has a pytest print nothing of its own: what there is to see then are the words of its tests, line by line.

Runs inside the container; see the package. Imports nothing but the standard library.
"""

from __future__ import annotations

import io
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Nowhere(io.StringIO):
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        """Forget a text."""
        return len(text)


def hush(config: Any) -> None:
    """Take the terminal from pytest's own reporter, and send each line of what tests print when it is complete."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    writer = getattr(reporter, "_tw", None)
    if writer is not None:
        writer._file = Nowhere()
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)
