"""Where pytest-cov was told to write outside of the directory that pytest was called in.

Of the job that reports only what lies below that directory is brought back. What the command line and the environment
name elsewhere it writes itself: a report's file or directory is bound into it, and nothing beside it. The data file,
beside which others are made for a while, is worked on in a directory of its own, and put in its place afterwards. What
is named by files of the project is not granted, since that may be anywhere: the program says so.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec

from maelstrom_core.spec import BindMount, ContainerSpec, EnvironmentElement
from maelstrom_core.whole_file import whole_file
from maelstrom_test_runner.reports.writing import writing

_WHAT, _HINT = "the report of coverage", "name another path for it"
MOUNT_POINT = "/.maelstrom/coverage"
"""Where the job finds the directory of the data file."""
OPTION = "--cov-report"
FILES = frozenset({"xml", "json", "lcov", "markdown", "markdown-append"})
DIRECTORIES = frozenset({"html", "annotate"})


class Places(msgspec.Struct, frozen=True):
    """Absolute paths outside of the directory of a run."""

    files: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    data: str | None = None


def named(arguments: Sequence[str], environment: Mapping[str, str], directory: str) -> Places:
    """Return what pytest's arguments and the caller's environment name outside of `directory`."""
    found: dict[str, tuple[str, str]] = {}
    for kind, path in _reports([*_added(environment), *arguments]):
        found[kind] = kind, _absolute(path, directory)  # pytest-cov as well takes the last of a kind
    outside = [each for each in found.values() if not _below(each[1], directory)]
    data = _absolute(environment["COVERAGE_FILE"], directory) if environment.get("COVERAGE_FILE") else None
    return Places(
        files=tuple(dict.fromkeys(path for kind, path in outside if kind in FILES)),
        directories=tuple(dict.fromkeys(path for kind, path in outside if kind in DIRECTORIES)),
        data=None if data is None or _below(data, directory) else data,
    )


def _added(environment: Mapping[str, str]) -> list[str]:
    try:
        return shlex.split(environment.get("PYTEST_ADDOPTS", ""))
    except ValueError:  # pytest itself says so
        return []


def _reports(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield kinds and paths of the reports that arguments ask for."""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        option, equals, value = argument.partition("=")
        if option == OPTION:
            kind, _, path = (value if equals else following).partition(":")
            if path and kind in FILES | DIRECTORIES:
                yield kind, path


def _absolute(path: str, directory: str) -> str:
    return os.path.normpath(os.path.join(directory, path))


def _below(path: str, directory: str) -> bool:
    return Path(path).is_relative_to(directory)


class Granted:
    """What the job that reports is shown of them, as long as this is entered."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._made: list[Path] = []
        self._scratch: Path | None = None

    @property
    def paths(self) -> set[str]:
        """What is written there is where it should be."""
        return {*self._places.files, *self._places.directories, *([self._staged] if self._places.data else [])}

    @property
    def _staged(self) -> str:
        return f"{MOUNT_POINT}/{os.path.basename(self._places.data or '')}"

    def __enter__(self) -> Self:
        """Make what is to be bound. Raises UserError."""
        for path in self._places.files:
            with writing(_WHAT, path, _HINT):
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                if not os.path.lexists(path):
                    self._made.append(Path(path))
                Path(path).touch()
        for path in self._places.directories:
            with writing(_WHAT, path, _HINT):
                if not os.path.lexists(path):
                    self._made.append(Path(path))
                Path(path).mkdir(parents=True, exist_ok=True)
        if self._places.data is not None:
            with writing(_WHAT, self._places.data, _HINT):
                self._scratch = Path(tempfile.mkdtemp(prefix="maelstrom-coverage-"))
                with suppress(FileNotFoundError):
                    shutil.copy(self._places.data, self._scratch)  # for --cov-append
        return self

    def container(self, spec: ContainerSpec) -> ContainerSpec:
        """Return the container of the job."""
        mounts = [BindMount(path, path) for path in (*self._places.files, *self._places.directories)]
        if self._scratch is not None:
            mounts.append(BindMount(MOUNT_POINT, str(self._scratch)))
            elsewhere = (EnvironmentElement({"COVERAGE_FILE": self._staged.replace("$", "$$")}),)
            if isinstance(spec.environment, tuple):
                spec = msgspec.structs.replace(spec, environment=(*spec.environment, *elsewhere))
            else:
                before = spec.added_environment if isinstance(spec.added_environment, tuple) else ()
                spec = msgspec.structs.replace(spec, added_environment=(*before, *elsewhere))
        assert isinstance(spec.mounts, tuple)  # noqa: S101 - for the type checker
        return msgspec.structs.replace(spec, mounts=(*spec.mounts, *mounts))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Put the data in its place, unless something went wrong; leave no empty file that was not there."""
        try:
            if kind is None and self._scratch is not None and self._places.data is not None:
                with writing(_WHAT, self._places.data, _HINT):
                    _keep(self._scratch / os.path.basename(self._staged), Path(self._places.data))
        finally:
            if self._scratch is not None:
                shutil.rmtree(self._scratch, ignore_errors=True)
            for path in self._made:
                with suppress(OSError):
                    if path.is_dir():
                        path.rmdir()
                    elif path.stat().st_size == 0:
                        path.unlink()


def _keep(made: Path, target: Path) -> None:
    """Copy a file that a job has made, if it has; what is no file may lead anywhere."""
    try:
        descriptor = os.open(made, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "rb") as source:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            with whole_file(target) as kept:
                shutil.copyfileobj(source, kept)
