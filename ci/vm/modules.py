"""Which modules of a kernel the guest loads, and in which order. Knows the layout of /lib/modules, and no more."""

from __future__ import annotations

import lzma
import re
from collections.abc import Callable, Iterable
from pathlib import Path

WANTED = (
    *("virtio_pci", "virtio_blk", "virtio_rng", "9pnet_virtio", "9p"),
    *("crc32c_generic", "ext4", "overlay", "fuse"),
    *("inet_diag", "tcp_diag", "udp_diag", "unix_diag", "netlink_diag"),
)
"""What the guest and the tests use. What a kernel has built in, or does not have at all, is left out."""


def load_order(directory: Path) -> list[Path]:
    """Return the wanted modules below a kernel's directory with all that they need, which comes first."""
    files = {module_name(path): path for path in sorted(directory.rglob("*.ko*"))}
    return [files[name] for name in ordered(WANTED, lambda name: needs(files[name]) if name in files else None)]


def ordered(wanted: Iterable[str], needs_of: Callable[[str], list[str] | None]) -> list[str]:
    """Return the names with all that they need, each after what it needs; `needs_of` is None for what there is not."""
    order: list[str] = []

    def add(name: str) -> None:
        needed = None if name in order else needs_of(name)
        if needed is not None:
            for each in needed:
                add(each)
            order.append(name)

    for name in wanted:
        add(name)
    return order


def needs(module: Path) -> list[str]:
    """Return the names of the modules that one says it needs."""
    found = re.search(rb"\0depends=([^\0]*)\0", plain_module(module))
    return [name.replace("-", "_") for name in found[1].decode().split(",") if name] if found else []


def module_name(path: Path) -> str:
    """Return the name of a module, which has underscores where its file may have dashes."""
    return path.name.split(".")[0].replace("-", "_")


def plain_module(path: Path) -> bytes:
    """Return a module's contents, decompressed."""
    contents = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(contents)
    if path.suffix == ".zst":
        from backports import zstd  # as the project does, for layers

        return zstd.decompress(contents)
    return contents
