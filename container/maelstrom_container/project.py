"""Showing a project's files at their own path: the `project` layer.

Without version control data, virtual environments and tool caches; ignored and generated files belong to it.
Nothing is copied. Imports the vocabulary and the host layer's helpers.
"""

from __future__ import annotations

import os
from pathlib import Path

from maelstrom_container.host import exposed_homes, exposes_home
from maelstrom_core.errors import SpecError
from maelstrom_core.job import HostTree
from maelstrom_core.spec import ProjectLayer

HIDDEN_NAMES = frozenset(
    {".git", ".hg", ".svn", ".bzr", ".jj", ".tox", ".nox", ".mypy_cache", ".ruff_cache", ".maelstrom-pytest"}
)
"""Hidden in the top two levels. pytest's own cache is not: it must behave as natively."""
_SHOWN_IN_HOME = frozenset(
    {".coveragerc", ".flake8", ".github", ".gitignore", ".pre-commit-config.yaml", ".pytest_cache", ".python-version"}
)
_ENVIRONMENT_MARK = "pyvenv.cfg"
_MAX_DIRECTORIES = 20_000


def realise_project(layer: ProjectLayer, project_directory: Path) -> HostTree:
    """Return the tree of a project; a relative path starts at the project directory.

    Raises SpecError if it is no directory, or so high up that it would show everything.
    """
    path = os.path.realpath(project_directory / layer.project)
    if not os.path.isdir(path):
        raise SpecError(f"the project {path} is not a directory")
    homes = exposed_homes()
    if exposes_home(path, homes) and path not in homes:
        raise SpecError(
            f"the project {path} holds home directories, which are not shown to jobs",
            hint="run in the directory of the project itself",
        )
    hidden = find_hidden(path)
    if path in homes:
        hidden |= {name for name in _listed(path) if name.startswith(".") and name not in _SHOWN_IN_HOME}
    return HostTree(path, path, tuple(sorted(hidden)))


def find_hidden(directory: str) -> set[str]:
    """Return what a project at `directory` hides, as paths relative to it, looking two levels deep."""
    hidden = set()
    for name in _listed(directory):
        child = os.path.join(directory, name)
        if _hides(child, name):
            hidden.add(name)
        elif not os.path.islink(child):
            hidden |= {f"{name}/{inner}" for inner in _listed(child) if _hides(os.path.join(child, inner), inner)}
    return hidden


def _hides(path: str, name: str) -> bool:
    if name not in HIDDEN_NAMES and not os.path.lexists(os.path.join(path, _ENVIRONMENT_MARK)):
        return False
    # a symlink shows nothing by itself, and an interpreter may be reached through it
    return not os.path.islink(path)


def _listed(directory: str) -> list[str]:
    """Return the names in a directory; none if it is no directory, unreadable, or data rather than a project."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return names if len(names) <= _MAX_DIRECTORIES else []
