"""Files that are there whole or not at all. Imports nothing of the project."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


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
