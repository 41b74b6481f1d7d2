"""Importing other people's modules without what they import in turn and we have no use for. Imports nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def left_out(module: str) -> Iterator[None]:
    """Have `module` be as if it were not installed, for a `with` block in which something is imported.

    For what copes without it. A module that is there already is left as it is.
    """
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # documented: importing it raises ModuleNotFoundError then
    try:
        yield
    finally:
        del sys.modules[module]
