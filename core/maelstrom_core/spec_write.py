"""From ContainerSpec and JobSpec to what `spec_parse` reads: documents for JSON.

Pure. What no file can say (templates, terminals, layers of the cache) is left out, or is the caller's to refuse.
"""

from __future__ import annotations

from typing import Any

import msgspec

from maelstrom_core.spec import ContainerSpec, JobSpec

_IN_FILES = ("program", "arguments", "timeout", "priority", "slots", "memory", "labels", "stdin", "out", "capture")


def container_document(spec: ContainerSpec) -> dict[str, Any]:
    """Return the table that describes a container."""
    document: dict[str, Any] = _without_nothing(msgspec.to_builtins(spec))
    for origin in ("image", "parent"):
        if origin in document:
            document[origin]["use"].sort()
    return document


def job_document(spec: JobSpec) -> dict[str, Any]:
    """Return the table that describes a job, the fields of its container beside its own; without those by default."""
    plain = JobSpec(container=ContainerSpec(), program="")
    own = {name: getattr(spec, name) for name in _IN_FILES if getattr(spec, name) != getattr(plain, name)}
    return {**container_document(spec.container), **_without_nothing(msgspec.to_builtins(own))}


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nothing(item) for name, item in value.items() if item is not None}
    return [_without_nothing(item) for item in value] if isinstance(value, list | tuple) else value
