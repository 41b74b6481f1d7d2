"""Reads the objects of a stream of jobs, with a memory: the jobs of a stream have few containers, each is checked once.

Pure, as `spec_parse` is, which says what an object may be; gives what `parse_run_input` gives, or its error.
"""

from __future__ import annotations

import msgspec

from maelstrom_core.spec import ContainerSpec, JobSpec
from maelstrom_core.spec_parse import CONTAINER_FIELDS, parse_job, parse_run_input

REMEMBERED = 64
"""Containers; when there are more all are forgotten, which costs what it cost before."""


class RunInput:
    """Remembers the containers of one stream."""

    def __init__(self) -> None:
        self._known: dict[bytes, ContainerSpec] = {}
        self._encode = msgspec.msgpack.Encoder().encode

    def parse(self, value: dict[str, object]) -> JobSpec | dict[str, ContainerSpec]:
        """Return what one object is: a job, or containers for the jobs after it. Raises SpecError."""
        key = self._key(value)
        container = self._known.get(key)
        if container is not None:
            return parse_job(
                {name: item for name, item in value.items() if name not in CONTAINER_FIELDS}, "", container
            )
        item = parse_run_input(value)
        if key and isinstance(item, JobSpec):
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = item.container
        return item

    def _key(self, value: dict[str, object]) -> bytes:
        """Return what a container is known by, or nothing; 1, 1.0 and `true`, equal in Python, differ here."""
        if "containers" in value:
            return b""
        try:
            return self._encode([pair for pair in value.items() if pair[0] in CONTAINER_FIELDS])
        except (UnicodeEncodeError, OverflowError, RecursionError):
            return b""  # no container can hold this: whoever checks it says why
