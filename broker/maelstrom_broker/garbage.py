"""When the garbage collector looks at everything: not while many jobs wait, of which it would look at each, in vain.

With 60,000 jobs a full collection costs what thousands of jobs cost, and Python would begin one ever again. What the
broker makes for jobs is in no circles; connections may be, and are collected while there is little else.
"""

from __future__ import annotations

import gc

JOBS = 10_000
"""With more unfinished ones nothing old is looked at."""
PAUSE = 60.0
"""Seconds between collections."""
_NEVER = 1 << 30


class Garbage:
    """The policy, from when it is made."""

    def __init__(self) -> None:
        self._last = 0.0
        gc.set_threshold(5000, 20, _NEVER)

    def tidy(self, jobs: int, now: float) -> None:
        """Collect everything, if there are few jobs and it was not done lately; to be called every few seconds."""
        if jobs <= JOBS and now - self._last >= PAUSE:
            self._last = now
            gc.collect()
