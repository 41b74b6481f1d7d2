"""What cargo says while it builds, and which test binaries are ready then. Pure: lines in, artifacts out."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cargo_maelstrom.metadata import Package, Target
from maelstrom_core.errors import InfrastructureError


class _Profile(msgspec.Struct, frozen=True):
    test: bool


class Message(msgspec.Struct, frozen=True):
    """One line of cargo's, of whatever kind: `reason` says which."""

    reason: str
    package_id: str = ""
    target: Target | None = None
    profile: _Profile | None = None
    executable: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    out_dir: str | None = None
    linked_paths: tuple[str, ...] = ()


class TestBinary(msgspec.Struct, frozen=True):
    """A program with tests."""

    __test__ = False

    package: Package
    target: Target
    executable: str

    @property
    def kind(self) -> str:
        """Return lib, bin, test, example or bench; all kinds of libraries are one."""
        kind = self.target.kind[0]
        return kind if kind in {"bin", "test", "example", "bench"} else "lib"


class BuildScript(msgspec.Struct, frozen=True):
    """What a build script has said."""

    env: tuple[tuple[str, str], ...]
    out_dir: str | None


_decode = msgspec.json.Decoder(Message).decode


def parse_message(line: bytes) -> Message | None:
    """Return a message; None for a line that is none."""
    try:
        return _decode(line)
    except msgspec.MsgspecError:
        return None


class Artifacts:
    """Takes the messages of a build, and gives test binaries as soon as they can be run.

    Integration tests and benchmarks may start the programs of their package: they wait until these are built. Those of
    which cargo builds none after all are told at the end.
    """

    def __init__(self, packages: Iterable[Package]) -> None:
        self._packages = {package.id: package for package in packages}
        self._missing = {package.id: set(package.binaries()) for package in packages}
        self._held: dict[str, list[TestBinary]] = {}
        self.scripts: dict[str, BuildScript] = {}
        """By ids of packages."""
        self.linked: dict[str, None] = {}
        """Directories where build scripts say that libraries are, in order."""
        self.programs: dict[str, dict[str, str]] = {}
        """Paths of programs, by ids of packages, and names."""
        self.executables: dict[str, None] = {}
        """Paths of all that tests are in or may start, in order."""

    def add(self, message: Message) -> list[TestBinary]:
        """Take note of a message; return what can be run now. Raises InfrastructureError."""
        if message.reason == "build-script-executed":
            self.scripts[message.package_id] = BuildScript(message.env, message.out_dir)
            self.linked.update(dict.fromkeys(path.rpartition("=")[2] for path in message.linked_paths))
            return []
        package = self._packages.get(message.package_id)
        if message.reason != "compiler-artifact" or package is None or message.target is None:
            return []
        if message.executable is None or message.profile is None:
            return []
        if message.profile.test or "bin" in message.target.kind:
            self.executables[message.executable] = None
        if message.profile.test:
            return self._test(TestBinary(package, message.target, message.executable))
        if "bin" in message.target.kind:
            return self._program(package, message.target.name, message.executable)
        return []

    def _test(self, test: TestBinary) -> list[TestBinary]:
        if test.kind in {"test", "bench"} and self._missing[test.package.id]:
            self._held.setdefault(test.package.id, []).append(test)
            return []
        return [test]

    def _program(self, package: Package, name: str, executable: str) -> list[TestBinary]:
        if name not in package.binaries():
            raise InfrastructureError(f"cargo has built {name}, which {package.spec} does not have")
        self.programs.setdefault(package.id, {})[name] = executable
        self._missing[package.id].discard(name)
        return [] if self._missing[package.id] else self._held.pop(package.id, [])

    def finish(self) -> list[TestBinary]:
        """Return what has waited in vain."""
        left = [test for tests in self._held.values() for test in tests]
        self._held.clear()
        return left
