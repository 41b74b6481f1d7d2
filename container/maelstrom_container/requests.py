"""What a pool member is asked for, as it travels to it. Imports the vocabulary of jobs only."""

from __future__ import annotations

import msgspec

from maelstrom_core.job import Capture

PASSED_NOTHING, PASSED_INPUT, PASSED_TERMINAL = range(3)
"""What was passed with a request, on another way: nothing, a standard input, or a terminal."""


class Request(msgspec.Struct, frozen=True, array_like=True):
    """A job as it travels to a member: the container stays packed, because it is almost always known already.

    What differs most often comes first: a member compares the rest with that of the last job (repeat.c).
    """

    sequence: int
    arguments: tuple[str, ...]
    variables: tuple[str, ...]
    """`NAME=value`, what the job's environment has beside `environment`."""
    container: bytes
    program: str
    environment: tuple[str, ...]
    working_directory: str
    timeout: float | None
    stdin: bytes
    inline_limit: int
    result_limit: int
    template: bytes = b""
    """A packed `TemplateRequest`, where the job is to be forked; program and environment are the template's then."""
    passed: int = PASSED_NOTHING
    capture: Capture | None = None


class TemplateRequest(msgspec.Struct, frozen=True, array_like=True):
    """A template as it travels: all that goes into it, and so what it is known by."""

    container: bytes
    program: str
    arguments: tuple[str, ...]
    environment: tuple[str, ...]
    working_directory: str
    request: bytes
    stages: tuple[bytes, ...]
