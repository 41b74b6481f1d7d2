"""The writable root that jobs of a prepared container share one after the other, as long as none of them writes to it.

Making overlays costs more than all else of a small job's mounts, and taking them down as much again; most jobs write to
/tmp at most, which is their own. So the root is made once, by the member, on top of the prepared container's bare
root; jobs get a copy of its mounts. Between two jobs its upper layers are looked at: is anything there, or was anything
changed, it goes, and the next job gets another. A container whose jobs keep writing to it goes without for a while:
each of them has a root of its own then, as if this did not exist.

Templates do the same for their forks (`steps.kept_steps`). Every function runs in the namespace of the container, at
its bare root.
"""

from __future__ import annotations

from contextlib import suppress

from maelstrom_container import syscalls
from maelstrom_container.native import ffi, lib
from maelstrom_container.steps import KEPT, CompiledSteps

TOP = "/.."
"""What is on top of our root: the parent of a root is that root, and whatever is mounted on it."""
SOON = 4
"""A root to which one of so many jobs writes is not worth while."""
LONGEST = 256
"""Jobs after which it is tried again at the latest."""
ANY_NUMBER = 1 << 30


class KeptRoot:
    """The root of one prepared container."""

    def __init__(self, make: CompiledSteps, steps: CompiledSteps, uppers: str) -> None:
        """`make` makes it, `steps` are those of a job that has it, and the upper layers are at `uppers`."""
        self.steps = steps
        self.native = ffi.new("struct kept *")
        self.there = False
        self._make = make
        self._uppers = uppers
        self._jobs = 0
        self._pause = 1
        self._waiting = 0

    def ready(self) -> bool:
        """Tell whether the next job can have it, which is as new then."""
        if self.there and not lib.kept_is_clean(self.native):
            self.remove()
        if self.there:
            self._jobs += 1
            return True
        if self._waiting > 0:
            self._waiting -= 1
            return False
        return self._try_make()

    def take_repeats(self) -> int:
        """Return how many jobs may follow before we are asked again; who finds it written to comes here in any case."""
        if self.there:
            return ANY_NUMBER
        repeats, self._waiting = self._waiting, 0
        return repeats

    def tidy(self) -> None:
        """Let go of what the last job has written."""
        if self.there and not lib.kept_is_clean(self.native):
            self.remove()

    def remove(self) -> None:
        """Take it away. Raises OSError."""
        self.there = False
        lib.kept_forget(self.native)
        syscalls.umount(TOP)
        syscalls.umount(self._uppers)
        if self._jobs > SOON:
            self._pause = 1
        else:
            self._waiting, self._pause = self._pause, min(LONGEST, 2 * self._pause)
        self._jobs = 0

    def close(self) -> None:
        """Let go of what we hold of it; the namespace has the rest."""
        lib.kept_forget(self.native)
        self.there = False

    def _try_make(self) -> bool:
        """Make it; where that cannot be, jobs make their own, and say what is wrong."""
        failed = lib.kept_make(self.native, self._make.array, len(self._make.steps))
        try:
            if failed < 0:
                syscalls.mount(KEPT, "/", flags=syscalls.MS_MOVE)
                self.there, self._jobs = True, 1
                return True
        except OSError:
            pass
        lib.kept_forget(self.native)
        for place in (KEPT, self._uppers):
            with suppress(OSError):
                syscalls.umount(place)
        self._waiting = LONGEST
        return False
