"""The network namespaces that a pool member owns and its jobs inherit.

Making one costs more than everything else of a container together, and the kernel takes them down one at a time, so
jobs do not get one each: `disabled` is a namespace whose only interface is down, over which a job has no power;
`loopback` has it up, and is used again only after the kernel says that no socket is left in it. A member that
serves the network `local` never leaves the host's namespace and has none of these.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from maelstrom_container import syscalls
from maelstrom_container.syscalls import CLONE_NEWNET
from maelstrom_core.spec import Network

SETTINGS = {
    # No TIME_WAIT: the next job binds the same port at once.
    "ipv4/tcp_max_tw_buckets": "0",
    # As root on the host would be allowed to; the job's own root has no power over this namespace.
    "ipv4/ip_unprivileged_port_start": "0",
}


class Networks:
    """The namespaces of one member, made when first needed."""

    def __init__(self) -> None:
        self._namespaces: dict[Network, int] = {}
        self._current: Network | None = None
        self._sockets = ""

    def enter(self, network: Network) -> None:
        """Make the calling process a member of the namespace for `network`. Raises OSError."""
        if network is self._current:
            return
        known = self._namespaces.get(network)
        if known is not None:
            syscalls.setns(known, CLONE_NEWNET)
        else:
            self._make(network)
        self._current = network

    def leave(self) -> None:
        """Say that a job has ended in the current namespace: unless it is clean it is not used again."""
        if self._current is Network.LOOPBACK and _sockets() != self._sockets:
            os.close(self._namespaces.pop(Network.LOOPBACK))
            self._current = None

    def _make(self, network: Network) -> None:
        syscalls.unshare(CLONE_NEWNET)
        if network is Network.LOOPBACK:
            syscalls.bring_loopback_up()
            for name, value in SETTINGS.items():
                if name.endswith("port_start") and os.geteuid() != 0:
                    continue
                with suppress(OSError):  # an outer container may show /proc/sys read-only: ports then rest a minute
                    Path("/proc/sys/net", name).write_text(value)
            self._sockets = _sockets()
        self._namespaces[network] = syscalls.open_namespace("net")


def _sockets() -> str:
    """Return the kernel's count of sockets of this namespace, in use and in every state of going away."""
    counts = Path("/proc/self/net/sockstat").read_text()
    # "sockets: used 0" and "TCP: inuse 0 orphan 0 tw 0 ..."; the lines after that count memory, not sockets
    return counts.partition(" alloc ")[0]
