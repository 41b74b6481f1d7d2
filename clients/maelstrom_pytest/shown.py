"""What tests see of the caller's files: the project as a whole, and what its command line and PYTHONPATH name.

Natively pytest sees everything. It looks for configuration and `conftest.py` above the directory it is called in, and
tests reach for files anywhere in their repository; so the project's root is shown, not just that directory. Reads the
file system, writes nothing. Must not import asyncio or the client.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from maelstrom_container.host import HOST_DIRECTORIES, exposed_homes, is_within
from maelstrom_core.spec import Layer
from maelstrom_test_runner.shown import Shown, ancestors, is_everybodys, repository_root

PROJECT_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "tox.ini", "maelstrom-pytest.toml")
# where pytest looks for its configuration, and what tells that a file holds some
CONFIGURATION = {
    "pytest.toml": "",
    ".pytest.toml": "",
    "pytest.ini": "",
    ".pytest.ini": "",
    "pyproject.toml": "[tool.pytest",
    "tox.ini": "[pytest]",
    "setup.cfg": "[tool:pytest]",
}
_MAX_CONFIGURATION = 1_000_000


def shown_layers(
    directory: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    homes: tuple[str, ...] | None = None,
    already: Sequence[str] = HOST_DIRECTORIES,
) -> tuple[Layer, ...]:
    """Return what to show for pytest called in `directory` with these arguments; what is in `already` is shown anyway.

    Raises SpecError where the directory itself is one that is never shown.
    """
    homes = exposed_homes() if homes is None else homes
    shown = Shown(directory, homes=homes, already=already)
    shown.show(str(find_root(directory, homes)), required=True)
    shown.show(str(directory), required=True)  # it may be in a part of the project that is hidden
    for named in _named_directories(directory, arguments):
        shown.show(str(find_root(named, homes)))
        shown.show(str(named))
    for entry in search_path(directory, environment):
        if os.path.isdir(entry):
            shown.show(str(entry))
    return shown.layers()


def find_root(directory: Path, homes: Iterable[str] | None = None) -> Path:
    """Return the root of the project that a directory belongs to; the directory itself if there is no telling.

    The nearest ancestor with version control data, else the topmost of consecutive ancestors with a project's files; or
    a directory further up, where pytest would find its configuration. Never a home directory, what is above one, or a
    directory that everybody may write to.
    """
    found = list(ancestors(directory, homes))
    root = _marked_root(found) or directory
    configured = next((each for each in found if _is_configured(each)), root)
    return configured if is_within(str(root), str(configured)) else root


def search_path(directory: Path, environment: Mapping[str, str]) -> list[Path]:
    """Return the entries of PYTHONPATH, absolute."""
    return [directory / entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]


def _marked_root(found: Sequence[Path]) -> Path | None:
    repository = repository_root(found)
    if repository is not None:
        return repository
    root = None
    for ancestor in found:
        if any(os.path.isfile(ancestor / mark) for mark in PROJECT_MARKS):
            root = ancestor
        elif root is not None:
            break
    return root


def _is_configured(directory: Path) -> bool:
    return any(_holds(directory / name, section) for name, section in CONFIGURATION.items())


def _holds(file: Path, section: str) -> bool:
    try:
        with file.open("rb") as stream:
            return section.encode() in stream.read(_MAX_CONFIGURATION)
    except OSError:
        return False


def _named_directories(directory: Path, arguments: Sequence[str]) -> Iterator[Path]:
    """Yield the directories of what exists of the paths in pytest's arguments: files, node ids, values of options."""
    for argument in arguments:
        option = argument.startswith("-")
        name = argument.partition("=")[2] if option else argument.partition("::")[0]
        path = os.path.normpath(directory / name)
        if not name or not os.path.exists(path):
            continue
        named = Path(path if os.path.isdir(path) else os.path.dirname(path))
        # what is to be collected is shown wherever it lies; the report of an earlier run in /tmp does not need it
        if not option or not is_everybodys(named):
            yield named
