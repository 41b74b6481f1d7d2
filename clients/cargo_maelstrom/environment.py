"""The environment of a test binary: what cargo sets for it. Pure but for the `[env]` tables of cargo's own files."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from cargo_maelstrom.messages import Artifacts, TestBinary
from cargo_maelstrom.metadata import Package

FILE_LIMIT = 1_000_000


class Toolchain(msgspec.Struct, frozen=True):
    """The cargo and the compiler of a run."""

    cargo: str
    sysroot: str
    libraries: str
    """Where the compiler's own shared libraries for the target are."""
    cargo_home: str
    rustup_home: str | None = None
    """None where the compiler is not rustup's."""

    def variables(self) -> dict[str, str]:
        """Return what rustup and cargo say about themselves."""
        own = {"CARGO": self.cargo}
        if self.rustup_home is not None:
            own |= {"CARGO_HOME": self.cargo_home, "RUSTUP_HOME": self.rustup_home}
            own["RUSTUP_TOOLCHAIN"] = os.path.basename(self.sysroot)
        return own

    def compilers(self, caller: Mapping[str, str]) -> dict[str, str]:
        """Return what cargo in a container is told of the compilers, which need not be the first in PATH there."""
        own = {name: f"{self.sysroot}/bin/{name.lower()}" for name in ("RUSTC", "RUSTDOC")}
        return {name: path for name, path in own.items() if name not in caller}


def package_variables(package: Package) -> dict[str, str]:
    """Return the variables about a package."""
    version = package.version.partition("+")[0]
    numbers, _, pre = version.partition("-")
    major, minor, patch = [*numbers.split("."), "", ""][:3]
    return {
        "CARGO_MANIFEST_DIR": package.directory,
        "CARGO_MANIFEST_PATH": package.manifest_path,
        "CARGO_PKG_NAME": package.name,
        "CARGO_PKG_VERSION": package.version,
        "CARGO_PKG_VERSION_MAJOR": major,
        "CARGO_PKG_VERSION_MINOR": minor,
        "CARGO_PKG_VERSION_PATCH": patch,
        "CARGO_PKG_VERSION_PRE": pre,
        "CARGO_PKG_AUTHORS": ":".join(package.authors),
        "CARGO_PKG_DESCRIPTION": package.description or "",
        "CARGO_PKG_HOMEPAGE": package.homepage or "",
        "CARGO_PKG_REPOSITORY": package.repository or "",
        "CARGO_PKG_LICENSE": package.license or "",
        "CARGO_PKG_LICENSE_FILE": package.license_file or "",
        "CARGO_PKG_RUST_VERSION": package.rust_version or "",
        "CARGO_PKG_README": package.readme or "",
    }


def binary_variables(
    binary: TestBinary,
    artifacts: Artifacts,
    toolchain: Toolchain,
    target_directory: str,
    caller: Mapping[str, str],
) -> dict[str, str]:
    """Return what cargo sets for a test binary."""
    found = {**toolchain.variables(), **package_variables(binary.package)}
    script = artifacts.scripts.get(binary.package.id)
    if script is not None:
        found.update(script.env)
        if script.out_dir is not None:
            found["OUT_DIR"] = script.out_dir
    if binary.kind in {"test", "bench"}:
        programs = artifacts.programs.get(binary.package.id, {})
        found |= {f"CARGO_BIN_EXE_{name}": path for name, path in programs.items()}
    found["LD_LIBRARY_PATH"] = library_path(
        binary.executable, artifacts.linked, toolchain, target_directory, caller.get("LD_LIBRARY_PATH", "")
    )
    return found


def library_path(
    executable: str, linked: Iterable[str], toolchain: Toolchain, target_directory: str, before: str
) -> str:
    """Return where a binary looks for shared libraries: those of build scripts, cargo's, the compiler's."""
    directory = os.path.dirname(executable)
    root = os.path.dirname(directory)
    own = [path for path in linked if path == target_directory or path.startswith(f"{target_directory}/")]
    return ":".join(filter(None, [*own, root, f"{root}/deps", toolchain.libraries, before]))


def configured_variables(directory: Path, cargo_home: str, caller: Mapping[str, str]) -> dict[str, str]:
    """Return what the `[env]` tables of cargo's files say; the nearest file goes first, and the caller before all."""
    found: dict[str, str] = {}
    for parent in [Path(cargo_home), *(each / ".cargo" for each in reversed((directory, *directory.parents)))]:
        for name in ("config.toml", "config"):
            table = _env_table(parent / name)
            if table is None:
                continue
            for key, value in table.items():
                text, forced = _value(value, parent.parent)
                if text is not None and (forced or key not in caller):
                    found[key] = text
            break
    return found


def _env_table(path: Path) -> Mapping[str, object] | None:
    try:
        with path.open("rb") as file:
            table = tomllib.loads(file.read(FILE_LIMIT).decode()).get("env", {})
    except (OSError, ValueError):
        return None
    return table if isinstance(table, dict) else None


def _value(value: object, base: Path) -> tuple[str | None, bool]:
    if isinstance(value, str):
        return value, False
    if isinstance(value, dict) and isinstance(value.get("value"), str):
        text = str(base / value["value"]) if value.get("relative") is True else value["value"]
        return text, value.get("force") is True
    return None, False
