"""What jobs are kept to on this machine: the supervisor's cgroups, made when the first limited one comes.

Most runs have no such job, and are not to pay for one. Imports the layer below when it is needed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maelstrom_container.cgroup_tree import Tree


MEMORY_SHARE = 4
"""Each file system in memory may take this part of a slot's share of the machine's memory."""
SMALLEST_MEMORY = 64 << 20


def memory_for(slots: int) -> int:
    """Return the bound in bytes for each file system in memory of a job."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(SMALLEST_MEMORY, total // (MEMORY_SHARE * slots))


class Limiting:
    """The groups of one supervisor, if there can be some; `close` it when all its processes are gone."""

    def __init__(self) -> None:
        self.reason = ""
        """Why limits are kept less well than they might be."""
        self._tree: Tree | None = None
        self._tried = False

    @property
    def fd(self) -> int:
        """The group in which those of jobs are made; -1 if there is none."""
        return -1 if self._tree is None else self._tree.fd

    @property
    def controllers(self) -> tuple[str, ...]:
        """What groups can keep."""
        return () if self._tree is None else self._tree.controllers

    def open(self) -> None:
        """Make the groups, if that has not been tried. All our processes move; never raises, see `reason`."""
        if self._tried:
            return
        self._tried = True
        from maelstrom_container.cgroup_tree import Tree
        from maelstrom_container.cgroups import CONTROLLERS, Delegated, delegation
        from maelstrom_container.doctor_host import Reader

        found = delegation(Reader())
        if not isinstance(found, Delegated):
            self.reason = found.reason
            return
        try:
            self._tree = Tree.open(found)
        except OSError as error:
            self.reason = f"cgroups cannot be made here: {error.strerror}"
            return
        missing = [name for name in CONTROLLERS if name not in found.controllers]
        if missing:
            self.reason = f"our cgroup is delegated without {', '.join(missing)}"

    def close(self) -> None:
        """Take the groups away."""
        if self._tree is not None:
            self._tree.close()
            self._tree = None
