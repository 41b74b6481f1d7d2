"""Archives that jobs of this client are still to write, and the jobs whose layers they are: those wait.

Knows nothing of how jobs run: told when one begins and ends, it says who may go on. Pure.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from maelstrom_core.spec import Layer, TarLayer

Then = Callable[[str | None], object]
"""Told that all is there, or which archive was not written."""


class Archive:
    """One that a job is to write; several jobs may write the same file, one after the other."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.waiting: list[Callable[[bool], object]] = []


class Awaited:
    """The archives that are still to be written, by their paths."""

    def __init__(self, project: Path) -> None:
        """Paths that are relative start at `project`."""
        self._project = project
        self._archives: dict[str, list[Archive]] = {}

    def __bool__(self) -> bool:
        return bool(self._archives)

    def begin(self, path: str) -> Archive:
        """Take note that a job will write an archive."""
        archive = Archive(self._whole(path))
        self._archives.setdefault(archive.path, []).append(archive)
        return archive

    def end(self, archive: Archive, *, written: bool) -> None:
        """Take note that the job is over; whoever waits is told."""
        same = self._archives[archive.path]
        same.remove(archive)
        if not same:
            del self._archives[archive.path]
        for tell in archive.waiting:
            tell(written)

    def among(self, layers: Iterable[Layer]) -> list[Archive]:
        """Return what is to be written before these layers can be made."""
        paths = {self._whole(layer.tar) for layer in layers if isinstance(layer, TarLayer)}
        return [archive for path in sorted(paths) for archive in self._archives.get(path, ())]

    def wait(self, archives: Iterable[Archive], then: Then) -> None:
        """Have `then` called once: when all are written, or the first is not."""
        left = {id(archive) for archive in archives}

        def tell(archive: Archive, written: bool) -> None:
            if not left:
                return
            left.discard(id(archive))
            if not written:
                left.clear()
            if not left:
                then(None if written else archive.path)

        for archive in archives:
            archive.waiting.append(lambda written, archive=archive: tell(archive, written))  # type: ignore[misc]

    def _whole(self, path: str) -> str:
        return os.path.normpath(self._project / path)
