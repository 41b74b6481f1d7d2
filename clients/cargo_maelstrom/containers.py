"""The containers of tests: this machine, sealed, with the workspace, what was built of it, and the toolchain.

What cargo's own directory holds is shown but for the credentials in it. Reads the file system, writes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cargo_maelstrom.environment import Toolchain
from cargo_maelstrom.messages import TestBinary
from cargo_maelstrom.metadata import Package, Workspace
from maelstrom_client.sealed import sealed_container
from maelstrom_container.host import HOST_DIRECTORIES, is_within
from maelstrom_core.collapse import resolve
from maelstrom_core.spec import (
    BindMount,
    ContainerSpec,
    HostLayer,
    Layer,
    Limits,
    PathsLayer,
    Seccomp,
    SharedLibraryDependenciesLayer,
    Use,
)
from maelstrom_core.spec_parse import check_limits
from maelstrom_test_runner.containers import below_image, beside_image, complete, hermetic, variables_element
from maelstrom_test_runner.directives import Directives, Treatment, includes_shared_libraries
from maelstrom_test_runner.shown import Shown, ancestors, repository_root

CARRIED = frozenset({"CI", "LLVM_PROFILE_FILE", "NO_COLOR", "TERM", "TZ"})
CARRIED_PREFIXES = ("CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_", "RUST_", "RUSTUP_", "OUT_DIR", "LD_LIBRARY_PATH")
OF_CARGO = ("bin", "registry", "git")
"""Directories in cargo's own one that are shown."""
CONFIG_LIMIT = 1_000_000


class Containers:
    """Makes containers: one object for all tests that share one."""

    def __init__(
        self,
        workspace: Workspace,
        toolchain: Toolchain,
        directives: Directives,
        environment: Mapping[str, str],
        *,
        minimal: bool = False,
        seccomp: bool = True,
        memory: int = 0,
        profiles: str | None = None,
    ) -> None:
        """`minimal`: as --hermetic has it; to `profiles` all tests can write. Raises SpecError."""
        limits = Limits(memory=memory or None)
        check_limits(limits, "")
        self._limits = limits
        self._seccomp = Seccomp.DEFAULT if seccomp else Seccomp.OFF
        self._minimal = minimal
        self._mounts = (BindMount(profiles, profiles),) if profiles is not None else ()
        self._directives = directives
        self._environment = environment
        self._needed = project_layers(workspace)
        self._toolchain = toolchain_layers(toolchain)
        self._made: dict[tuple[int, str, bool], ContainerSpec] = {}

    def of_binary(self, said: Treatment, binary: TestBinary, variables: Mapping[str, str]) -> ContainerSpec:
        """Return the container of a binary's tests of which this is said; its variables are asked for once."""
        image = self._image_without_libraries(said, binary)
        key = id(said), binary.package.id + (binary.executable if image else ""), binary.kind in {"test", "bench"}
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._make(said, binary.package, variables, image)
        return found

    def of_package(self, said: Treatment, package: Package, variables: Mapping[str, str]) -> ContainerSpec:
        """Return the container in which cargo itself runs for a package."""
        return self._make(said, package, variables, ())

    def is_of_image(self, said: Treatment) -> bool:
        """Tell whether this says that a container is one of an image. Raises SpecError."""
        return resolve(said.container, self._directives.containers).image is not None

    def _make(
        self, said: Treatment, package: Package, variables: Mapping[str, str], libraries: tuple[Layer, ...]
    ) -> ContainerSpec:
        needed, named = (*self._needed, *libraries), self._directives.containers
        own = (*self._toolchain, *needed)
        environment = {**self._environment, **variables}
        default = sealed_container(Path(package.directory), layers=own, environ=environment)
        if self._minimal:
            default = hermetic(default, own, programs=None, carried=_is_carried)
        default = msgspec.structs.replace(default, seccomp=self._seccomp, limits=self._limits)
        whole = complete(below_image(default, own, said.container, named), needed, said.container, named)
        if said.container.parent is not msgspec.UNSET:  # which may replace the environment
            added = () if whole.added_environment is msgspec.UNSET else whole.added_environment
            whole = msgspec.structs.replace(whole, added_environment=(variables_element(variables), *added))
        carried = {name: value for name, value in environment.items() if _is_carried(name) or name in variables}
        whole = beside_image(whole, carried)
        assert isinstance(whole.mounts, tuple)  # noqa: S101 - for the type checker
        return msgspec.structs.replace(whole, mounts=(*whole.mounts, *self._mounts))

    def _image_without_libraries(self, said: Treatment, binary: TestBinary) -> tuple[Layer, ...]:
        """Return what a binary needs of this machine where its container is made of something else."""
        if said.container.image is msgspec.UNSET and said.container.parent is msgspec.UNSET:
            replaced = said.container.layers is not msgspec.UNSET
        else:
            resolved = resolve(said.container, self._directives.containers)
            replaced = Use.LAYERS in resolved.replaced or resolved.image is not None
        if not replaced or not includes_shared_libraries(said, self._directives.containers):
            return ()
        return (SharedLibraryDependenciesLayer((binary.executable,)),)


def project_layers(workspace: Workspace) -> tuple[Layer, ...]:
    """Return what is shown of the caller's own files. Raises SpecError for a workspace that would show everything."""
    root = Path(workspace.workspace_root)
    shown = Shown(root)
    shown.show(str(repository_root(ancestors(root)) or root), required=True)
    shown.show(str(root), required=True)
    for package in workspace.packages:
        shown.show(package.directory)
    if os.path.isdir(workspace.target_directory):
        shown.show(workspace.target_directory)
    return shown.layers()


def toolchain_layers(toolchain: Toolchain) -> tuple[Layer, ...]:
    """Return what is shown of the compiler, and of what cargo has downloaded."""
    directories = [f"{toolchain.cargo_home}/{name}" for name in OF_CARGO]
    directories += [toolchain.rustup_home] if toolchain.rustup_home is not None else [toolchain.sysroot]
    inside = [
        each
        for each in directories
        if os.path.isdir(each) and os.listdir(each) and not any(is_within(each, host) for host in HOST_DIRECTORIES)
    ]
    layers: list[Layer] = [HostLayer(tuple(inside))] if inside else []
    config = f"{toolchain.cargo_home}/config.toml"
    if _is_harmless(config):
        layers.append(PathsLayer((config,)))
    return tuple(layers)


def _is_harmless(config: str) -> bool:
    """Tell whether a file of cargo is there, and holds no secret."""
    try:
        with open(config, "rb") as file:
            return b"token" not in file.read(CONFIG_LIMIT)
    except OSError:
        return False


def _is_carried(name: str) -> bool:
    return name in CARRIED or name.startswith(CARRIED_PREFIXES)
