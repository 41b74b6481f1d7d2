"""What supervisor, nursery and members say to each other, but for the requests: `maelstrom_container.request`.

Imports nothing that only one of them needs.
"""

from __future__ import annotations

import msgspec

from maelstrom_core.job import Outcome
from maelstrom_worker.ring import MemoryFd

MESSAGE = 4096
"""Bytes of a message to or from the nursery, at most."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What became of the request with this sequence number."""

    sequence: int
    outcome: Outcome


class MemberSettings(msgspec.Struct, frozen=True):
    """What a member is made with; travels from the supervisor to the nursery as JSON."""

    host_network: bool
    confined: bool
    """Whether it has a seccomp filter, and so all its jobs."""
    memory: int
    limited: bool = False
    """Whether its jobs are limited in what a cgroup keeps."""
    controllers: tuple[str, ...] = ()
    """Those of the cgroups that it can make for its jobs."""
    reason: str = ""
    """Why there are no more."""
    rest: bool = False
    """Whether it has a file for output that exceeds the inline limit."""


class MemberFds(msgspec.Struct, frozen=True):
    """The descriptors a member is given: shared memory, its own bell, the supervisor's bell (both eventfds).

    And a socket on which come the descriptors of jobs, each with the number of its request, before that; and where jobs
    are limited the group in which it makes theirs, or -1; and a file for output that exceeds the inline limit, or -1.
    """

    memory: MemoryFd
    own_bell: int
    supervisor_bell: int
    passing: int
    tree: int = -1
    rest: int = -1


class Born(msgspec.Struct, frozen=True):
    """The nursery's answer: a member lives, and `pidfd` tells when it does no more."""

    member: int
    pidfd: int


class Stillborn(msgspec.Struct, frozen=True):
    """The nursery's answer where a member could not be forked."""

    member: int
    reason: str
