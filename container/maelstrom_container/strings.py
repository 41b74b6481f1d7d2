"""Strings packed for C: program, arguments and environment of a launch."""

from __future__ import annotations

from typing import Any

from maelstrom_container.native import ffi


class Strings:
    """Strings packed for C, each closed by NUL. Kept, since one job's environment is nearly always that of the last."""

    def __init__(self) -> None:
        self._strings: tuple[str, ...] | None = None
        self._memory: Any = None

    def packed(self, strings: tuple[str, ...]) -> tuple[Any, int]:
        """Return the memory, good until the next call, and the number of strings.

        Raises ValueError where one holds a NUL itself.
        """
        if strings != self._strings:
            data = ("\0".join(strings) + "\0").encode("utf-8", "surrogateescape") if strings else b"\0"
            if data.count(b"\0") != max(1, len(strings)):
                raise ValueError("a string holds NUL")
            self._memory, self._strings = ffi.from_buffer(data), strings
        return self._memory, len(strings)


def candidates(program: str, environment: tuple[str, ...]) -> tuple[str, ...]:
    """Return the paths to try: as a shell would with the job's own PATH, then relative to the working directory."""
    if "/" in program:
        return (program,)
    path = next((entry[5:] for entry in environment if entry.startswith("PATH=")), "")
    return (*(f"{directory}/{program}" for directory in path.split(":") if directory), program)
