"""Calling go: what is asked of it, and what it answers. Every call is gone when whoever made it is."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from maelstrom_core.errors import UserError
from maelstrom_go_test import packages
from maelstrom_go_test.flags import Wanted
from maelstrom_go_test.packages import EVERYTHING, Package
from maelstrom_go_test.place import Installed
from maelstrom_test_runner.building import started

OUTPUT_LIMIT = 64 * 1024 * 1024
SIZE_LIMIT = 16 * 1024 * 1024
"""Of a source that is looked at."""
OLDEST = (1, 21)
"""The first that builds several test binaries at a time."""
POLL = 0.02
"""Seconds between looks at what has been built."""
PATIENCE = 5.0
"""Seconds that go is given to end when it is told to: it tidies up."""


class Answer(msgspec.Struct, frozen=True):
    """What a call has printed, and its exit code."""

    code: int
    stdout: bytes
    stderr: str


class Go:
    """The go command of a project."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        # go believes PWD where that leads to the same directory, and would name all others by it
        self._environment = {**environment, "PWD": str(directory)}
        if shutil.which("go", path=environment.get("PATH")) is None:
            raise UserError("failed to find `go`", hint="it has to be in PATH: see https://go.dev/dl")

    async def call(
        self,
        command: Sequence[str],
        *,
        watch: Callable[[], object] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call go and wait for its end; `watch` is called again and again meanwhile. Raises UserError."""
        environment = {**self._environment, **(variables or {})}
        async with started(command, self._directory, environment=environment, patience=PATIENCE) as process:
            assert process.stdout is not None  # noqa: S101 - they are pipes
            assert process.stderr is not None  # noqa: S101
            reading = asyncio.gather(_read(process.stdout), _read(process.stderr), process.wait())
            try:
                while True:
                    done, _ = await asyncio.wait({reading}, timeout=None if watch is None else POLL)
                    if watch is not None:
                        watch()
                    if done:
                        break
                stdout, stderr, code = reading.result()
            except BaseException:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                raise
        return Answer(code, stdout, stderr.decode("utf-8", "replace"))

    async def installed(self) -> Installed:
        """Return what go says of itself. Raises UserError, also where it is too old."""
        answer = await self.call(["go", "env", "-json", *Installed.__struct_fields__])
        if answer.code:
            raise UserError(f"`go env` failed: {answer.stderr.strip()}")
        installed = msgspec.json.decode(answer.stdout, type=Installed)
        version = _version(installed.GOVERSION)
        if version is not None and version < OLDEST:
            raise UserError(
                f"go is too old: it is {installed.GOVERSION}, and go{OLDEST[0]}.{OLDEST[1]} is the first that will do"
            )
        return installed

    async def all_patterns(self, wanted: Wanted) -> tuple[str, ...]:
        """Return patterns for all packages below the directory: in a workspace those of each of its modules there.

        go's own `./...` is an error where the directory itself belongs to no module.
        """
        if not self._in_workspace():
            return EVERYTHING
        answer = await self.call(["go", "list", "-m", *wanted.build(), "-f", "{{.Dir}}"])
        places = answer.stdout.decode("utf-8", "surrogateescape").splitlines() if not answer.code else []
        return packages.workspace_patterns(str(self._directory), places)

    def _in_workspace(self) -> bool:
        above = (self._directory, *self._directory.parents)
        work = self._environment.get("GOWORK", "")
        return work != "off" and (bool(work) or any((place / "go.work").is_file() for place in above))

    async def packages(self, wanted: Wanted, patterns: Sequence[str]) -> list[Package]:
        """Return the packages that patterns mean. Raises UserError where go does not know any."""
        answer = await self.call(wanted.list_command(patterns))
        try:
            found = packages.parse(answer.stdout)
        except ValueError as error:
            raise UserError(f"failed to understand `go list`: {error}") from error
        if answer.code or (not found and answer.stderr.strip()):
            raise UserError(f"failed to list the packages:\n{answer.stderr.rstrip()}")
        return found

    async def opaque(self, wanted: Wanted, patterns: Sequence[str]) -> frozenset[str] | None:
        """Return which packages have tests that may read what they do not log; None where go does not know."""
        answer = await self.call(wanted.dependencies_command(patterns))
        if answer.code:
            return None
        try:
            found = packages.parse_objects(answer.stdout, packages.Dependency)
        except ValueError:
            return None
        return await asyncio.to_thread(packages.opaque_packages, found, _contents)


def _contents(path: str) -> bytes:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(SIZE_LIMIT)
    return b""


def _version(text: str) -> tuple[int, int] | None:
    """Return the version that go says it is; None of one that is no release."""
    parts = text.removeprefix("go").split(".")
    with contextlib.suppress(ValueError, IndexError):
        return int(parts[0]), int("".join(filter(str.isdigit, parts[1][:2])))
    return None


async def _read(stream: asyncio.StreamReader) -> bytes:
    """Read a stream to its end; of what is beyond the limit nothing is kept."""
    kept = bytearray()
    while chunk := await stream.read(1 << 16):
        kept += chunk[: max(0, OUTPUT_LIMIT - len(kept))]
    return bytes(kept)
