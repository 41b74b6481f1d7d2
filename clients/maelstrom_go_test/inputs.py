"""What a test may have read, as a digest that changes whenever any of it does: for results that are kept (`caching`).

A file is taken for what the file system says of it: kind and permissions, size, inode, and the times of its last
change, of which nobody can set the one of the inode (ctime). What is as new as the run itself may change once
more without a trace; `Inputs.settled` tells. Reads metadata of files, never their contents.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator

from blake3 import blake3

from maelstrom_container.project import find_hidden

GRANULE = 0.5
"""Seconds: no file system that tests are edited on has coarser times."""
MAX_PATHS = 5000
"""Files that one test is known to have opened; of more nothing is kept."""
MAGIC = "# test log"
"""The first line of what a test binary logs of its own calls (-test.testlogfile)."""
NOT_FILES = ("/proc", "/sys", "/dev", "/tmp", "/run", "/.maelstrom")  # noqa: S108 - what is there is the job's own


class Inputs:
    """The files of a project as they are when this is made, and what tests of it have read beside them."""

    def __init__(self, roots: Iterable[str], *, programs: str = "", without: Collection[str] = ()) -> None:
        """Look at all that is below `roots`, but for what is hidden there, and the files `without`.

        `programs` is a value of PATH: what is installed there counts by the times of the directories.
        """
        self._latest = time.time() - GRANULE
        self._newest = 0.0
        self._roots = tuple(roots)
        self._links: set[str] = set()
        go: dict[str, list[bytes]] = {}
        others = blake3(_machine(programs))
        for root in self._roots:
            for path, entry in _walk(root, frozenset(os.path.join(root, name) for name in find_hidden(root))):
                if path in without:
                    continue
                if stat.S_ISLNK(entry.st_mode):  # what it leads to is looked at when a test says that it has
                    self._links.add(path)
                line = self._line(path, entry)
                if path.endswith(".go"):
                    go.setdefault(os.path.dirname(path), []).append(line)
                else:
                    others.update(line)
        self._others = others.digest()
        self._go = {directory: blake3(b"".join(lines)).digest() for directory, lines in go.items()}
        self._all_go = blake3(b"".join(self._go[directory] for directory in sorted(self._go))).digest()

    @property
    def settled(self) -> bool:
        """Whether nothing that was looked at so far may have changed since without a trace."""
        return self._newest < self._latest

    def of_package(self, directory: str, *, opaque: bool) -> bytes:
        """Return a digest of what tests of a package in this directory can read without saying so.

        That is all that is no source of Go, and the package's own; where it is `opaque`, all other sources, too.
        """
        return self._others + (self._all_go if opaque else self._go.get(directory, b""))

    def of_log(self, paths: Iterable[str]) -> str:
        """Return a digest of what is at these paths now."""
        digest = blake3()
        for path in paths:
            try:
                entry = os.lstat(path)
                digest.update(self._line(path, entry))
                if stat.S_ISLNK(entry.st_mode):
                    digest.update(self._line(path, os.stat(path)))
                if os.path.isdir(path):
                    digest.update("\0".join(sorted(os.listdir(path))).encode("utf-8", "surrogateescape"))
            except OSError as error:
                digest.update(f"{path}\0{error.errno}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def logged(self, log: str, directory: str) -> list[str] | None:
        """Return what a test has read, in order, beside what `of_package` knows; None where the log is not whole."""
        lines = log.split("\n")
        if lines[0] != MAGIC or lines[-1]:
            return None
        found: dict[str, None] = {}
        here = directory
        for line in lines[1:-1]:
            word, _, name = line.partition(" ")
            path = os.path.normpath(os.path.join(here, name))
            if word == "chdir":
                here = path
            elif word in {"open", "stat"} and not self._is_known(path):
                found[path] = None
        return list(found) if len(found) <= MAX_PATHS else None

    def _is_known(self, path: str) -> bool:
        if not _is_below(path, self._roots):
            return _is_below(path, NOT_FILES)
        if path.endswith(".go") or os.path.isdir(path):
            return False
        return not self._links or not _is_below(path, self._links)

    def _line(self, path: str, entry: os.stat_result) -> bytes:
        if not stat.S_ISDIR(entry.st_mode):  # that of a directory changes with what is in it, which is looked at
            self._newest = max(self._newest, entry.st_ctime, entry.st_mtime)
            values: tuple[int, ...] = (entry.st_mode, entry.st_size, entry.st_ino, entry.st_mtime_ns, entry.st_ctime_ns)
        else:
            values = (entry.st_mode,)
        return f"{path}\0{values}\n".encode("utf-8", "surrogateescape")


def _machine(programs: str) -> bytes:
    """Return what is said of this machine: its kernel, and when programs were last installed."""
    parts = [os.uname().release]
    for place in dict.fromkeys(filter(os.path.isabs, programs.split(":"))):
        try:
            parts.append(f"{place} {os.stat(place).st_mtime_ns}")
        except OSError:
            continue
    return "\n".join(parts).encode("utf-8", "surrogateescape")


def _is_below(path: str, places: Iterable[str]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _walk(root: str, hidden: frozenset[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield what is below a directory, in an order that is always the same."""
    pending = [root]
    while pending:
        directory = pending.pop()
        try:
            with os.scandir(directory) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.path in hidden:
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            yield entry.path, found
            if stat.S_ISDIR(found.st_mode):
                pending.append(entry.path)
