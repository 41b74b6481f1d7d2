"""From decoded JSON or TOML to ContainerSpec and JobSpec, with the rules between their fields.

    parse_container   one container          parse_containers   a table of named ones
    parse_changes     changes of one
    parse_job         one job                parse_run_input    what a stream of jobs is made of

Pure: resolves no parents (`collapse`), evaluates no variables (`environment`), opens no files. Every error is a
SpecError that names the place in the document.
"""

from __future__ import annotations

import math
import posixpath
from typing import Any, NoReturn

import msgspec
from msgspec import UNSET, UnsetType

from maelstrom_core.document import check_texts, convert, expect_table, fail, join, type_name
from maelstrom_core.layer_parse import parse_layer
from maelstrom_core.spec import (
    VECTORS,
    ContainerSpec,
    Device,
    DevicesMount,
    EnvironmentElement,
    JobSpec,
    Layer,
    Limits,
    Mount,
    Network,
    Out,
    Reference,
    Seccomp,
    Strict,
    TmpMount,
    Use,
)

IMAGE_USES = frozenset({Use.LAYERS, Use.ENVIRONMENT, Use.WORKING_DIRECTORY})
"""What is used of an image unless it is said; a `user` can be asked for, too."""
POSSIBLE_IMAGE_USES = IMAGE_USES | {Use.USER}
PARENT_USES = frozenset(Use)
CONTAINER_FIELDS = frozenset(ContainerSpec.__struct_fields__)
"""The fields of a container, as they stand beside others in jobs and directives."""

_MAXIMUM_SIZE = 2**62
_MAXIMUM_SLOTS = 2**16
_MAXIMUM_MEMORY = 2**52
_MAXIMUM_LABELS = 16
_LONGEST_LABEL = 128
_SMALLEST_LIMITS = {"open_files": 16, "file_size": 0, "core_size": 0, "memory": 16 << 20}
"""With fewer open files no program starts; with less memory the start itself may be out of it."""
_LARGEST_LIMITS = {"cpu_weight": 10_000}
_MAXIMUM_ID = 2**32 - 2  # the largest id means "unchanged" to the kernel


class _RawReference(Strict, frozen=True):
    name: str
    use: frozenset[Use] | UnsetType = UNSET


class _RawElement(Strict, frozen=True):
    vars: Any
    extend: bool = True


class _RawContainer(Strict, frozen=True, kw_only=True):
    image: str | _RawReference | UnsetType = UNSET
    parent: str | _RawReference | UnsetType = UNSET
    layers: tuple[Any, ...] | UnsetType = UNSET
    added_layers: tuple[Any, ...] | UnsetType = UNSET
    environment: dict[str, Any] | tuple[_RawElement, ...] | UnsetType = UNSET
    added_environment: dict[str, Any] | tuple[_RawElement, ...] | UnsetType = UNSET
    working_directory: str | UnsetType = UNSET
    enable_writable_file_system: bool | UnsetType = UNSET
    mounts: tuple[Mount, ...] | UnsetType = UNSET
    added_mounts: tuple[Mount, ...] | UnsetType = UNSET
    network: Network | UnsetType = UNSET
    seccomp: Seccomp | UnsetType = UNSET
    user: int | UnsetType = UNSET
    group: int | UnsetType = UNSET
    limits: Limits | UnsetType = UNSET


class _RawJob(_RawContainer, frozen=True, kw_only=True):
    program: str
    arguments: tuple[str, ...] = ()
    timeout: float | None = None
    priority: int = 0
    slots: int = 1
    memory: int = 0
    labels: tuple[str, ...] = ()
    stdin: str = ""
    out: str | Out | None = None
    capture: str | None = None


_MOUNT_FIELDS = ("type", "mount_point", "local_path", "read_only", "devices", "size")
_NAMES = {
    "image": _RawReference.__struct_fields__,
    "parent": _RawReference.__struct_fields__,
    "environment": _RawElement.__struct_fields__,
    "added_environment": _RawElement.__struct_fields__,
    "mounts": _MOUNT_FIELDS,
    "added_mounts": _MOUNT_FIELDS,
    "type": ("bind", "devices", "devpts", "mqueue", "proc", "sys", "tmp"),
    "devices": tuple(device.value for device in Device),
    "limits": Limits.__struct_fields__,
    "out": Out.__struct_fields__,
    "network": tuple(network.value for network in Network),
    "seccomp": tuple(seccomp.value for seccomp in Seccomp),
    "use": tuple(use.value for use in Use),
}
_CONTAINER_NAMES = {**_NAMES, "": _RawContainer.__struct_fields__}
_JOB_NAMES = {**_NAMES, "": _RawJob.__struct_fields__}


def parse_container(value: object, place: str = "") -> ContainerSpec:
    """Return the container that a table describes."""
    check_texts(value, place)
    return _container(convert(expect_table(value, place), _RawContainer, place, _CONTAINER_NAMES), place)


def parse_changes(value: object, place: str = "") -> ContainerSpec:
    """Return what a table changes of a container: fields that it sets, and lists that it adds to, or both.

    There is neither `image` nor `parent` in it: with them it is a container of its own.
    """
    check_texts(value, place)
    raw = convert(expect_table(value, place), _RawContainer, place, _CONTAINER_NAMES)
    _check_scalars(raw, place)
    return _with_fields(raw, place)


def parse_containers(value: object, place: str = "containers") -> dict[str, ContainerSpec]:
    """Return the containers of a table, by name."""
    table = expect_table(value, place)
    return {name: parse_container(item, join(place, name)) for name, item in table.items()}


def parse_job(value: object, place: str = "", container: ContainerSpec | None = None) -> JobSpec:
    """Return the job that a table describes; the fields of its container stand beside its own, unless it is given."""
    check_texts(value, place)
    raw = convert(expect_table(value, place), _RawJob, place, _JOB_NAMES)
    if not raw.program:
        fail(join(place, "program"), "a program must be named")
    timeout = raw.timeout
    if timeout is not None and not (0 <= timeout < math.inf):
        fail(join(place, "timeout"), f"{timeout} is no number of seconds", hint="0 means no timeout")
    if not -128 <= raw.priority <= 127:
        fail(join(place, "priority"), f"{raw.priority} is out of range", hint="a priority lies in -128 to 127")
    if not 1 <= raw.slots <= _MAXIMUM_SLOTS:
        fail(join(place, "slots"), f"{raw.slots} is out of range", hint="a job takes one slot or more")
    check_requirements(raw.memory, raw.labels, place)
    out = Out(raw.out) if isinstance(raw.out, str) else raw.out
    if out is not None and not out.directory:
        fail(join(place, "out"), "a directory must be named")
    if raw.capture == "":
        fail(join(place, "capture"), "a file must be named")
    return JobSpec(
        container=_container(raw, place) if container is None else container,
        program=raw.program,
        arguments=raw.arguments,
        timeout=timeout or None,
        priority=raw.priority,
        slots=raw.slots,
        memory=raw.memory,
        labels=raw.labels,
        stdin=raw.stdin,
        out=out,
        capture=raw.capture,
    )


def check_requirements(memory: int, labels: tuple[str, ...], place: str) -> None:
    """Raise SpecError for what no worker can have."""
    if not 0 <= memory <= _MAXIMUM_MEMORY:
        fail(join(place, "memory"), f"{memory} is out of range", hint="it is a number of bytes")
    if len(labels) > _MAXIMUM_LABELS:
        fail(join(place, "labels"), f"a job requires at most {_MAXIMUM_LABELS} labels")
    for index, label in enumerate(labels):
        if not 0 < len(label) <= _LONGEST_LABEL or not label.isprintable() or " " in label:
            fail(join(place, f"labels[{index}]"), f"{label!r} is no label", hint="it is a word, such as gpu=yes")


def parse_run_input(value: object, place: str = "") -> JobSpec | dict[str, ContainerSpec]:
    """Return what one object of a stream of jobs is: a job, or containers for the jobs after it."""
    table = expect_table(value, place)
    if "containers" not in table:
        return parse_job(table, place)
    for field in table:
        if field in _RawJob.__struct_fields__:
            fail(
                place,
                "unknown field `containers`",
                hint=f"an object is either a job or containers; `{field}` belongs to a job",
            )
        if field != "containers":
            fail(place, f"unknown field `{field}`", hint="an object with `containers` has no other fields")
    return parse_containers(table["containers"], join(place, "containers"))


def _container(raw: _RawContainer, place: str) -> ContainerSpec:
    image = _reference(raw.image, IMAGE_USES, POSSIBLE_IMAGE_USES, join(place, "image"))
    parent = _reference(raw.parent, PARENT_USES, PARENT_USES, join(place, "parent"))
    if image is not None and parent is not None:
        fail(place, "`image` and `parent` exclude each other", hint="name the image in the parent container")
    origin = image or parent
    uses = _remaining_uses(raw, origin, place)
    reference = Reference(origin.name, uses) if origin is not None else UNSET
    _check_scalars(raw, place)
    return msgspec.structs.replace(
        _with_fields(raw, place),
        image=reference if image is not None else UNSET,
        parent=reference if parent is not None else UNSET,
    )


def _with_fields(raw: _RawContainer, place: str) -> ContainerSpec:
    """Return a container of all fields but `image` and `parent`."""
    return ContainerSpec(
        layers=_layers(raw.layers, join(place, "layers")),
        added_layers=_layers(raw.added_layers, join(place, "added_layers")),
        environment=_environment(raw.environment, join(place, "environment")),
        added_environment=_environment(raw.added_environment, join(place, "added_environment")),
        working_directory=raw.working_directory,
        enable_writable_file_system=raw.enable_writable_file_system,
        mounts=_mounts(raw.mounts, join(place, "mounts")),
        added_mounts=_mounts(raw.added_mounts, join(place, "added_mounts")),
        network=raw.network,
        seccomp=raw.seccomp,
        user=raw.user,
        group=raw.group,
        limits=raw.limits,
    )


class _Origin(Strict, frozen=True):
    """The image or parent of a container, before its own fields are taken into account."""

    kind: str
    name: str
    use: frozenset[Use]
    explicit: bool


def _reference(
    raw: str | _RawReference | UnsetType, default: frozenset[Use], possible: frozenset[Use], place: str
) -> _Origin | None:
    if raw is UNSET:
        return None
    kind = place.rpartition(".")[2]
    name = raw if isinstance(raw, str) else raw.name
    if not name:
        fail(place, f"the name of the {kind} is empty")
    if isinstance(raw, str) or raw.use is UNSET:
        return _Origin(kind, name, default, explicit=False)
    if excess := raw.use - possible:
        names = ", ".join(sorted(f"`{use.value}`" for use in excess))
        fail(join(place, "use"), f"an {kind} has no {names}", hint=f"possible are {_listed(possible)}")
    return _Origin(kind, name, raw.use, explicit=True)


def _remaining_uses(raw: _RawContainer, origin: _Origin | None, place: str) -> frozenset[Use]:
    """Return what is still used of `origin`: what the container sets itself is not.

    That a field and an explicit use of it contradict each other is an error, so is an `added_` field with
    nothing to add to; empty lists are treated as all others.
    """
    use = origin.use if origin is not None else frozenset()
    for item in Use:
        name = item.value
        added = f"added_{name}"
        has_added = item in VECTORS and getattr(raw, added) is not UNSET
        if getattr(raw, name) is UNSET:
            if has_added and item not in use:
                _reject_added(item, origin, join(place, added))
        elif has_added:
            fail(join(place, added), f"`{name}` and `{added}` exclude each other")
        elif item in use:
            if origin is not None and origin.explicit:
                instead = f", or write `{added}`" if item in VECTORS else ""
                fail(
                    join(place, name),
                    f"`{name}` is set here and used from {origin.kind} `{origin.name}`",
                    hint=f"take `{name}` out of `{origin.kind}.use`{instead}",
                )
            use -= {item}
    return use


def _reject_added(item: Use, origin: _Origin | None, place: str) -> NoReturn:
    name = item.value
    if origin is None:
        source = "parent" if item not in IMAGE_USES else "parent or image"
        fail(place, f"there is no {source} to add to", hint=f"write `{name}` instead")
    if origin.kind == "image" and item not in IMAGE_USES:
        fail(place, f"an image has no `{name}` to add to", hint=f"write `{name}` instead")
    fail(
        place,
        f"`{name}` of {origin.kind} `{origin.name}` is not used, so there is nothing to add to",
        hint=f"write `{name}` instead, or add it to `{origin.kind}.use`",
    )


def _check_scalars(raw: _RawContainer, place: str) -> None:
    for name, number in (("user", raw.user), ("group", raw.group)):
        if number is not UNSET and not 0 <= number <= _MAXIMUM_ID:
            fail(join(place, name), f"{number} is out of range", hint=f"an id lies in 0 to {_MAXIMUM_ID}")
    if raw.limits is not UNSET:
        check_limits(raw.limits, join(place, "limits"))
    directory = raw.working_directory
    if directory is not UNSET and not directory.startswith("/"):
        fail(join(place, "working_directory"), f"`{directory}` is not an absolute path")


def check_limits(limits: Limits, place: str) -> None:
    """Raise SpecError for a limit that is out of range."""
    for name in limits.__struct_fields__:
        number, least = getattr(limits, name), _SMALLEST_LIMITS.get(name, 1)
        most = _LARGEST_LIMITS.get(name, _MAXIMUM_SIZE)
        if number is not None and not least <= number <= most:
            fail(join(place, name), f"{number} is out of range", hint=f"it lies in {least} to {most}")


def _layers(raw: tuple[Any, ...] | UnsetType, place: str) -> tuple[Layer, ...] | UnsetType:
    if raw is UNSET:
        return UNSET
    return tuple(parse_layer(value, f"{place}[{index}]") for index, value in enumerate(raw))


def _environment(
    raw: dict[str, Any] | tuple[_RawElement, ...] | UnsetType, place: str
) -> tuple[EnvironmentElement, ...] | UnsetType:
    if raw is UNSET:
        return UNSET
    if isinstance(raw, dict):
        return (EnvironmentElement(_variables(raw, place)),)
    return tuple(
        EnvironmentElement(_variables(element.vars, f"{place}[{index}].vars"), element.extend)
        for index, element in enumerate(raw)
    )


def _variables(value: object, place: str) -> dict[str, str]:
    variables: dict[str, str] = {}
    for name, text in expect_table(value, place).items():
        if not name or "=" in name:
            fail(place, f"`{name}` cannot be the name of an environment variable")
        if not isinstance(text, str):
            fail(join(place, name), f"expected a string, got {type_name(text)}")
        variables[name] = text
    return variables


def _mounts(raw: tuple[Mount, ...] | UnsetType, place: str) -> tuple[Mount, ...] | UnsetType:
    if raw is UNSET:
        return UNSET
    for index, mount in enumerate(raw):
        if isinstance(mount, DevicesMount):
            continue
        where = f"{place}[{index}].mount_point"
        if not mount.mount_point.startswith("/"):
            fail(where, f"`{mount.mount_point}` is not an absolute path")
        if not posixpath.normpath(mount.mount_point).strip("/"):
            fail(where, "nothing can be mounted on `/`", hint="the root is made of layers")
        if isinstance(mount, TmpMount) and mount.size is not None and not 0 < mount.size <= _MAXIMUM_SIZE:
            fail(f"{place}[{index}].size", f"{mount.size} is out of range", hint=f"bytes, from 1 to {_MAXIMUM_SIZE}")
    return raw


def _listed(uses: frozenset[Use]) -> str:
    return ", ".join(use.value for use in Use if use in uses)
