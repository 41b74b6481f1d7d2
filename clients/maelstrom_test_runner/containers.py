"""The container of tests: the built-in one, changed by what the project's file says of it.

What tests cannot run without is always there: the interpreter or the binary, the requirements of an image, the
project's files. What is said goes on top of that, or replaces the rest: `layers` what is shown of this machine,
`environment` the caller's, `mounts` the usual ones; `added_layers` lie above all others. docs/decisions/directives.md
has the reasons. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from maelstrom_container.host import HOST_DIRECTORIES
from maelstrom_core.collapse import Resolved, resolve
from maelstrom_core.spec import (
    ContainerSpec,
    EnvironmentElement,
    HostLayer,
    Layer,
    Network,
    Reference,
    SysMount,
    Use,
)

T = TypeVar("T")

OF_IMAGES = frozenset({Use.LAYERS, Use.ENVIRONMENT, Use.USER})
"""What tests can use of an image: they are where pytest was called, not where its programs begin."""
USUAL_PATH = "/usr/local/bin:/usr/bin:/bin"
SYSTEM = tuple(name for name in HOST_DIRECTORIES if name != "/etc")
"""What a minimal container shows of this machine: what is installed, and not how it is configured."""


def complete(
    default: ContainerSpec, needed: tuple[Layer, ...], said: ContainerSpec, named: Mapping[str, ContainerSpec]
) -> ContainerSpec:
    """Return the container of which this is said; `default` is the built-in one, `needed` are the last of its layers.

    Raises SpecError: a parent is unknown or its own ancestor.
    """
    resolved = resolve(msgspec.structs.replace(said, added_layers=UNSET), named)
    image = _image(default, said, resolved)
    network = _either(resolved.network, default.network)
    own = _given(default.layers) + _given(default.added_layers)
    below = () if Use.LAYERS in resolved.replaced else own[: len(own) - len(needed)]
    layers = (*below, *resolved.layers, *needed, *_given(said.added_layers))
    environment = _given(default.environment) + _given(default.added_environment)
    if Use.ENVIRONMENT in resolved.replaced and image is UNSET:
        environment = ()
    mounts = _given(default.mounts) if Use.MOUNTS not in resolved.replaced else ()
    if network is Network.LOCAL:  # the kernel mounts no sysfs beside the host's network
        mounts = tuple(mount for mount in mounts if not isinstance(mount, SysMount))
    return msgspec.structs.replace(
        default,
        image=image,
        layers=UNSET if image is not UNSET else layers,
        added_layers=UNSET if image is UNSET else layers,
        environment=UNSET if image is not UNSET else (*environment, *resolved.environment),
        added_environment=UNSET if image is UNSET else (*environment, *resolved.environment),
        mounts=(*mounts, *resolved.mounts),
        network=network,
        enable_writable_file_system=_either(resolved.enable_writable_file_system, default.enable_writable_file_system),
        user=_either(resolved.user, default.user),
        group=_either(resolved.group, default.group),
        seccomp=_either(resolved.seccomp, default.seccomp),
        limits=_either(resolved.limits, default.limits),
    )


def hermetic(
    default: ContainerSpec, needed: tuple[Layer, ...], *, programs: str | None, carried: Callable[[str], bool]
) -> ContainerSpec:
    """Return the minimal container instead of the built-in one; `programs` is a directory that goes first in PATH.

    Of this machine it has what tests need, and SYSTEM, where that finds its libraries; no network; a root that cannot
    be written to; and of the caller's environment what is `carried`: how tests are to run.
    """
    closed = msgspec.structs.replace(default, network=Network.DISABLED, enable_writable_file_system=False)
    if default.image is not UNSET:
        return closed
    kept = {
        name: value for element in _given(default.environment) for name, value in element.vars.items() if carried(name)
    }
    path = (USUAL_PATH if programs is None else f"{programs}:{USUAL_PATH}").replace("$", "$$")
    own = {"HOME": "/tmp", "LANG": "C.UTF-8", "PATH": path}  # noqa: S108 - the job's own, and the only writable place
    return msgspec.structs.replace(
        closed, layers=(HostLayer(SYSTEM), *needed), environment=(EnvironmentElement({**kept, **own}),)
    )


def below_image(
    default: ContainerSpec, kept: tuple[Layer, ...], said: ContainerSpec, named: Mapping[str, ContainerSpec]
) -> ContainerSpec:
    """Return the built-in container of this machine without what would lie over that of an image, where one is said.

    Of its layers only those stay that are `kept`. Raises SpecError.
    """
    image = resolve(said, named).image
    if image is None:
        return default
    return msgspec.structs.replace(
        default,
        layers=kept if Use.LAYERS in image.use else default.layers,
        environment=() if Use.ENVIRONMENT in image.use else default.environment,
    )


def beside_image(whole: ContainerSpec, variables: Mapping[str, str]) -> ContainerSpec:
    """Return a container with these variables beside those of its image, where it has any; HOME is the image's."""
    if not isinstance(whole.image, Reference) or Use.ENVIRONMENT not in whole.image.use:
        return whole
    elements = variables_element(variables), EnvironmentElement({"HOME": "$prev{HOME:-/root}"})
    return msgspec.structs.replace(whole, added_environment=(*elements, *_given(whole.added_environment)))


def variables_element(variables: Mapping[str, str]) -> EnvironmentElement:
    """Return variables as they are, without substitution."""
    return EnvironmentElement({name: value.replace("$", "$$") for name, value in variables.items()})


def image_name(said: ContainerSpec, named: Mapping[str, ContainerSpec], base: str | None) -> str | None:
    """Return the image of the container of which this is said; `base` is that of the built-in one. Raises SpecError."""
    if said.image is UNSET and said.parent is UNSET:
        return base
    image = resolve(said, named).image
    return None if image is None else image.name


def directory(said: ContainerSpec, named: Mapping[str, ContainerSpec]) -> str | None:
    """Return where tests are to find themselves, if anything is said of it. Raises SpecError."""
    found = resolve(said, named).working_directory
    return None if found is UNSET else found


def _image(default: ContainerSpec, said: ContainerSpec, resolved: Resolved) -> Reference | UnsetType:
    if said.image is UNSET and said.parent is UNSET:
        if default.image is UNSET:
            return UNSET
        return Reference(default.image.name, default.image.use - resolved.replaced)
    return UNSET if resolved.image is None else Reference(resolved.image.name, resolved.image.use & OF_IMAGES)


def _given(values: tuple[T, ...] | UnsetType) -> tuple[T, ...]:
    return () if values is UNSET else values


def _either(value: T | UnsetType, default: T | UnsetType) -> T | UnsetType:
    return default if value is UNSET else value
