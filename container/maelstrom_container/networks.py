"""The network namespaces that a pool member owns and its jobs inherit.

Making one costs more than everything else of a container together, and the kernel takes them down one at a time, so
jobs do not get one each: `disabled` is a namespace whose only interface is down, over which a job has no power;
`loopback` has it up, and is used again only after the kernel says that no socket is left in it. It is asked before
each job: by this module, or by repeat.c where a job takes the short way. A member that serves the network `local`
never leaves the host's namespace and has none of these.
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

COUNT_SIZE = 255
"""Bytes of the kernel's count that are looked at; also in repeat.c."""


class Networks:
    """The namespaces of one member, made when first needed."""

    def __init__(self) -> None:
        self._namespaces: dict[Network, int] = {}
        self._current: Network | None = None
        self.sockets = -1
        """Open on the kernel's count of the loopback namespace's sockets, wherever we are; -1 while there is none."""
        self.no_sockets = (b"", b"")
        """What that count begins with as long as there are none, and what is behind that."""

    def enter(self, network: Network) -> None:
        """Make the calling process a member of the namespace for `network`, which is clean. Raises OSError."""
        if network is Network.LOOPBACK and not self._is_clean():
            self._forget_loopback()
        if network is self._current:
            return
        known = self._namespaces.get(network)
        if known is not None:
            syscalls.setns(known, CLONE_NEWNET)
        else:
            self._make(network)
        self._current = network

    def _is_clean(self) -> bool:
        """Tell whether nothing of an earlier job is left in the loopback namespace, if there is one."""
        if self.sockets < 0:
            return True
        count = os.pread(self.sockets, COUNT_SIZE, 0)
        first, second = self.no_sockets
        return count.startswith(first) and second in count

    def _forget_loopback(self) -> None:
        os.close(self.sockets)
        self.sockets = -1
        os.close(self._namespaces.pop(Network.LOOPBACK))
        if self._current is Network.LOOPBACK:
            self._current = None

    def _make(self, network: Network) -> None:
        syscalls.unshare(CLONE_NEWNET)
        self._current = None  # until it is complete
        if network is Network.LOOPBACK:
            syscalls.bring_loopback_up()
            for name, value in SETTINGS.items():
                if name.endswith("port_start") and os.geteuid() != 0:
                    continue
                with suppress(OSError):  # an outer container may show /proc/sys read-only: ports then rest a minute
                    Path("/proc/sys/net", name).write_text(value)
        namespace = syscalls.open_namespace("net")
        if network is Network.LOOPBACK:
            try:
                self._count_sockets()
            except OSError:
                os.close(namespace)
                raise
        self._namespaces[network] = namespace

    def _count_sockets(self) -> None:
        """Begin to watch the sockets of the current namespace, in use and in every state of going away."""
        sockets = os.open("/proc/self/net/sockstat", os.O_RDONLY | os.O_CLOEXEC)
        # "sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 5 mem 1\n": the rest is about memory, or the same sockets
        # again. Orphans and `alloc` are those of the whole machine; an orphan of this namespace is also in use.
        used, orphans, rest = os.pread(sockets, COUNT_SIZE, 0).partition(b" orphan ")
        at_rest, alloc, _ = rest[rest.find(b" tw ") :].partition(b" alloc ")
        self.sockets, self.no_sockets = sockets, (used + orphans, at_rest + alloc)
