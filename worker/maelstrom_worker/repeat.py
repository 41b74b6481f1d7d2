"""The short way of a pool member as Python sees it: see repeat.h."""

from __future__ import annotations

import mmap
from typing import Any, Protocol, cast

from maelstrom_container.launcher import Launcher
from maelstrom_worker.ring import BUFFER, CAPACITY, Line, ffi
from maelstrom_worker.ring import lib as _lib


class Lib(Protocol):
    """The function and constants of repeat.h."""

    REPEAT_MESSAGE: int
    REPEAT_PIECES: int
    REPEAT_LANDED: int
    REPEAT_WRITTEN: int

    def repeat_serve(self, repeat: Any, /) -> int: ...


lib = cast("Lib", _lib)


class Repeater:
    """Runs what differs from the last request in its arguments and variables only; gives everything else to Python."""

    def __init__(self, line: Line, launcher: Launcher, *, own_bell: int, supervisor_bell: int) -> None:
        self._keep = line  # whose memory it uses
        self._launcher = launcher  # this one's, too
        self._repeat = repeat = ffi.new("struct repeat *")
        # of the kernel's, not cffi's, which writes zeros to all of it: most of it is never used
        self._memory = [mmap.mmap(-1, BUFFER, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(3)]
        repeat.message, repeat.last, repeat.strings = map(ffi.from_buffer, self._memory)
        repeat.limit = BUFFER
        ends = line.rings
        setattr(repeat, "in", ends[0])  # a word of Python
        repeat.out, repeat.capacity = ends[1], CAPACITY
        repeat.spare = line.hint
        repeat.own_bell, repeat.other_bell = own_bell, supervisor_bell
        launch, landing, *functions = (ffi.cast("void *", address) for address in launcher.pointers())
        repeat.launch, repeat.landing = launch, landing
        repeat.launch_function, repeat.rest_function, repeat.dismiss_function, repeat.clean_function = functions

    def serve(self, *, repeatable: bool) -> int:
        """Run and answer requests until Python is needed, and return what for; sleep while there are none.

        `repeatable` is whether the last message was a request whose launch may be repeated.
        """
        self._repeat.armed = repeatable
        self._repeat.sockets, no_sockets = self._launcher.watched_sockets
        self._no_sockets = [ffi.new("char[]", text) for text in no_sockets]
        self._repeat.no_sockets = self._no_sockets
        return lib.repeat_serve(self._repeat)

    @property
    def message(self) -> bytes:
        """The message that Python is to handle."""
        return cast("bytes", ffi.buffer(self._repeat.message, self._repeat.size)[:])

    @property
    def sequence(self) -> int:
        """The number of the request that was launched last."""
        return cast("int", self._repeat.sequence)
