"""`--dry-run`: jobs as a stream of objects that maelstrom-run reads, and that runs the tests.

Each container once, with a name, then the jobs in it. The caller's variables are referred to, not shown. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import UNSET, UnsetType

from maelstrom_core.spec import ContainerSpec, EnvironmentElement, JobSpec
from maelstrom_core.spec_write import container_document, job_document


def write_jobs(specs: Iterable[JobSpec], caller: Mapping[str, str]) -> Iterator[str]:
    """Yield the objects, each a line; jobs whose containers are one object share one. Paths start at the project's."""
    names: dict[int, tuple[str, ContainerSpec]] = {}
    for spec in specs:
        known = names.get(id(spec.container))
        if known is None:
            known = names[id(spec.container)] = f"tests-{len(names) + 1}", spec.container
            yield json.dumps({"containers": {known[0]: container_document(referring(spec.container, caller))}})
        job = job_document(
            msgspec.structs.replace(spec, container=ContainerSpec(), priority=0, estimated_duration=None)
        )
        yield json.dumps({"parent": known[0], **job})


def referring(container: ContainerSpec, caller: Mapping[str, str]) -> ContainerSpec:
    """Return a container whose environment has the caller's variables by their names only."""

    def shown(elements: tuple[EnvironmentElement, ...] | UnsetType) -> tuple[EnvironmentElement, ...] | UnsetType:
        return elements if elements is UNSET else tuple(_referring(element, caller) for element in elements)

    return msgspec.structs.replace(
        container,
        environment=shown(container.environment),
        added_environment=shown(container.added_environment),
    )


def _referring(element: EnvironmentElement, caller: Mapping[str, str]) -> EnvironmentElement:
    """Return the same variables, but those of the caller by their names only: their values may be nobody's business."""
    return EnvironmentElement(
        {
            name: f"$env{{{name}:-}}"
            if name.isidentifier() and caller.get(name, "").replace("$", "$$") == value
            else value
            for name, value in element.vars.items()
        },
        element.extend,
    )
