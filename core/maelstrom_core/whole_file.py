"""Files that are there whole or not at all. Imports nothing of the project."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def check_place(path: Path) -> None:
    """Raise OSError where `write_whole` could not put a file, as far as that can be known before there is one."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def write_whole(path: Path, contents: bytes, *, shared: bool = False) -> None:
    """Put a file in place by one rename, its directory with it; raises OSError, and leaves nothing then.

    Nobody else may read it, unless it is `shared`: then the process's mask decides.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(contents)
            if shared:
                mask = os.umask(0)
                os.umask(mask)
                os.fchmod(stream.fileno(), 0o666 & ~mask)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to be filled, put in place of `path` when the block ends without an exception; raises OSError.

    For large ones: it has no name until then, where the file system allows that, so that nothing is left even of who is
    killed. Its directory is made if it is missing; the process's mask decides who may read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    scratch = f".{path.name[:200]}-{os.urandom(6).hex()}"
    try:
        try:
            descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666, dir_fd=parent)
            named = False
        except OSError:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(scratch, flags, 0o666, dir_fd=parent)
            named = True
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream
            stream.flush()
            if not named:
                os.link(f"/proc/self/fd/{descriptor}", scratch, dst_dir_fd=parent, follow_symlinks=True)
            os.rename(scratch, path.name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(scratch, dir_fd=parent)
        raise
    finally:
        os.close(parent)
