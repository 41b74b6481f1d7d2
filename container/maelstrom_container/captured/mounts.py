"""Shows directories of this machine to one job, as the upper directories of its overlays.

A pool member does this between two launches: it looks the directory up in the host view and mounts it where a job's
upper directories otherwise are in memory. Small: every member imports it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from maelstrom_container import syscalls
from maelstrom_container.compose import HARMLESS, ROOT
from maelstrom_container.outer import Outer
from maelstrom_container.prepare import Prepared
from maelstrom_container.steps import Layout
from maelstrom_core.errors import SpecError
from maelstrom_core.job import Captured, Exited, Outcome, Signaled, SystemFailure, TimedOut

PLACE = "upper"
_HINT = "the cache must be on a file system that overlays can write to, such as ext4, xfs, btrfs or tmpfs"


@contextmanager
def shown_uppers(outer: Outer, prepared: Prepared, directory: str, count: int) -> Iterator[None]:
    """Have the first `count` upper directories at `upper` while the block runs, those that are missing made.

    The caller is in the prepared container, before and afterwards. Raises OSError.
    """
    syscalls.setns(outer.host_view, syscalls.CLONE_NEWNS)
    try:
        for number in range(count):
            with suppress(FileExistsError):
                os.mkdir(f"{directory}/{number}", 0o755)
            _make_work(f"{directory}/{number}w")
        fd = syscalls.clone_tree(directory, recursive=False)
    finally:
        prepared.enter()
    try:
        syscalls.set_attributes_of(fd, add=HARMLESS)
    except OSError:
        os.close(fd)
        raise
    syscalls.attach(fd, PLACE)
    try:
        yield
    finally:
        syscalls.umount(PLACE)


def check_layout(layout: Layout) -> None:
    """Raise SpecError where a job has nothing to write to."""
    if not layout.writable:
        raise SpecError(
            "failed to keep what the job leaves: its file system is read-only", hint="set `enable_writable_file_system`"
        )


def with_captured(outcome: Outcome, captured: Captured) -> Outcome:
    """Return the outcome of a captured job, with what there is to say of that."""
    match outcome:
        case Exited(effects=effects) | Signaled(effects=effects) | TimedOut(effects=effects):
            effects = msgspec.structs.replace(effects, captured=captured)
            return msgspec.structs.replace(outcome, effects=effects)
        case SystemFailure(message=message) if "mount overlay" in message:
            return SystemFailure(message, _HINT)
        case _:
            return outcome


def real_path(path: str) -> str:
    """Return where a path of the prepared container leads, as it is before the job; as written where nothing is."""
    with suppress(OSError):
        root = os.open(ROOT, os.O_PATH | os.O_CLOEXEC)
        try:
            fd = syscalls.open_in_root(root, path)
        finally:
            os.close(root)
        try:
            return os.readlink(f"/proc/self/fd/{fd}").removeprefix(ROOT) or "/"
        finally:
            os.close(fd)
    return path


def _make_work(path: str) -> None:
    """Make the directory that an overlay works in; one of an earlier job says that it may not be used again."""
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
        return
    from maelstrom_core.cache_files import delete_tree

    with os.scandir(path) as entries:
        for entry in entries:
            delete_tree(Path(entry.path))
