"""Framed messages between a supervisor and one pool member, through shared memory.

One memfd holds two byte rings and three control words; it has no name, so nothing is left when both are gone. A message
is four bytes of length and its payload; one that is larger than the ring goes through it in pieces, each side waking
the other when there is something to read or room to write. Knows nothing of what is said.
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NewType, Protocol, cast

from maelstrom_worker import _ring  # type: ignore[attr-defined]


class Lib(Protocol):
    """The functions of ring.h; pointers are cffi's."""

    RING_HEAD: int

    def ring_format(self, ring: Any, capacity: int, /) -> None: ...
    def ring_write(self, ring: Any, capacity: int, data: Any, size: int, /) -> int: ...
    def ring_read(self, ring: Any, capacity: int, data: Any, size: int, /) -> int: ...
    def ring_put(self, ring: Any, capacity: int, data: Any, size: int, /) -> int: ...
    def ring_take(self, ring: Any, capacity: int, data: Any, limit: int, /) -> int: ...
    def ring_used(self, ring: Any, capacity: int, /) -> int: ...
    def word_store(self, word: Any, value: int, /) -> None: ...
    def word_load(self, word: Any, /) -> int: ...


lib = cast("Lib", _ring.lib)
ffi: Any = _ring.ffi

MemoryFd = NewType("MemoryFd", int)

CAPACITY = 1 << 20
"""Bytes of each ring; pages that were never used take no memory."""
CONTROL = 4096
HALF = lib.RING_HEAD + CAPACITY
MESSAGE_LIMIT = 1 << 30
HEADER = 4
BUFFER = 64 * 1024
"""Messages that are larger are read in pieces."""


class ProtocolError(Exception):
    """The other side wrote something that cannot be a message."""


def create_memory() -> MemoryFd:
    """Make the shared memory of one pair; raises OSError."""
    fd = os.memfd_create("maelstrom-ring", os.MFD_CLOEXEC)
    os.ftruncate(fd, CONTROL + 2 * HALF)
    return MemoryFd(fd)


class Ring:
    """One direction: bytes in, bytes out, as many as there is room for."""

    def __init__(self, base: Any) -> None:
        self.base = base

    def format(self) -> None:
        """Empty it; before the other side looks."""
        lib.ring_format(self.base, CAPACITY)

    def write(self, data: Any) -> int:
        """Write what fits; returns how many bytes that was."""
        return lib.ring_write(self.base, CAPACITY, ffi.from_buffer(data), len(data))

    def read(self, buffer: Any, size: int) -> int:
        """Read at most `size` bytes to a cffi buffer; returns how many there were."""
        return lib.ring_read(self.base, CAPACITY, buffer, size)


class Line:
    """One side's end: framed messages both ways, and the control words. Single-threaded."""

    def __init__(self, memory: MemoryFd, *, supervisor: bool) -> None:
        self._map = mmap.mmap(memory, CONTROL + 2 * HALF)
        base = ffi.from_buffer(self._map)
        first, second = Ring(base + CONTROL), Ring(base + CONTROL + HALF)
        self._out, self._in = (first, second) if supervisor else (second, first)
        if supervisor:
            self._out.format()
        self.word = ffi.cast("uint64_t *", base)
        self.hint = self.word + 1
        self._hinted = 0
        self._resting = self.word + 2
        self._unsent: deque[memoryview] = deque()
        self._buffer = ffi.new("char[]", BUFFER)
        self._received = bytearray()
        # Called for each job, which leaves the processor's caches cold: one call into C, none of Python in between.
        self._put = partial(lib.ring_put, self._out.base, CAPACITY)
        self._take = partial(lib.ring_take, self._in.base, CAPACITY, self._buffer, BUFFER)
        self.waiting: Callable[[], int] = partial(lib.ring_used, self._in.base, CAPACITY)
        """Returns how many bytes the other side has written that were not received yet."""

    def close(self) -> None:
        """Unmap the memory. The line must not be used afterwards."""
        self.word = self.hint = self._resting = None
        self._in = self._out = self._put = self._take = self.waiting = None  # type: ignore[assignment]
        # cffi holds an export of the map until its own object is collected, so the map closes itself

    @property
    def rings(self) -> tuple[Any, Any]:
        """The memory of the rings, in and out: for who reads and writes whole messages in C."""
        return self._in.base, self._out.base

    def set_word(self, value: int) -> None:
        """Set the control word, which the other side polls."""
        lib.word_store(self.word, value)

    def set_hint(self, value: int) -> None:
        """Set the other control word, where it was something else."""
        if value != self._hinted:
            self._hinted = value
            lib.word_store(self.hint, value)

    @property
    def resting(self) -> tuple[int, ...]:
        """Up to three small numbers: a member's descriptors of processes that it keeps, and that run nothing now."""
        packed = lib.word_load(self._resting)
        return tuple(number - 1 for shift in (0, 21, 42) if (number := packed >> shift & 0x1FFFFF))

    @resting.setter
    def resting(self, numbers: Sequence[int]) -> None:
        lib.word_store(self._resting, sum(number + 1 << 21 * place for place, number in enumerate(numbers)))

    def send(self, payload: bytes) -> bool:
        """Queue a message; returns whether all of it is in the ring already (else call `flush` later)."""
        if not self._unsent and self._put(payload, len(payload)):
            return True
        self._unsent.append(memoryview(len(payload).to_bytes(HEADER, "big") + payload))
        return self.flush()

    def flush(self) -> bool:
        """Move queued bytes to the ring; returns whether none are left."""
        while self._unsent:
            view = self._unsent[0]
            written = self._out.write(view)
            if written < len(view):
                self._unsent[0] = view[written:]
                return False
            self._unsent.popleft()
        return True

    def receive(self) -> list[bytes]:
        """Return the messages that are complete by now; raises ProtocolError."""
        messages: list[bytes] = []
        if not self._received:
            while (size := self._take()) > 0:
                messages.append(ffi.buffer(self._buffer, size)[:])
            if size == 0:
                return messages
        while size := self._in.read(self._buffer, len(self._buffer)):
            self._received += ffi.buffer(self._buffer, size)
            self._split(messages)
        return messages

    @property
    def partial(self) -> bool:
        """Whether the beginning of a message is here and its end is not."""
        return bool(self._received)

    def _split(self, messages: list[bytes]) -> None:
        received = self._received
        while len(received) >= HEADER:
            length = int.from_bytes(received[:HEADER], "big")
            if length > MESSAGE_LIMIT:
                raise ProtocolError(f"a message of {length} bytes")
            if len(received) < HEADER + length:
                return
            messages.append(bytes(received[HEADER : HEADER + length]))
            del received[: HEADER + length]
