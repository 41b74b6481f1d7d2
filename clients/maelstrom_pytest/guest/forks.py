"""Forks of this process, each in a container of its own: the program's side of maelstrom's template library.

The library (template.so beside this file) forks through the C library's own `fork`; what CPython wants to be done
before and after that is done here, as `os.fork` does it.

Runs inside the container; see the package. Imports nothing but the standard library.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

KINDS = {1: "job", 2: "stage", 3: "runner"}


class Forks:
    """The template library; made once, by the program that becomes the first template."""

    def __init__(self, directory: str) -> None:
        known = set(sys.modules)
        import ctypes

        # PyDLL: the interpreter's lock is held, as os.fork does, so no other thread of Python's runs meanwhile
        self._library = library = ctypes.PyDLL(os.path.join(directory, "template.so"))
        library.template_receive.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        library.template_fork.argtypes = [ctypes.c_void_p]
        library.template_refuse.argtypes = [ctypes.c_char_p, ctypes.c_uint64]
        library.template_restartable.argtypes = [ctypes.c_long]
        library.template_point.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        library.template_point.restype = None
        libc = ctypes.CDLL(None)
        self._fork = ctypes.cast(libc.fork, ctypes.c_void_p)
        self._payload = ctypes.c_void_p()
        self._size = ctypes.c_uint64()
        self._arguments = (ctypes.byref(self._payload), ctypes.byref(self._size))
        self._string_at = ctypes.string_at
        self._before = ctypes.pythonapi.PyOS_BeforeFork
        self._after_in_parent = ctypes.pythonapi.PyOS_AfterFork_Parent
        self._after_in_child = ctypes.pythonapi.PyOS_AfterFork_Child
        for function in (self._before, self._after_in_parent, self._after_in_child):
            function.restype = None
        try:
            offset = ctypes.c_ssize_t.in_dll(libc, "__rseq_offset").value
            active = ctypes.c_uint.in_dll(libc, "__rseq_size").value
        except ValueError:  # another C library, or an older one
            active = 0
        if active:
            library.template_restartable(offset)
        for name in {"ctypes", "ctypes._endian", "_ctypes"} - known:  # a test may look whether its program imports them
            del sys.modules[name]
        self._take_arenas(ctypes)
        result = library.template_start()
        if result < 0:
            raise OSError(-result, os.strerror(-result))

    def _take_arenas(self, ctypes: Any) -> None:
        """Have the interpreter take the memory of its objects from one piece, which makes forks cheaper."""
        pointer = ctypes.c_void_p

        class Allocator(ctypes.Structure):  # type: ignore[misc]  # PyObjectArenaAllocator
            _fields_ = (("ctx", pointer), ("alloc", pointer), ("free", pointer))

        allocate = ctypes.cast(self._library.template_arena_alloc, pointer)
        free = ctypes.cast(self._library.template_arena_free, pointer)
        set_allocator = ctypes.pythonapi.PyObject_SetArenaAllocator
        set_allocator.restype = None
        set_allocator(ctypes.byref(Allocator(None, allocate, free)))

    @property
    def channel(self) -> int:
        """The descriptor of the result channel, in a job."""
        return int(self._library.template_channel())

    def ready(self) -> None:
        """Say that everything is loaded; what is printed from now on is lost."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._library.template_ready()

    def refuse(self, reason: str) -> NoReturn:
        """Say why this process must not be forked, and end it."""
        text = reason.encode("utf-8", "backslashreplace")
        self._library.template_refuse(text, len(text))
        os._exit(1)  # never reached

    def serve(self) -> tuple[str, bytes]:
        """Fork on request, for ever; returns in forks only: what they are to be, and the request."""
        library = self._library
        while True:
            kind = KINDS[library.template_receive(*self._arguments)]
            self._before()
            if library.template_fork(self._fork) != 0:
                self._after_in_parent()
                continue
            self._after_in_child()
            if kind != "runner":
                return kind, self._string_at(self._payload, self._size.value)

    def point(self) -> bytes:
        """Return the request of a job; where its process is put back and used again, return once more, with another.

        Everything that Python knows is put back, so it looks like the first time.
        """
        self._library.template_point(*self._arguments)
        return bytes(self._string_at(self._payload, self._size.value))

    def end(self, code: int) -> NoReturn:
        """End a job; what an interpreter does at its end has been done."""
        self._library.template_end(code)
        os._exit(code)  # never reached
