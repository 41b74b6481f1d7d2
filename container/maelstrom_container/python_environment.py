"""Showing everything an interpreter needs at its own paths: the `python_environment` layer.

Its prefixes (of a virtual environment, and of what that is based on), directories that .pth files and editable
installs add, and all symlinks on the way to the executable. What HOST_DIRECTORIES show is left to a `host` layer.
A home directory is never shown as a whole, nor anything above it. Nothing is copied but single files on sys.path (zip
archives). Imports the vocabulary, the probe, and the helpers of host and project.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from maelstrom_container.build import CopiedLayer
from maelstrom_container.host import (
    HOST_DIRECTORIES,
    exposed_homes,
    exposes_home,
    is_within,
    links_layer,
    outermost,
    resolve,
    shows,
)
from maelstrom_container.project import find_hidden
from maelstrom_container.python_probe import PythonInfo, probe_python
from maelstrom_core.errors import SpecError
from maelstrom_core.job import HostTree, LayerDirectory, RealisedLayer
from maelstrom_core.spec import PathsLayer, PythonEnvironmentLayer


class Shown(msgspec.Struct, frozen=True):
    """What of this machine an interpreter needs: trees at their own paths, symlinks, and single files."""

    trees: tuple[HostTree, ...]
    links: dict[str, str]
    files: tuple[str, ...]


class _DirectoryInfo(msgspec.Struct):
    editable: bool = False


class _DirectUrl(msgspec.Struct):
    url: str
    dir_info: _DirectoryInfo | None = None


def realise_python_environment(
    layer: PythonEnvironmentLayer,
    copy: Callable[[CopiedLayer], LayerDirectory],
    project_directory: Path,
    cache_directory: Path,
) -> tuple[RealisedLayer, ...]:
    """Return what to stack for an interpreter; a relative path with a slash starts at the project directory.

    Raises what `probe_python` and `plan_environment` raise.
    """
    executable = layer.python_environment
    if "/" in executable:
        executable = os.path.join(project_directory, executable)
    shown = plan_environment(probe_python(executable, cache_directory=cache_directory), homes=exposed_homes())
    layers: list[RealisedLayer] = list(links_layer(shown.links, [tree.source for tree in shown.trees], copy))
    if shown.files:
        layers.append(copy(PathsLayer(paths=shown.files, follow_symlinks=True)))
    return (*layers, *shown.trees)


def plan_environment(
    info: PythonInfo, *, homes: tuple[str, ...], host_directories: tuple[str, ...] = HOST_DIRECTORIES
) -> Shown:
    """Decide what to show for an interpreter. Raises SpecError if it cannot work without showing a home directory."""
    links: dict[str, str] = {}
    trees: list[HostTree] = []
    files: list[str] = []
    hosted = [resolve(directory).path for directory in host_directories]

    def add(path: str, *, project: bool = False, optional: bool = False) -> None:
        resolved = resolve(path)
        if os.path.isfile(resolved.path):
            links.update(resolved.links)
            if not any(is_within(resolved.path, each) for each in hosted):
                files.append(resolved.path)
        elif os.path.isdir(resolved.path):
            if exposes_home(resolved.path, homes):
                if optional:
                    return
                raise _too_much(path, info)
            links.update(resolved.links)
            hidden = tuple(sorted(find_hidden(resolved.path))) if project else ()
            trees.append(HostTree(resolved.path, resolved.path, hidden))

    for prefix in dict.fromkeys((info.prefix, info.base_prefix, info.exec_prefix, info.base_exec_prefix)):
        if exposes_home(resolve(prefix).path, homes):
            for part in _parts(prefix, info):
                add(part)
        else:
            add(prefix)
    links.update(resolve(info.executable).links)
    for directory in (*info.site_packages, *([info.user_site] if info.user_site else [])):
        add(directory)
    for directory in _editable_projects(info):
        add(directory, project=True, optional=True)
    for path in (*info.path, *_module_directories(info)):
        if not any(shows(tree, resolve(path).path) for tree in trees):
            add(path, project=True)
    kept = [tree for tree in outermost(trees) if not any(is_within(tree.source, each) for each in hosted)]
    outside = {link: text for link, text in links.items() if not _hosted(link, hosted, host_directories)}
    loose = (file for file in dict.fromkeys(files) if not any(shows(tree, file) for tree in kept))
    return Shown(tuple(kept), outside, tuple(loose))


def _hosted(link: str, hosted: list[str], host_directories: tuple[str, ...]) -> bool:
    return link in host_directories or any(is_within(link, each) for each in hosted)


def _parts(prefix: str, info: PythonInfo) -> Iterator[str]:
    """Yield the parts of a prefix that is itself too much to show."""
    yield os.path.dirname(info.executable)
    yield os.path.dirname(info.real_executable)
    for directory in (info.stdlib, info.platstdlib, info.purelib, info.platlib):
        if is_within(directory, prefix):
            yield directory


def _editable_projects(info: PythonInfo) -> Iterator[str]:
    """Yield the directories that packages are installed from in editable form."""
    for text in info.direct_urls:
        try:
            direct = msgspec.json.decode(text, type=_DirectUrl)
        except msgspec.MsgspecError:
            continue
        url = urlsplit(direct.url)
        if direct.dir_info is not None and direct.dir_info.editable and url.scheme == "file":
            path = unquote(url.path)
            if path.startswith("/") and "\0" not in path:
                yield path


def _module_directories(info: PythonInfo) -> Iterator[str]:
    """Yield directories that hold what editable finders lead to: packages, or files of single modules."""
    for path in info.editable:
        if os.path.isdir(path):
            yield path
        elif os.path.isfile(path):
            yield os.path.dirname(path)


def _too_much(path: str, info: PythonInfo) -> SpecError:
    return SpecError(
        f"the Python environment of {info.executable} includes {path}, which holds a home directory or everything",
        hint="use an environment with directories of its own, and remove such paths from its .pth files",
    )
