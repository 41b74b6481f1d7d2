"""What cannot be written is a mistake of whoever named the place: said as such, with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maelstrom_core.errors import UserError


@contextmanager
def writing(what: str, path: Path | str, hint: str) -> Iterator[None]:
    """Have an OSError within become a UserError, which says that `what` could not be written to `path`."""
    try:
        yield
    except OSError as error:
        raise UserError(f"failed to write {what} to {path}: {error.strerror}", hint=hint) from error
