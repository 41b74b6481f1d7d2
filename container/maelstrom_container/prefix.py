"""How the path of a local file becomes its path in a container: the prefix options of a layer.

Imports the vocabulary of layers only.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath

from maelstrom_core.spec import PrefixOptions


def local_path(path: str, project_directory: str) -> str:
    """Return where a path of a layer is on this machine; relative ones start at the project directory."""
    return os.path.join(project_directory, path)


def container_path(path: str, options: PrefixOptions, project_directory: str) -> str:
    """Apply the options in their order: canonicalize, strip_prefix, prepend_prefix."""
    if options.canonicalize:
        path = os.path.realpath(local_path(path, project_directory))
    if options.strip_prefix is None and options.prepend_prefix is None:
        return path
    pure = PurePosixPath(path)
    if options.strip_prefix is not None and pure.is_relative_to(options.strip_prefix):
        pure = pure.relative_to(options.strip_prefix)
    if options.prepend_prefix is not None:
        pure = PurePosixPath(options.prepend_prefix) / str(pure).lstrip("/")
    return str(pure)


def follows(options: PrefixOptions) -> bool:
    """Tell whether the contents are those of what a symlink leads to."""
    return options.follow_symlinks or options.canonicalize
