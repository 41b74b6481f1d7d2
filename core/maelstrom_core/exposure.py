"""What may be listened on, and for how many. Imports `errors` of the project only."""

from __future__ import annotations

import ipaddress
import resource

from maelstrom_core.errors import ConfigError

_OTHER_FILES = 200
"""Descriptors that a program needs besides its connections."""


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine's loopback interface; of names only `localhost` is."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def may_listen(host: str, *, tls: bool, option: str = "listen") -> None:
    """Raise ConfigError for an address that others can reach where what is said would not be encrypted."""
    if not tls and not is_loopback(host):
        raise ConfigError(
            f"will not listen on {host}, which other machines can reach, without TLS: tokens and jobs could be read",
            hint=f"give --tls-cert and --tls-key; or leave --{option} at 127.0.0.1, and reach it through ssh -L",
        )


def open_files(connections: int) -> int:
    """Let this process open as many files as it may; return how many connections of those wanted that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - _OTHER_FILES))
