"""Makes a template's memory cheap to fork: forks copy page tables, and each page that they write to.

Runs inside the container; see the package. Imports nothing but the standard library.
"""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

HUGE = 2 * 1024 * 1024
ADVISE_HUGE, COLLAPSE = 14, 25  # of madvise
# A process's pages, once joined, are its own: a stage that serves few tests shares those of its base instead.
WORTH_IT = 40  # forks
LARGEST = 256 * HUGE

# functions of `gc` that show, or depend on, what is frozen
SEEING = ("collect", "get_objects", "get_referrers", "get_stats", "get_freeze_count", "freeze", "unfreeze")


class Heap:
    """What is done to this process's memory."""

    def __init__(self) -> None:
        self.frozen = False
        self.originals: dict[str, Any] = {name: getattr(gc, name) for name in SEEING if hasattr(gc, name)}
        for name, function in self.originals.items():
            setattr(gc, name, self.thawing(name, function))

    def thawing(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that has the collector look at everything again before it is used.

        Freezing is to save pages, not to be noticed: garbage among what is frozen would never be found, and would not
        be shown. Whoever asks the collector gets an answer about the whole heap, and pays for it.
        """

        def call(*arguments: Any, **keywords: Any) -> Any:
            if self.frozen:
                self.frozen = False
                self.originals["unfreeze"]()
            return function(*arguments, **keywords)

        call.__name__ = call.__qualname__ = name
        call.__doc__ = function.__doc__
        call.__module__ = "gc"
        return call

    def leave_frozen(self) -> None:
        """Collect what the tests have made, no more: pytest collects at its end, several times."""
        self.frozen = False

    def settle(self, forks: int) -> None:
        """Leave no garbage to the forks, let their collector not look at what is here, and join pages to huge ones."""
        self.originals["collect"]()
        self.originals["freeze"]()
        self.frozen = True
        gc.disable()
        if forks >= WORTH_IT:
            join_pages()


def join_pages() -> None:
    """Have large pieces of memory lie on huge pages: to copy their page tables takes next to no time.

    Needs a function that the interpreter does not offer; what is imported for it is forgotten again.
    """
    before = set(sys.modules)
    try:
        import ctypes

        madvise = ctypes.CDLL(None, use_errno=True).madvise
        madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        for start, end in large_pieces():
            madvise(start, end - start, ADVISE_HUGE)
            madvise(start, end - start, COLLAPSE)  # Linux 6.1; before, the kernel does so in its own time
    except (ImportError, OSError, AttributeError):
        return
    finally:
        for name in set(sys.modules) - before:
            del sys.modules[name]


def large_pieces() -> Iterator[tuple[int, int]]:
    """Yield where private writable memory without a file spans huge pages."""
    total = 0
    with open("/proc/self/maps", encoding="ascii", errors="replace") as stream:
        lines = stream.readlines()
    for line in lines:
        fields = line.split()
        if fields[1] != "rw-p" or (len(fields) > 5 and fields[5] != "[heap]"):
            continue
        start, end = (int(number, 16) for number in fields[0].split("-"))
        start, end = -(-start // HUGE) * HUGE, end // HUGE * HUGE
        total += max(end - start, 0)
        if end > start and total <= LARGEST:
            yield start, end
