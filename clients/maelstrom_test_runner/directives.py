"""Directives: what a project's file says of the containers of its tests, of their time, and which are not run.

    [[directives]]
    filter = "markers.contains(database)"
    network = "local"
    timeout = 60

Each test gets what the directives say that mean it, one after the other. A directive with `image` or `parent` begins a
container of its own; what it leaves open, and what no directive says, is the runner's own business.

Pure. Reads decoded TOML; the file is `runner_file`'s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from maelstrom_core.collapse import resolve
from maelstrom_core.document import check_texts, convert, expect_table, fail, join
from maelstrom_core.spec import VECTORS, ContainerSpec, Reference, Strict, Use
from maelstrom_core.spec_parse import CONTAINER_FIELDS, check_requirements, parse_changes, parse_container
from maelstrom_core.suggest import hint
from maelstrom_test_runner.filter_parser import FilterError, parse
from maelstrom_test_runner.filters import Facts, Filter, Language, evaluate

MAXIMUM_SLOTS = 1000


class Directive(msgspec.Struct, frozen=True, kw_only=True):
    """One directive. What it does not say is UNSET."""

    filter: Filter | None = None
    """None: it means every test."""
    container: ContainerSpec = ContainerSpec()
    """With `image` or `parent` a container of its own, else changes."""
    timeout: float | UnsetType = UNSET
    """Seconds; 0 for none."""
    ignore: bool | UnsetType = UNSET
    include_shared_libraries: bool | UnsetType = UNSET
    slots: int | UnsetType = UNSET
    memory: int | UnsetType = UNSET
    labels: tuple[str, ...] | UnsetType = UNSET


class Treatment(msgspec.Struct, frozen=True, kw_only=True):
    """What all directives together say of a test."""

    container: ContainerSpec = ContainerSpec()
    """What they say of it; `added_` fields may stand beside those that they add to."""
    timeout: float | UnsetType = UNSET
    """Seconds; 0 for none, UNSET where no directive says anything."""
    ignore: bool = False
    include_shared_libraries: bool | UnsetType = UNSET
    slots: int = 1
    memory: int = 0
    labels: tuple[str, ...] = ()

    @property
    def requirements(self) -> dict[str, Any]:
        """What it wants of who runs it, as fields of a `JobSpec`."""
        return {"slots": self.slots, "memory": self.memory, "labels": self.labels}


class _RawDirective(Strict, frozen=True, kw_only=True):
    """The fields that are not the container's."""

    filter: str | UnsetType = UNSET
    timeout: float | UnsetType = UNSET
    ignore: bool | UnsetType = UNSET
    include_shared_libraries: bool | UnsetType = UNSET
    slots: int | UnsetType = UNSET
    memory: int | UnsetType = UNSET
    labels: tuple[str, ...] | UnsetType = UNSET


OWN_FIELDS = _RawDirective.__struct_fields__


def parse_directive(value: object, language: Language, place: str = "") -> Directive:
    """Return the directive that a table describes. Raises SpecError, or FilterError for its filter."""
    check_texts(value, place)
    table = expect_table(value, place)
    for name in table:
        if name not in CONTAINER_FIELDS and name not in OWN_FIELDS:
            known = (*OWN_FIELDS, *sorted(CONTAINER_FIELDS))
            fail(place, f"unknown field `{name}`", hint=hint(name, known))
    raw = convert({name: item for name, item in table.items() if name in OWN_FIELDS}, _RawDirective, place, {})
    if raw.timeout is not UNSET and not 0 <= raw.timeout < math.inf:
        fail(join(place, "timeout"), f"{raw.timeout} is no number of seconds", hint="0 means no timeout")
    if raw.slots is not UNSET and not 1 <= raw.slots <= MAXIMUM_SLOTS:
        fail(join(place, "slots"), f"{raw.slots} is out of range", hint="a test takes one slot or more")
    check_requirements(0 if raw.memory is UNSET else raw.memory, () if raw.labels is UNSET else raw.labels, place)
    fields = {name: item for name, item in table.items() if name in CONTAINER_FIELDS}
    whole = "image" in fields or "parent" in fields
    return Directive(
        filter=None if raw.filter is UNSET else _filter(raw.filter, language, join(place, "filter")),
        container=parse_container(fields, place) if whole else parse_changes(fields, place),
        timeout=raw.timeout,
        ignore=raw.ignore,
        include_shared_libraries=raw.include_shared_libraries,
        slots=raw.slots,
        memory=raw.memory,
        labels=raw.labels,
    )


def _filter(text: str, language: Language, place: str) -> Filter:
    try:
        return parse(text, language)
    except FilterError as error:
        raise error.within(place) from None


class Directives:
    """The directives of a project, and the containers that they can have as parents."""

    def __init__(
        self, directives: Sequence[Directive] = (), containers: Mapping[str, ContainerSpec] | None = None
    ) -> None:
        self.all = tuple(directives)
        self.containers: Mapping[str, ContainerSpec] = containers or {}
        self._known: dict[tuple[int, ...], Treatment] = {(): Treatment()}

    def treatment(self, facts: Facts) -> Treatment:
        """Return what is said of a test; of facts that are not known only what holds whatever they are."""
        meant = tuple(
            index for index, each in enumerate(self.all) if each.filter is None or evaluate(each.filter, facts) is True
        )
        found = self._known.get(meant)
        if found is None:
            found = self._known[meant] = fold(self.all[index] for index in meant)
        return found

    def images(self) -> set[Reference]:
        """Return the images that directives and containers refer to themselves, and what they use of them."""
        specs = [*(each.container for each in self.all), *self.containers.values()]
        return {spec.image for spec in specs if spec.image is not UNSET}


def fold(directives: Iterable[Directive]) -> Treatment:
    """Return what some directives say together, later ones changing what earlier ones said."""
    total = Treatment()
    for each in directives:
        replaced = each.container.image is not UNSET or each.container.parent is not UNSET
        total = Treatment(
            container=each.container if replaced else apply(total.container, each.container),
            timeout=total.timeout if each.timeout is UNSET else each.timeout,
            ignore=total.ignore if each.ignore is UNSET else each.ignore,
            include_shared_libraries=(
                total.include_shared_libraries
                if each.include_shared_libraries is UNSET
                else each.include_shared_libraries
            ),
            slots=total.slots if each.slots is UNSET else each.slots,
            memory=total.memory if each.memory is UNSET else each.memory,
            labels=total.labels if each.labels is UNSET else each.labels,
        )
    return total


def apply(container: ContainerSpec, changes: ContainerSpec) -> ContainerSpec:
    """Return a container with changes: fields replace what there was, and is used from elsewhere; `added_` ones append.

    Both may stand in the result; what is added comes behind.
    """
    values: dict[str, object] = {}
    for use in Use:
        if (value := getattr(changes, use.value)) is not UNSET:
            values[use.value] = value
            if use in VECTORS:
                values[f"added_{use.value}"] = UNSET
        if use in VECTORS and (added := getattr(changes, f"added_{use.value}")) is not UNSET:
            before = UNSET if use.value in values else getattr(container, f"added_{use.value}")
            values[f"added_{use.value}"] = (*(() if before is UNSET else before), *added)
    for origin in ("image", "parent"):
        reference = getattr(container, origin)
        if reference is not UNSET:
            use = reference.use - {use for use in Use if use.value in values}
            values[origin] = Reference(reference.name, use)
    return msgspec.structs.replace(container, **values)


def includes_shared_libraries(treatment: Treatment, containers: Mapping[str, ContainerSpec]) -> bool:
    """Return whether a binary is given the libraries of this machine: unless it is said, where no image has its own.

    Raises SpecError: a parent is unknown or its own ancestor.
    """
    if treatment.include_shared_libraries is not UNSET:
        return treatment.include_shared_libraries
    image = resolve(treatment.container, containers).image
    return image is None or Use.LAYERS not in image.use
