"""Building test binaries: many packages with each call of go, each package told about as soon as its binary is there.

Binaries stay where they are for the next run: go leaves one as it is, but for its time, whose package has not changed.
That time, or another file in its place, is how one knows that go is done with it: files are put there by renaming.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from maelstrom_core.errors import UserError
from maelstrom_go_test import messages
from maelstrom_go_test.flags import Wanted
from maelstrom_go_test.packages import Package, batches
from maelstrom_go_test.tool import Answer, Go

AT_ONCE = 2
"""Calls of go that build: each uses all processors, but when it begins and ends."""
KEPT = 14 * 24 * 3600
"""Seconds after which binaries are removed that nobody has used."""
LEFT = 24 * 3600
"""Seconds after which go is not at work any more in a directory for temporary files."""

Ready = Callable[[Package, str], object]
"""Told a package, and its binary: a path below the directory of binaries."""
Failed = Callable[[Package, str], object]
"""Told a package, and the words of go about it."""


def open_directory(cache: Path, name: str) -> Path:
    """Return the directory of a project's binaries; those that nobody uses are removed. Raises UserError."""
    place = cache / name
    try:
        (place / "tmp").mkdir(parents=True, exist_ok=True)
        os.utime(place)
    except OSError as error:
        raise UserError(f"failed to make the directory {place} for test binaries: {error.strerror}") from error
    _remove_old(cache, KEPT)
    _remove_old(place / "tmp", LEFT)  # what go has left there when it was killed
    return place


def _remove_old(directory: Path, seconds: float) -> None:
    """Remove what nobody has touched for this time."""
    oldest = time.time() - seconds
    for each in directory.iterdir():
        with contextlib.suppress(OSError):
            if each.stat().st_mtime < oldest:
                shutil.rmtree(each, ignore_errors=True)


class Builder:
    """Builds the test binaries of packages into a directory."""

    def __init__(self, go: Go, wanted: Wanted, directory: Path, *, ready: Ready, failed: Failed) -> None:
        self._go = go
        self._wanted = wanted
        self._directory = directory
        self._ready = ready
        self._failed = failed

    async def build(self, packages: Sequence[Package]) -> str:
        """Build them all; return what go has said of none of them in particular."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(index: int, batch: Sequence[Package]) -> str:
            async with gate:
                return await self._build(str(index), batch)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(index, batch)) for index, batch in enumerate(batches(packages))]
        return "".join(dict.fromkeys(task.result() for task in tasks))

    async def _build(self, name: str, packages: Sequence[Package]) -> str:
        place = self._directory / name
        place.mkdir(exist_ok=True)
        before = {package.ImportPath: _mark(place / package.binary) for package in packages}
        pending = {package.ImportPath: package for package in packages}

        def look() -> None:
            for path, package in list(pending.items()):
                if _mark(place / package.binary) not in {before[path], None}:
                    del pending[path]
                    self._ready(package, f"{name}/{package.binary}")

        command = self._wanted.build_command(str(place), pending)
        variables = {"GOTMPDIR": str(self._directory / "tmp")}  # where it can rename from
        answer = await self._go.call(command, watch=look, variables=variables)
        return self._tell_failed(pending, answer)

    def _tell_failed(self, pending: dict[str, Package], answer: Answer) -> str:
        """Tell about what has not been built; return what was said of nothing in particular."""
        said = messages.Said(answer.stdout.decode("utf-8", "replace") + answer.stderr, pending)
        for path, package in pending.items():
            words = said.about.get(path, "")
            own = words if words.rstrip().endswith(" failed]") else messages.build_failed(path, words)
            self._failed(package, own)
        return said.others if answer.code else ""


def _mark(path: Path) -> tuple[int, int] | None:
    """Return what changes when go has done with a file; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
