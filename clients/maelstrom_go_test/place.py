"""Where the tests of a project of Go run: the container that shows them what `go test` would.

By default this machine, sealed: with the repository of the module, the modules of its workspace, and go's own caches,
so that a test which calls `go` finds what it would find natively. The test binaries are mounted beside all that.
Must not import asyncio.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from maelstrom_client.sealed import sealed_container
from maelstrom_container.host import HOST_DIRECTORIES, is_within
from maelstrom_core.spec import (
    BindMount,
    ContainerSpec,
    EnvironmentElement,
    HostLayer,
    Layer,
    Limits,
    ProjectLayer,
    Reference,
    Seccomp,
)
from maelstrom_core.spec_parse import check_limits
from maelstrom_go_test.packages import Package
from maelstrom_test_runner import containers
from maelstrom_test_runner.directives import Treatment
from maelstrom_test_runner.shown import Shown, ancestors, repository_root

BINARIES = "/.maelstrom/go"
"""Where tests find their binaries."""
CARRIED = frozenset({"TZ", "TERM", "CI", "CGO_ENABLED", "CC", "CXX"})
CARRIED_PREFIXES = ("GO", "LC_")


class Installed(msgspec.Struct, frozen=True):
    """What `go env` says: directories of this machine, and the version."""

    GOROOT: str = ""
    GOMODCACHE: str = ""
    GOCACHE: str = ""
    GOVERSION: str = ""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What all containers of a run have in common."""

    root: str
    """The project's."""
    installed: Installed
    binaries: str
    """Directory of this machine."""
    environment: Mapping[str, str]
    """The caller's."""
    named: Mapping[str, ContainerSpec] = {}
    hermetic: bool = False
    seccomp: Seccomp = Seccomp.DEFAULT
    memory: int = 0


def find_root(directory: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of the workspace or module that a directory belongs to, itself where there is none."""
    work = environment.get("GOWORK", "")
    if work not in {"", "off"}:
        return Path(work).parent
    names = ["go.mod"] if work == "off" else ["go.work", "go.mod"]
    for name in names:
        for place in (directory, *directory.parents):
            if (place / name).is_file():
                return place
    return directory


def shown_layers(root: str, packages: Iterable[Package]) -> tuple[Layer, ...]:
    """Return what is shown of the project: its repository, and those of modules elsewhere.

    Raises SpecError where the project itself is one that is never shown.
    """
    modules = {package.Module.Dir for package in packages if package.Module is not None and package.Module.Dir}
    shown = Shown(Path(root))
    for place in (root, *sorted(modules - {root})):
        if any(is_within(place, each) for each in HOST_DIRECTORIES):
            continue
        shown.show(str(repository_root(ancestors(Path(place))) or place), required=place == root)
    return shown.layers()


def tool_layers(installed: Installed) -> tuple[Layer, ...]:
    """Return what is shown of go itself, as far as it is not where programs of this machine are anyway."""
    found = [
        place
        for place in (installed.GOROOT, installed.GOMODCACHE, installed.GOCACHE)
        if place.startswith("/")
        and os.path.isdir(place)
        and not any(is_within(place, each) for each in HOST_DIRECTORIES)
    ]
    return (HostLayer(tuple(found)),) if found else ()


class Places:
    """The containers of a run; jobs whose container is equal get one object."""

    def __init__(self, place: Place, packages: Iterable[Package]) -> None:
        self._place = place
        needed = (*tool_layers(place.installed), *shown_layers(place.root, packages))
        default = sealed_container(Path(place.root), layers=needed, environ=place.environment)
        if place.hermetic:
            programs = os.path.join(place.installed.GOROOT, "bin") if place.installed.GOROOT else None
            default = containers.hermetic(default, needed, programs=programs, carried=_carried)
        limits = Limits(memory=place.memory or None)
        check_limits(limits, "")
        self._default = msgspec.structs.replace(default, seccomp=place.seccomp, limits=limits)
        self._needed: tuple[Layer, ...] = needed
        self.projects = tuple(layer.project for layer in needed if isinstance(layer, ProjectLayer))
        """The directories that are shown as projects."""
        self._whole: dict[int, ContainerSpec] = {}
        self._known: dict[tuple[int, str], ContainerSpec] = {}

    def container(self, directory: str, said: Treatment) -> ContainerSpec:
        """Return the container of the tests in a directory of which directives say this. Raises SpecError."""
        key = id(said), directory
        found = self._known.get(key)
        if found is None:
            whole = self._whole.get(id(said))
            if whole is None:
                whole = self._whole[id(said)] = self._complete(said)
            place = containers.directory(said.container, self._place.named) or directory
            found = self._known[key] = _in_directory(whole, place)
        return found

    def _complete(self, said: Treatment) -> ContainerSpec:
        base = containers.below_image(self._default, self._needed, said.container, self._place.named)
        whole = containers.complete(base, self._needed, said.container, self._place.named)
        assert isinstance(whole.mounts, tuple)  # noqa: S101 - for the type checker
        binaries = BindMount(BINARIES, self._place.binaries, read_only=True)
        whole = msgspec.structs.replace(whole, mounts=(*whole.mounts, binaries))
        goroot = self._place.installed.GOROOT
        if isinstance(whole.image, Reference):
            carried = {name: value for name, value in self._place.environment.items() if _carried(name)}
            return containers.beside_image(whole, carried)
        if self._place.hermetic or not goroot:
            return whole
        # as go test has it: what tests call is the go that has built them
        path = f"{goroot}/bin".replace("$", "$$") + ":$prev{PATH:-/usr/local/bin:/usr/bin:/bin}"
        return _with_variables(whole, {"PATH": path})


def _in_directory(whole: ContainerSpec, directory: str) -> ContainerSpec:
    inside = _with_variables(whole, {"PWD": directory.replace("$", "$$")})
    return msgspec.structs.replace(inside, working_directory=directory)


def _with_variables(container: ContainerSpec, variables: dict[str, str]) -> ContainerSpec:
    """Return a container with more variables; of an image they come on top of its own."""
    element = EnvironmentElement(variables)
    if isinstance(container.environment, tuple):
        return msgspec.structs.replace(container, environment=(*container.environment, element))
    added = container.added_environment if isinstance(container.added_environment, tuple) else ()
    return msgspec.structs.replace(container, added_environment=(*added, element))


def _carried(name: str) -> bool:
    return name in CARRIED or name.startswith(CARRIED_PREFIXES)
