"""Brings what a job left in its file system to a directory of the user's.

Everything is copied first, into a directory of its own below the target; when all is there it is moved to its place,
each file by one rename. So a full disk changes nothing, and no file is ever half there. What is left of somebody who
was killed meanwhile, the next one removes: whoever uses such a directory holds a lock on it.

The names are the job's: nothing is looked up by a path, no link is followed on either side, below the target. Nothing
is removed there: that the job has removed something says nothing about the user's files.
"""

from __future__ import annotations

import errno
import fcntl
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec

from maelstrom_container.captured.copying import copy_contents
from maelstrom_container.captured.upper import Directory, File, Special, Symlink, Whiteout, kind_of, opened, walk
from maelstrom_container.manifest import MAX_ENTRIES, show
from maelstrom_container.places import under
from maelstrom_container.tree_writer import TreeWriter
from maelstrom_core.cache_files import delete_tree
from maelstrom_core.errors import UserError
from maelstrom_core.job import Capture, Captured

STAGE = ".maelstrom-out-"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ATTEMPTS = 100


class Part(msgspec.Struct, frozen=True):
    """A part of what is brought back: what is below `inside` in an upper directory goes to `below` in the target."""

    upper: int
    inside: str
    below: str


def parts_of(captured: Captured) -> tuple[Part, ...]:
    """Return where the files below the path of a capture are, outermost first."""
    path = posixpath.normpath(captured.path)
    holding = max((upper for upper in captured.uppers if under(path, upper)), key=len, default=None)
    parts = []
    for number, upper in enumerate(captured.uppers):
        if upper == holding:
            parts.append(Part(number, posixpath.relpath(path, upper), ""))
        elif under(upper, path):
            parts.append(Part(number, "", posixpath.relpath(upper, path)))
    return tuple(sorted(parts, key=lambda part: part.below))


def bring_back(capture: Capture, captured: Captured, target: Path) -> tuple[str, ...]:
    """Bring back what a job left below its capture's path, to a directory that is made if it is missing.

    Returns what was left out, for a message. Raises UserError where something of another kind stands in the way there,
    and OSError where files cannot be written (ENOSPC: the disk is full): then nothing was changed below the target, but
    where a rename failed; SpecError and InfrastructureError as `upper.walk` does.
    """
    target.mkdir(parents=True, exist_ok=True)
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sweep(root)
        with _stage(root) as stage:
            left_out = _copy(capture, parts_of(captured), stage)
            _check(stage, root, b"")
            _move(stage, root)
    finally:
        os.close(root)
    return left_out


def _copy(capture: Capture, parts: tuple[Part, ...], stage: int) -> tuple[str, ...]:
    mask = os.umask(0)
    os.umask(mask)
    with TreeWriter(stage) as writer:
        copier = _Copier(writer, ~mask & 0o777)
        for part in parts:
            upper = os.open(f"{capture.directory}/{part.upper}", _DIRECTORY)
            try:
                copier.copy(upper, part)
            finally:
                os.close(upper)
        writer.finish()
    return tuple(copier.left_out)


class _Copier:
    """Copies parts; `allowed` are the bits of modes that the user's mask lets through."""

    def __init__(self, writer: TreeWriter, allowed: int) -> None:
        self._writer = writer
        self._allowed = allowed
        self._left = MAX_ENTRIES
        self._waiting: list[tuple[bytes, int, int]] = []
        """Directories that the job found, innermost last: made when something is to be in them."""
        self.left_out: list[str] = []

    def copy(self, upper: int, part: Part) -> None:
        below = os.fsencode(part.below)
        for change in walk(upper, os.fsencode(part.inside), entries=self._left):
            self._left -= 1
            path = posixpath.join(below, change.path)
            self._waiting = [each for each in self._waiting if path.startswith(each[0] + b"/")]
            match change:
                case Directory():
                    mode = stat.S_IMODE(change.mode) & self._allowed | 0o700
                    self._waiting.append((path, mode, change.mtime))
                    if change.new:
                        self._make_waiting()
                case Special():
                    self.left_out.append(f"{show(path)} is a {kind_of(change.mode)}")
                case Whiteout():
                    pass
                case _:
                    self._make_waiting()
                    self._write(path, below, change)

    def _make_waiting(self) -> None:
        for path, mode, mtime in self._waiting:
            self._writer.directory(path, mode, mtime)
        self._waiting.clear()

    def _write(self, path: bytes, below: bytes, change: File | Symlink) -> None:
        if isinstance(change, Symlink):
            self._writer.symlink(path, change.target, change.mtime)
        elif change.same_as is not None:
            self._writer.hard_link(path, posixpath.join(below, change.same_as))
        else:
            with opened(change) as reader:
                fill = partial(_fill, reader, change.size)
                self._writer.fill_file(path, change.mode & self._allowed, change.mtime, fill)


def _fill(reader: int, size: int, writer: int) -> None:
    copy_contents(reader, writer, size)


# the target


@contextmanager
def _stage(root: int) -> Iterator[int]:
    """Give a new directory in the target, locked; it is gone at the end."""
    for _ in range(_ATTEMPTS):
        name = STAGE + os.urandom(6).hex()
        os.mkdir(name, 0o700, dir_fd=root)
        stage = _lock(root, name)
        if stage is not None:
            break
    else:
        raise OSError(errno.EBUSY, "somebody takes away what is made there")
    try:
        yield stage
    finally:
        delete_tree(Path(f"/proc/self/fd/{root}/{name}"))
        os.close(stage)


def _sweep(root: int) -> None:
    """Remove what others have left who were killed."""
    with os.scandir(root) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(STAGE)]
    for name in names:
        with suppress(OSError):
            stage = _lock(root, name)
            if stage is not None:
                delete_tree(Path(f"/proc/self/fd/{root}/{name}"))
                os.close(stage)


def _lock(root: int, name: str) -> int | None:
    """Return a directory of the target, open and locked; None where somebody else has it, or it is gone."""
    try:
        stage = os.open(name, _DIRECTORY, dir_fd=root)
    except FileNotFoundError:
        return None
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(stage, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(stage), os.stat(name, dir_fd=root, follow_symlinks=False)):
            return stage
    os.close(stage)
    return None


def _check(stage: int, target: int, path: bytes) -> None:
    """Raise UserError where something in the target is in the way of what is to be moved there."""
    for name in map(os.fsencode, os.listdir(stage)):
        here = path + name
        try:
            there = os.stat(name, dir_fd=target, follow_symlinks=False).st_mode
        except FileNotFoundError:
            continue
        ours = os.stat(name, dir_fd=stage, follow_symlinks=False).st_mode
        if stat.S_ISDIR(ours) and stat.S_ISDIR(there):
            with _both(stage, target, name) as (inner, beyond):
                _check(inner, beyond, here + b"/")
        elif stat.S_ISDIR(ours) or stat.S_ISDIR(there):
            raise UserError(
                f"{show(here)} is {_called(there)} there, and the job left {_called(ours)}",
                hint="move it away, or choose another directory; links are not followed there",
            )


def _move(stage: int, target: int) -> None:
    for name in os.listdir(stage):
        ours = os.stat(name, dir_fd=stage, follow_symlinks=False).st_mode
        if stat.S_ISDIR(ours) and _exists(target, name):
            with _both(stage, target, os.fsencode(name)) as (inner, beyond):
                _move(inner, beyond)
        else:
            os.rename(name, name, src_dir_fd=stage, dst_dir_fd=target)


@contextmanager
def _both(stage: int, target: int, name: bytes) -> Iterator[tuple[int, int]]:
    """Open the directories of a name on both sides."""
    inner = os.open(name, _DIRECTORY, dir_fd=stage)
    try:
        beyond = os.open(name, _DIRECTORY, dir_fd=target)
        try:
            yield inner, beyond
        finally:
            os.close(beyond)
    finally:
        os.close(inner)


def _exists(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _called(mode: int) -> str:
    return {stat.S_IFDIR: "a directory", stat.S_IFREG: "a file", stat.S_IFLNK: "a link"}.get(
        stat.S_IFMT(mode), "no file"
    )
