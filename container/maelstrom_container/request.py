"""What a pool member is asked for: jobs, and templates to fork jobs from, as they travel.

Who asks needs nothing of the launcher, so this imports the vocabulary only.
"""

from __future__ import annotations

import msgspec

from maelstrom_core.job import Capture
from maelstrom_core.spec import Grace

PASSED_NOTHING, PASSED_STREAMS, PASSED_TERMINAL = range(3)
"""What came with a request, on another way: nothing, or a socket with the standard streams, or with a terminal.

The same numbers as in launch.h, which a test compares.
"""


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
    grace: Grace | None = None
    rest_limit: int = 0
    """Bytes of stdout, and of stderr, beyond the inline limit that go to the member's file for that, if it has one."""


class TemplateRequest(msgspec.Struct, frozen=True, array_like=True):
    """A template as it travels: all that goes into it, and so what it is known by."""

    container: bytes
    program: str
    arguments: tuple[str, ...]
    environment: tuple[str, ...]
    working_directory: str
    request: bytes
    stages: tuple[bytes, ...]
