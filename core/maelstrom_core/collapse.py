"""Resolves the parents of a container into one flat container.

Pure. From the container upwards, a *mask* says what is still wanted: each reference narrows it to its `use`, each
field that is set is wanted no more, and the walk ends when nothing is wanted, so that a parent that contributes
nothing is not even looked up. May import `errors`, `spec`, `suggest`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from maelstrom_core.errors import SpecError
from maelstrom_core.spec import (
    VECTORS,
    BindMount,
    ContainerSpec,
    EnvironmentElement,
    Layer,
    Limits,
    Mount,
    Network,
    Reference,
    Seccomp,
    SysMount,
    Use,
)
from maelstrom_core.suggest import nearest

T = TypeVar("T")

_IMAGE_USES = frozenset({Use.LAYERS, Use.ENVIRONMENT, Use.WORKING_DIRECTORY, Use.USER})


class FlatContainer(msgspec.Struct, frozen=True):
    """A container that depends on no other but an image. Layers from the bottom up, above its; mounts in their order.

    What is used of the image goes before the field of the same name; its environment is what the elements change.
    """

    layers: tuple[Layer, ...]
    image: Reference | None = None
    environment: tuple[EnvironmentElement, ...] = ()
    working_directory: str = "/"
    writable: bool = False
    mounts: tuple[Mount, ...] = ()
    network: Network = Network.DISABLED
    user: int = 0
    group: int = 0
    limits: Limits = Limits()
    seccomp: Seccomp = Seccomp.DEFAULT


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """A container and all its parents in one; what none of them sets is UNSET.

    `image` is what is still used of the image at the end of the chain, None if nothing is.
    """

    image: Reference | None
    replaced: frozenset[Use]
    """Of `layers`, `environment` and `mounts` those that one of them sets, and does not just add to."""
    layers: tuple[Layer, ...]
    environment: tuple[EnvironmentElement, ...]
    mounts: tuple[Mount, ...]
    working_directory: str | UnsetType
    enable_writable_file_system: bool | UnsetType
    network: Network | UnsetType
    seccomp: Seccomp | UnsetType
    user: int | UnsetType
    group: int | UnsetType
    limits: Limits | UnsetType


def collapse(spec: ContainerSpec, containers: Mapping[str, ContainerSpec]) -> FlatContainer:
    """Return `spec` with its parents, found in `containers` by name, resolved, defaults filled in, and checked.

    Raises SpecError: a parent is unknown or its own ancestor, there is no layer, or there are mounts that the network
    excludes.
    """
    resolved = resolve(spec, containers)
    image = resolved.image
    if not resolved.layers and (image is None or Use.LAYERS not in image.use):
        raise SpecError(
            "the container has no layers",
            hint="give at least one in `layers`, or use those of a parent or an image",
        )
    if image is not None and Use.USER in image.use and resolved.group is UNSET:
        image = Reference(image.name, image.use | {Use.GROUP})  # an image names both in one text
    flat = FlatContainer(
        layers=resolved.layers,
        image=image,
        environment=resolved.environment,
        working_directory=_or_default(resolved.working_directory, "/"),
        writable=_or_default(resolved.enable_writable_file_system, False),
        mounts=resolved.mounts,
        network=_or_default(resolved.network, Network.DISABLED),
        user=_or_default(resolved.user, 0),
        group=_or_default(resolved.group, 0),
        limits=_or_default(resolved.limits, Limits()),
        seccomp=_or_default(resolved.seccomp, Seccomp.DEFAULT),
    )
    if flat.network is Network.LOCAL and any(isinstance(mount, SysMount) for mount in flat.mounts):
        raise SpecError(
            "a `sys` mount is not possible with the network `local`: the kernel refuses it",
            hint="leave out the mount, or use the network `loopback` or `disabled`",
        )
    return flat


def must_be_local(network: Network, mounts: Iterable[Mount], *, terminal: bool = False, captured: bool = False) -> bool:
    """Return whether a job can run on the client's machine only: it uses its network, its files or a terminal there.

    `captured` is whether something of what it writes is kept.
    """
    local = terminal or captured or network is Network.LOCAL
    return local or any(isinstance(mount, BindMount) for mount in mounts)


def resolve(spec: ContainerSpec, containers: Mapping[str, ContainerSpec]) -> Resolved:
    """Return `spec` with its parents resolved. Raises SpecError: a parent is unknown or its own ancestor."""
    visits, image = _walk(spec, containers)

    def wanting(use: Use) -> list[ContainerSpec]:
        return [visited for visited, mask in visits if use in mask]

    return Resolved(
        image=image,
        replaced=frozenset(
            use for use in VECTORS if any(getattr(item, use.value) is not UNSET for item in wanting(use))
        ),
        layers=_joined((item.layers, item.added_layers) for item in wanting(Use.LAYERS)),
        environment=_joined((item.environment, item.added_environment) for item in wanting(Use.ENVIRONMENT)),
        mounts=_joined((item.mounts, item.added_mounts) for item in wanting(Use.MOUNTS)),
        working_directory=_nearest(item.working_directory for item in wanting(Use.WORKING_DIRECTORY)),
        enable_writable_file_system=_nearest(
            item.enable_writable_file_system for item in wanting(Use.ENABLE_WRITABLE_FILE_SYSTEM)
        ),
        network=_nearest(item.network for item in wanting(Use.NETWORK)),
        seccomp=_nearest(item.seccomp for item in wanting(Use.SECCOMP)),
        user=_nearest(item.user for item in wanting(Use.USER)),
        group=_nearest(item.group for item in wanting(Use.GROUP)),
        limits=_nearest(item.limits for item in wanting(Use.LIMITS)),
    )


_Visits = list[tuple[ContainerSpec, frozenset[Use]]]


def _walk(spec: ContainerSpec, containers: Mapping[str, ContainerSpec]) -> tuple[_Visits, Reference | None]:
    """Return the container and its ancestors, nearest first, each with what is wanted of it; and the image."""
    visits: _Visits = []
    chain: list[str] = []
    mask = frozenset(Use)
    while True:
        visits.append((spec, mask))
        mask -= {use for use in mask if getattr(spec, use.value) is not UNSET}
        if spec.image is not UNSET:
            mask &= spec.image.use & _IMAGE_USES
            return visits, Reference(spec.image.name, mask) if mask else None
        if spec.parent is UNSET:
            return visits, None
        mask &= spec.parent.use
        if not mask:
            return visits, None
        name = spec.parent.name
        if name in chain:
            raise SpecError(
                f"container `{name}` is its own ancestor: {' -> '.join([*chain[chain.index(name) :], name])}",
                hint="take one `parent` of this chain away",
            )
        chain.append(name)
        if name not in containers:
            raise _unknown_parent(chain, containers)
        spec = containers[name]


def _unknown_parent(chain: list[str], containers: Mapping[str, ContainerSpec]) -> SpecError:
    name = chain[-1]
    through = f" (reached through {' -> '.join(chain[:-1])})" if len(chain) > 1 else ""
    best = nearest(name, containers)
    hint = f"did you mean `{best}`?" if best else "a container must be given before what refers to it is run"
    return SpecError(f"there is no container `{name}` to be a parent{through}", hint=hint)


def _joined(groups: Iterable[tuple[tuple[T, ...] | UnsetType, ...]]) -> tuple[T, ...]:
    """Return the elements of all containers, the farthest ancestor's first."""
    return tuple(item for group in reversed(list(groups)) for items in group if items is not UNSET for item in items)


def _nearest(values: Iterable[T | UnsetType]) -> T | UnsetType:
    return next((value for value in values if value is not UNSET), UNSET)


def _or_default(value: T | UnsetType, default: T) -> T:
    return default if value is UNSET else value
