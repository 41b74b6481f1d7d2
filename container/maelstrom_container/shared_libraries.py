"""Which shared libraries, and which loaders, binaries need: what the dynamic loader would find, without running it.

The order of search is that of ld.so(8) without LD_LIBRARY_PATH: RPATH of the object and of those that led to it,
RUNPATH of the object, the directories of ld.so.conf, the default ones. What a program opens by itself (dlopen) is not
found.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import msgspec

from maelstrom_container.elf import Binary, read_binary
from maelstrom_core.errors import SpecError

_MAX_OBJECTS = 10_000
_MAX_CONFIGURATIONS = 200
_DEFAULTS_64 = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_DEFAULTS_32 = ("/lib32", "/usr/lib32", "/lib", "/usr/lib", "/lib/i386-linux-gnu", "/usr/lib/i386-linux-gnu")
_MULTIARCH = {"EM_X86_64": "x86_64-linux-gnu", "EM_AARCH64": "aarch64-linux-gnu"}
_MUSL_DEFAULTS = ("/lib", "/usr/local/lib", "/usr/lib")


class System(msgspec.Struct, frozen=True):
    """What of this machine decides the search besides the binaries; and how those are read."""

    configuration: str = "/etc/ld.so.conf"
    musl_configuration: str = "/etc"
    read: Callable[[str], Binary | None] = read_binary


class _Object(msgspec.Struct, frozen=True):
    path: str
    binary: Binary
    rpaths: tuple[str, ...]
    """Directories of RPATHs, its own and those of the objects that led to it."""


def find_shared_libraries(binaries: Iterable[str], system: System | None = None) -> list[str]:
    """Return the paths of all libraries and loaders that the binaries need, sorted.

    Raises SpecError if a binary is missing or no ELF file, or a library is not found.
    """
    system = system or System()
    found: set[str] = set()
    for path in binaries:
        binary = system.read(path)
        if binary is None:
            raise SpecError(
                f"failed to find the shared libraries of {path}: it is not an ELF binary",
                hint="name the interpreter of a script instead of the script",
            )
        if binary.interpreter is not None:
            if not os.path.exists(binary.interpreter):
                raise SpecError(f"the loader {binary.interpreter} that {path} needs does not exist")
            found.add(binary.interpreter)
        # the kernel tells a program its real path; the loader keeps those of libraries as it found them
        found |= _closure(os.path.realpath(path), binary, system)
    return sorted(found)


def _closure(path: str, binary: Binary, system: System) -> set[str]:
    musl = "ld-musl" in (binary.interpreter or "")
    found: dict[str, str] = {}
    loader = os.path.basename(binary.interpreter or "")
    pending = [_Object(path, binary, _rpaths(path, binary, ()))]
    while pending:
        current = pending.pop(0)
        for name in current.binary.needed:
            # the loader has loaded itself already, and musl's is the C library too
            if name in found or name == loader or (musl and name.startswith("libc.musl-")):
                continue
            library = _find(name, current, system, musl=musl)
            found[name] = library.path
            pending.append(library)
            if len(found) > _MAX_OBJECTS:
                raise SpecError(f"{path} needs more than {_MAX_OBJECTS} shared libraries")
    return set(found.values())


def _find(name: str, needed_by: _Object, system: System, *, musl: bool) -> _Object:
    for path in _candidates(name, needed_by, system, musl=musl):
        if not os.path.isfile(path):
            continue
        binary = system.read(path)
        # libraries of another architecture are skipped by the loader, too
        if binary is not None and binary.architecture == needed_by.binary.architecture:
            return _Object(path, binary, _rpaths(path, binary, needed_by.rpaths))
    raise SpecError(
        f"the shared library {name} that {needed_by.path} needs is not found",
        hint="install it, or link the binary with an RPATH that names its directory",
    )


def _candidates(name: str, needed_by: _Object, system: System, *, musl: bool) -> Iterator[str]:
    if "/" in name:
        yield os.path.abspath(name)
        return
    own = needed_by.binary
    # musl knows no difference between the two, and neither is looked at where glibc finds a RUNPATH
    directories = list(needed_by.rpaths) if musl or not own.runpath else []
    directories += _expand(own.runpath, needed_by.path, own)
    directories += _musl_directories(system.musl_configuration) if musl else _glibc_directories(system, own)
    for directory in directories:
        yield os.path.normpath(os.path.join(directory, name))


def _rpaths(path: str, binary: Binary, inherited: tuple[str, ...]) -> tuple[str, ...]:
    own = () if binary.runpath else tuple(_expand(binary.rpath, path, binary))
    return own + inherited


def _expand(directories: tuple[str, ...], path: str, binary: Binary) -> list[str]:
    origin = os.path.dirname(os.path.abspath(path))
    library = "lib64" if binary.architecture[0] == 64 else "lib"
    platform = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}.get(binary.architecture[2], "")
    expanded = []
    for directory in directories:
        result = directory
        for token, value in (("ORIGIN", origin), ("LIB", library), ("PLATFORM", platform)):
            result = result.replace("${" + token + "}", value).replace("$" + token, value)
        # a relative one means the working directory of the moment: nothing to rely on
        if result.startswith("/"):
            expanded.append(result)
    return expanded


def _glibc_directories(system: System, binary: Binary) -> list[str]:
    multiarch = _MULTIARCH.get(binary.architecture[2])
    defaults = [f"{parent}/{multiarch}" for parent in ("/lib", "/usr/lib")] if multiarch else []
    defaults += _DEFAULTS_64 if binary.architecture[0] == 64 else _DEFAULTS_32
    return [*_configured(system.configuration), *defaults]


@lru_cache(maxsize=8)
def _configured(configuration: str) -> tuple[str, ...]:
    """Return the directories of ld.so.conf, `include`s followed: what ld.so.cache is made of."""
    directories: list[str] = []
    pending, read = [configuration], 0
    while pending and read < _MAX_CONFIGURATIONS:
        current, read = pending.pop(0), read + 1
        try:
            text = Path(current).read_text("utf-8", "replace")
        except OSError:
            continue
        for raw in text.splitlines():
            words = raw.partition("#")[0].replace(",", " ").replace(":", " ").split()
            if words and words[0] == "include":
                for pattern in words[1:]:
                    base = os.path.join(os.path.dirname(current), pattern)
                    pending += sorted(glob.glob(base))
            elif words and words[0] != "hwcap":
                directories += [word for word in words if word.startswith("/")]
    return tuple(directories)


@lru_cache(maxsize=8)
def _musl_directories(configuration: str) -> tuple[str, ...]:
    for path in sorted(Path(configuration).glob("ld-musl-*.path")):
        return tuple(path.read_text("utf-8", "replace").replace("\n", ":").split(":"))
    return _MUSL_DEFAULTS
