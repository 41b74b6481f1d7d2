"""What tests see of the caller's files, as layers: whole projects at their own paths, and the links that lead there.

Reads the file system, writes nothing. Must not import asyncio or the client.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from maelstrom_container.host import HOST_DIRECTORIES, exposed_homes, exposes_home, resolve, shows
from maelstrom_container.project import realise_project
from maelstrom_core.job import HostTree
from maelstrom_core.spec import Layer, ProjectLayer, Symlink, SymlinksLayer

REPOSITORY_MARKS = (".git", ".hg")


class Shown:
    """Collects what is to be shown; what is in `already` is shown anyway. Relative paths start at `directory`."""

    def __init__(
        self, directory: Path, *, homes: tuple[str, ...] | None = None, already: Sequence[str] = HOST_DIRECTORIES
    ) -> None:
        self._directory = directory
        self._homes = exposed_homes() if homes is None else homes
        self._trees = [HostTree(each, each) for each in already]
        self._layers: list[Layer] = []
        self._links: dict[str, str] = {}

    def show(self, path: str, *, required: bool = False) -> None:
        """Show a directory, unless it is shown, or holds home directories.

        Raises SpecError where that one is `required`.
        """
        resolved = resolve(path)
        self._links.update(resolved.links)
        if any(shows(tree, resolved.path) for tree in self._trees):
            return
        # a directory that holds home directories is none of a project's: natively it would be searched, too
        if exposes_home(resolved.path, self._homes) and resolved.path not in self._homes and not required:
            return
        layer = ProjectLayer(resolved.path)
        self._trees.append(realise_project(layer, self._directory))
        self._layers.append(layer)

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers, and above them one of the symbolic links on the way."""
        missing = [
            Symlink(link, self._links[link])
            for link in sorted(self._links)
            if not any(shows(tree, link) for tree in self._trees)
        ]
        return (*self._layers, *((SymlinksLayer(tuple(missing)),) if missing else ()))


def ancestors(directory: Path, homes: Iterable[str] | None = None) -> Iterator[Path]:
    """Yield a directory and those above it that can belong to one project with it.

    Never a home directory, what is above one, or a directory that everybody may write to.
    """
    homes = exposed_homes() if homes is None else tuple(homes)
    for ancestor in (directory, *directory.parents):
        if exposes_home(str(ancestor), homes) or is_everybodys(ancestor):
            return
        yield ancestor


def repository_root(found: Iterable[Path]) -> Path | None:
    """Return the first of some directories that has version control data."""
    return next((each for each in found if any(os.path.exists(each / mark) for mark in REPOSITORY_MARKS)), None)


def is_everybodys(directory: Path) -> bool:
    """Tell whether it is one like /tmp: what lies around there belongs to no project."""
    try:
        return bool(directory.stat().st_mode & stat.S_ISVTX)
    except OSError:
        return False
