"""What an ELF file says about the libraries it needs. Nothing is executed.

Imports nothing of the project but the errors.
"""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from maelstrom_core.errors import SpecError

_MAX_NEEDED = 4096


class Binary(msgspec.Struct, frozen=True):
    """The dynamic section of a file; `architecture` is class, byte order and machine: what must agree to be linked."""

    architecture: tuple[int, bool, str]
    interpreter: str | None
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]


def read_binary(path: str) -> Binary | None:
    """Return what an ELF file says; None if it is no ELF file. Raises SpecError if it is damaged or unreadable."""
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"\x7fELF":
                return None
            return _parse(file, path)
    except OSError as error:
        raise SpecError(f"failed to read {path}: {error.strerror}") from None


def _parse(file: BinaryIO, path: str) -> Binary:
    from elftools.common.exceptions import ELFError
    from elftools.construct import ConstructError
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile
    from elftools.elf.segments import InterpSegment

    interpreter: str | None = None
    tags: dict[str, list[str]] = {"DT_NEEDED": [], "DT_RPATH": [], "DT_RUNPATH": []}
    attributes = {"DT_NEEDED": "needed", "DT_RPATH": "rpath", "DT_RUNPATH": "runpath"}
    try:
        elf = ELFFile(file)
        for segment in elf.iter_segments():
            if isinstance(segment, InterpSegment):
                interpreter = segment.get_interp_name()
            elif isinstance(segment, DynamicSegment):
                for tag in segment.iter_tags():
                    if tag.entry.d_tag in tags:
                        tags[tag.entry.d_tag].append(getattr(tag, attributes[tag.entry.d_tag]))
                    if len(tags["DT_NEEDED"]) > _MAX_NEEDED:
                        raise SpecError(f"failed to read {path}: it needs more than {_MAX_NEEDED} libraries")
        return Binary(
            (elf.elfclass, elf.little_endian, str(elf["e_machine"])),
            interpreter,
            tuple(tags["DT_NEEDED"]),
            _split(tags["DT_RPATH"]),
            _split(tags["DT_RUNPATH"]),
        )
    except (ELFError, ConstructError, ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        # damaged files make the parser stumble in many ways
        raise SpecError(f"failed to read {path}: it is a damaged ELF file ({error})") from None


def _split(values: list[str]) -> tuple[str, ...]:
    return tuple(each for value in values for each in value.split(":"))
