"""Collections, remembered: pytest need not collect what has not changed since it did.

A collection is good as long as everything that goes into it stays the same: pytest's arguments, the environment, the
interpreter and what is installed for it, and size and times of every file of the project. Maelstrom's own cache, which
may lie in the project and changes with every run, is none of its files. It says which tests there are
and in what order to begin; each file is collected again before its tests run, so a test that is not there any more is
found out. What a project collects from elsewhere (a database, the time of day) is not seen: `--no-collection-cache`.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from blake3 import blake3

from maelstrom_core.spec import Layer, ProjectLayer
from maelstrom_core.whole_file import write_whole
from maelstrom_pytest.plan import Plan
from maelstrom_pytest.session import Collection

KEPT = 32
"""Collections that are kept, of all projects together: those used last."""
PASSED_OVER = frozenset({"__pycache__", ".pytest_cache", ".hypothesis", ".git", ".hg", ".svn", "node_modules"})
NOTED_BY_SHELLS = frozenset({"_", "OLDPWD", "SHLVL"})
"""Variables that differ from call to call, and say nothing to a project."""
VERSION = b"4"


class _Remembered(msgspec.Struct, frozen=True):
    fingerprint: str
    collection: Collection


class CollectionCache:
    """The collections of earlier runs, in a directory of our cache. Whatever goes wrong with it, pytest collects."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        self._directory = directory
        self._path = directory / _name(plan)
        self._fingerprint = fingerprint(plan, directory.parent)

    def load(self) -> Collection | None:
        """Return the collection of an earlier run if it is still good."""
        found = self._read()
        if found is None or found.fingerprint != self._fingerprint:
            return None
        with contextlib.suppress(OSError):
            os.utime(self._path)
        return found.collection

    def last(self) -> Collection | None:
        """Return the collection of the last run, good or not: most of its tests will still be there."""
        found = self._read()
        return None if found is None else found.collection

    def _read(self) -> _Remembered | None:
        try:
            return msgspec.msgpack.decode(self._path.read_bytes(), type=_Remembered)
        except (OSError, msgspec.MsgspecError):
            return None

    def store(self, collection: Collection) -> None:
        """Remember a collection, if it is a whole one."""
        if collection.broken or collection.errors or collection.status or not collection.items:
            return
        try:
            data = msgspec.msgpack.encode(_Remembered(self._fingerprint, collection))
        except UnicodeEncodeError:  # a test named by half a character
            return
        with contextlib.suppress(OSError):
            write_whole(self._path, data)
            self._prune()

    def _prune(self) -> None:
        files = sorted(self._directory.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[KEPT:]:
            path.unlink()


def fingerprint(plan: Plan, cache_root: Path) -> str:
    """Return a digest of everything that a collection is made from; what is in the cache is no part of it."""
    digest = blake3(VERSION)

    def add(*parts: object) -> None:
        for part in parts:
            digest.update(os.fsencode(str(part)) + b"\0")

    add(plan.guest, plan.directory, plan.seccomp.value, plan.hermetic, *plan.arguments)
    digest.update(msgspec.msgpack.encode((plan.said, plan.named)))
    add(plan.interpreter.executable, plan.interpreter.version, plan.interpreter.pytest)
    if plan.image is not None:
        add(plan.image.name, plan.image.layer)
    for name, value in sorted(plan.environment.items()):
        if name not in NOTED_BY_SHELLS:
            add(name, value)
    for directory in plan.installed:
        add(directory, *_listing(directory))
    for path, status in _files(plan.shown, str(cache_root)):
        add(path, status.st_size, status.st_mtime_ns, status.st_mode)
    return digest.hexdigest()


def _name(plan: Plan) -> str:
    digest = blake3(plan.name.encode())
    for argument in plan.arguments:
        digest.update(os.fsencode(argument) + b"\0")
    return digest.hexdigest(16)


def _listing(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _files(layers: Iterable[Layer], leave_out: str) -> Iterator[tuple[str, os.stat_result]]:
    for layer in layers:
        if isinstance(layer, ProjectLayer):
            yield from _walk(layer.project, leave_out)


def _walk(directory: str, leave_out: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name in PASSED_OVER or entry.path == leave_out:
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if not stat.S_ISDIR(status.st_mode):
            yield entry.path, status
        elif not os.path.lexists(f"{entry.path}/pyvenv.cfg"):
            yield from _walk(entry.path, leave_out)
