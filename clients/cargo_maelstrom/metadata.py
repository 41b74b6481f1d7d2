"""What `cargo metadata` says of a workspace, as far as it is needed. Pure: bytes in, values out."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator

import msgspec

from maelstrom_core.errors import InfrastructureError

MANIFEST_LIMIT = 10_000_000


class Target(msgspec.Struct, frozen=True):
    """Something that is built of a package, or one that a message is about."""

    name: str
    kind: tuple[str, ...]
    src_path: str = ""
    doctest: bool = False


class Package(msgspec.Struct, frozen=True):
    """A package of the workspace."""

    name: str
    version: str
    id: str
    manifest_path: str
    targets: tuple[Target, ...]
    authors: tuple[str, ...] = ()
    description: str | None = None
    homepage: str | None = None
    repository: str | None = None
    license: str | None = None
    license_file: str | None = None
    rust_version: str | None = None
    readme: str | None = None

    @property
    def directory(self) -> str:
        """Its root, absolute."""
        return os.path.dirname(self.manifest_path)

    @property
    def spec(self) -> str:
        """What `--package` calls it."""
        return f"{self.name}@{self.version}"

    def binaries(self) -> frozenset[str]:
        """Return the names of its programs."""
        return frozenset(target.name for target in self.targets if "bin" in target.kind)

    def documented(self) -> Target | None:
        """Return the library whose documentation has examples that are tested."""
        return next((target for target in self.targets if target.doctest), None)


class Workspace(msgspec.Struct, frozen=True):
    """What cargo works on."""

    packages: tuple[Package, ...]
    workspace_root: str
    target_directory: str
    workspace_default_members: tuple[str, ...] | None = None
    """Ids of the packages that are meant where none is named; cargo says so since 1.71."""

    def by_id(self) -> dict[str, Package]:
        """Return the packages by their ids."""
        return {package.id: package for package in self.packages}


def parse_metadata(data: bytes) -> Workspace:
    """Return what cargo has printed. Raises InfrastructureError."""
    try:
        return msgspec.json.decode(data, type=Workspace)
    except msgspec.MsgspecError as error:
        raise InfrastructureError(f"failed to understand cargo metadata: {error}") from error


def without_harness(package: Package) -> frozenset[tuple[str, str]]:
    """Return which targets of a package bring their own `main`, by kind and name: cargo metadata does not say.

    What cannot be read has none: cargo would have said so.
    """
    try:
        with open(package.manifest_path, "rb") as file:
            document = tomllib.loads(file.read(MANIFEST_LIMIT).decode())
    except (OSError, ValueError):
        return frozenset()
    return frozenset(_without_harness(package, document))


def _without_harness(package: Package, document: dict[str, object]) -> Iterator[tuple[str, str]]:
    sources = {os.path.realpath(target.src_path): target for target in package.targets}
    for kind in ("lib", "bin", "example", "test", "bench"):
        tables = document.get(kind, [])
        for table in [tables] if isinstance(tables, dict) else tables if isinstance(tables, list) else []:
            if not isinstance(table, dict) or table.get("harness", True) is not False:
                continue
            path, name = table.get("path"), table.get("name")
            target = sources.get(os.path.realpath(os.path.join(package.directory, path))) if path else None
            if target is not None:
                yield kind, target.name
            elif kind == "lib":
                yield kind, str(name or package.name).replace("-", "_")
            elif name is not None:
                yield kind, str(name)
