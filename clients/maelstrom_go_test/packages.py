"""Packages of Go, as `go list -json` describes them. Pure; imports nothing of the project."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import TypeVar

import msgspec

T = TypeVar("T")

FIELDS = "ImportPath,Dir,Name,Module,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,Error"
"""What is asked for: the less, the less go has to find out."""

DEPENDENCY_FIELDS = "ImportPath,Standard,Dir,GoFiles,Imports,Deps"
"""What is asked for of packages and all that they are made from."""

OPAQUE = frozenset({"C", "go/build", "go/importer", "net/http/cgi", "os/exec", "plugin", "syscall"})
"""Packages of Go that start programs, or can read files without package os."""
OPAQUE_WORDS = re.compile(rb"\bos\.StartProcess\b|^func TestMain\(", re.MULTILINE)
"""What in sources does so, too: before TestMain calls its tests nothing is logged."""

EVERYTHING = ("./...",)
"""The pattern of all packages of a module below the current directory."""

_MAJOR = re.compile(r"v(?!0|1$)[0-9]+")


class Module(msgspec.Struct, frozen=True):
    """A module; `Dir` is empty where it is not on this machine."""

    Path: str = ""
    Dir: str = ""


class Problem(msgspec.Struct, frozen=True):
    """Why a package cannot be had."""

    Pos: str = ""
    Err: str = ""


class Package(msgspec.Struct, frozen=True):
    """A package; names are those of go list."""

    ImportPath: str
    Dir: str = ""
    Name: str = ""
    Module: Module | None = None
    GoFiles: tuple[str, ...] = ()
    CgoFiles: tuple[str, ...] = ()
    TestGoFiles: tuple[str, ...] = ()
    XTestGoFiles: tuple[str, ...] = ()
    Error: Problem | None = None

    @property
    def has_tests(self) -> bool:
        """Whether there are test files."""
        return bool(self.TestGoFiles or self.XTestGoFiles)

    @property
    def has_code(self) -> bool:
        """Whether there is anything that tests could cover."""
        return bool(self.GoFiles or self.CgoFiles)

    @property
    def path(self) -> str:
        """The part of the import path behind that of the module."""
        if self.Module is None or not self.Module.Path:
            return self.ImportPath
        if self.ImportPath == self.Module.Path:
            return ""
        return self.ImportPath.removeprefix(self.Module.Path + "/")

    @property
    def binary(self) -> str:
        """What `go test -c` calls the test binary."""
        return f"{short_name(self.ImportPath)}.test"


class Dependency(msgspec.Struct, frozen=True):
    """A package that others are made from; that of the tests of `x` is called `x.test`."""

    ImportPath: str
    Dir: str = ""
    Standard: bool = False
    GoFiles: tuple[str, ...] = ()
    Imports: tuple[str, ...] = ()
    Deps: tuple[str, ...] = ()


def opaque_packages(found: Iterable[Dependency], read: Callable[[str], bytes]) -> frozenset[str]:
    """Return the import paths of packages whose tests may read files in a way that they do not log.

    `read` returns the contents of a file.
    """
    by_path = {each.ImportPath: each for each in found}
    own = {
        path
        for path, each in by_path.items()
        if not each.Standard and not path.endswith(".test") and _is_opaque(each, read)
    }
    return frozenset(
        path.removesuffix(".test")
        for path, each in by_path.items()
        if path.endswith(".test") and not own.isdisjoint(each.Deps)
    )


def _is_opaque(package: Dependency, read: Callable[[str], bytes]) -> bool:
    if not OPAQUE.isdisjoint(package.Imports):
        return True
    files = (f"{package.Dir}/{name}" for name in package.GoFiles)  # with those of tests, in the package that they make
    return any(OPAQUE_WORDS.search(read(file)) for file in files)


def parse(text: bytes) -> list[Package]:
    """Return the packages of a stream of JSON objects, of which each ends a line. Raises ValueError."""
    return parse_objects(text, Package)


def parse_objects(text: bytes, kind: type[T]) -> list[T]:
    """Return objects of one kind of a stream, of which each ends a line. Raises ValueError."""
    decoder = msgspec.json.Decoder(kind)
    packages: list[T] = []
    start = 0
    for found in re.finditer(rb"^}\r?\n?", text, re.MULTILINE):
        try:
            packages.append(decoder.decode(text[start : found.end()]))
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from error
        start = found.end()
    if text[start:].strip():
        raise ValueError("it ends in the middle of a package")
    return packages


def short_name(import_path: str) -> str:
    """Return what `go` names a package's binary for: the last part of its path, unless that is a major version.

    Those begin with v2: `v1` is no suffix that a module could have, so it is a name like any other.
    """
    parts = import_path.split("/")
    return parts[-2] if len(parts) > 1 and _MAJOR.fullmatch(parts[-1]) else parts[-1]


def workspace_patterns(directory: str, modules: Iterable[str]) -> tuple[str, ...]:
    """Return the patterns of all packages below a directory, where these are the directories of a workspace's modules.

    go's own `./...` is an error where the directory itself belongs to no module.
    """
    here, own, below = PurePath(directory), False, []
    for place in map(PurePath, filter(None, modules)):
        if here.is_relative_to(place):
            own = True
        elif place.is_relative_to(here):
            below.append(f"./{place.relative_to(here)}/...")
    return (*(EVERYTHING if own else ()), *below) or EVERYTHING


def batches(packages: Iterable[Package]) -> list[list[Package]]:
    """Return packages in lists in each of which no two binaries have the same name, as few as possible."""
    found: list[list[Package]] = []
    seen: dict[str, int] = {}
    for package in packages:
        index = seen[package.binary] = seen.get(package.binary, -1) + 1
        if index == len(found):
            found.append([])
        found[index].append(package)
    return found
