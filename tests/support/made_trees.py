"""Trees of files as hypothesis thinks of them: to make them, and to say all that counts of one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hypothesis import strategies as st

PAST = 1_600_000_000_123_456_789


def contents(root: Path) -> dict[str, tuple[object, ...]]:
    """Return all that counts of a tree: times of directories and symlinks do not (docs/decisions/layers.md)."""
    found: dict[str, tuple[object, ...]] = {}
    links: dict[int, str] = {}
    for directory, names, files in os.walk(root):
        for name in sorted([*names, *files]):
            path = Path(directory, name)
            status = path.lstat()
            what: tuple[object, ...] = (stat.S_IFMT(status.st_mode),)
            if stat.S_ISREG(status.st_mode):
                what += (stat.S_IMODE(status.st_mode), status.st_mtime_ns, path.read_bytes())
            elif stat.S_ISLNK(status.st_mode):
                what += (path.readlink(),)
            elif stat.S_ISDIR(status.st_mode):
                what += (stat.S_IMODE(status.st_mode), tuple(os.listxattr(path)))
            found[str(path.relative_to(root))] = (*what, links.setdefault(status.st_ino, str(path.relative_to(root))))
    return found


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(
    lambda name: name not in {".", ".."} and len(os.fsencode(name)) < 200
)
nodes = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=50), st.sampled_from([0o644, 0o755, 0o600, 0o444])),
    st.tuples(st.just("large"), st.integers(30_000, 300_000), st.sampled_from([0o644, 0o755])),
    st.tuples(st.just("link"), st.sampled_from(["a", "../../..", "/etc/passwd", "missing"])),
    st.tuples(st.just("directory"), st.sampled_from([0o755, 0o700, 0o1777, 0o555])),
    st.tuples(st.just("again")),
)
trees = st.recursive(nodes, lambda inner: st.dictionaries(names, inner, max_size=5), max_leaves=12)


def make(tree: object, path: Path, made: list[Path]) -> None:
    """Make what hypothesis has thought of."""
    match tree:
        case dict():
            path.mkdir()
            for name, inner in tree.items():
                make(inner, path / name, made)
        case ("file", bytes(data), int(mode)):
            path.write_bytes(data)
            path.chmod(mode)
            os.utime(path, ns=(PAST, PAST + len(made)))
            made.append(path)
        case ("large", int(size), int(mode)):
            path.write_bytes(bytes([size % 256]) * size)
            path.chmod(mode)
            os.utime(path, ns=(PAST, PAST + len(made)))
            made.append(path)
        case ("link", str(target)):
            path.symlink_to(target)
        case ("directory", int(mode)):
            path.mkdir(mode)
            path.chmod(mode)
        case ("again",) if made:
            path.hardlink_to(made[-1])
