"""The kinds of pool members: some of what a container asks for, a member must have been made with."""

from __future__ import annotations

import itertools

import msgspec

from maelstrom_core.job import Job
from maelstrom_core.spec import Network, Seccomp


class Kind(msgspec.Struct, frozen=True):
    """What a member has in common with all its jobs, and cannot change."""

    host_network: bool
    confined: bool
    limited: bool
    """By what a cgroup keeps; see `limiting`."""


_KINDS = {flags: Kind(*flags) for flags in itertools.product((False, True), repeat=3)}


def kind(network: Network, seccomp: Seccomp, *, limited: bool = False) -> Kind:
    """Return the kind of members for containers that have these; there is one object for each."""
    return _KINDS[network is Network.LOCAL, seccomp is not Seccomp.OFF, limited]


def kind_of(job: Job) -> Kind:
    """Return the kind of members for a job."""
    container = job.container
    return kind(container.network, container.seccomp, limited=container.limits.is_of_jobs)
