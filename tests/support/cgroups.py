"""Delegated cgroups for tests: MAELSTROM_TEST_CGROUP names a group in which new ones have memory, pids and cpu.

`ci/in-cgroup` makes such a group of the one that it is called in.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maelstrom_container.cgroups import directory_of, own_group
from tests.support.programs import eventually

GIVEN = "MAELSTROM_TEST_CGROUP"
IN_GROUP = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


@contextmanager
def delegated_group() -> Iterator[Path]:
    """Make a group, as if delegated to whoever runs the tests; skip the test where that cannot be.

    Whoever has used it must have left nothing below it.
    """
    above = os.environ.get(GIVEN)
    if not above:
        pytest.skip(f"no cgroup with controllers: {GIVEN} names none (see ci/in-cgroup)")
    with _made(Path(above)) as group:
        yield group


@contextmanager
def plain_group() -> Iterator[Path]:
    """Make a group that need not have controllers; skip the test where that cannot be."""
    own = own_group(Path("/proc/self/cgroup").read_text())
    above = None if own is None else directory_of(own, Path("/proc/self/mountinfo").read_text())
    if above is None or not (os.access(above, os.W_OK) and os.access(f"{above}/cgroup.procs", os.W_OK)):
        pytest.skip("no cgroup of version 2 that is ours")
    with _made(Path(above)) as group:
        yield group


@contextmanager
def _made(above: Path) -> Iterator[Path]:
    group = Path(tempfile.mkdtemp(prefix="test-", dir=above))
    try:
        yield group
        assert eventually(lambda: "populated 0" in (group / "cgroup.events").read_text()), "processes are left"
        assert eventually(lambda: groups_below(group) == []), "groups are left"
    finally:
        for each in sorted(groups_below(group), key=len, reverse=True):
            (group / each).rmdir()
        group.rmdir()


def in_group(group: Path) -> tuple[str, ...]:
    """Return the command to put in front of a program, so that it is alone in a group."""
    return ("sh", "-c", IN_GROUP, str(group))


def groups_below(group: Path) -> list[str]:
    """Return the names of all groups below one."""
    return sorted(str(Path(path).relative_to(group)) for path, _, _ in os.walk(group) if Path(path) != group)
