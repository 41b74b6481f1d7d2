"""How the program of a native runner was called. Must not import asyncio: it is known before that is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from maelstrom_test_runner.runner_file import RunnerFile
from maelstrom_test_runner.selecting import Selection


class NativeCall(msgspec.Struct, frozen=True, kw_only=True):
    """How a native runner was called, beside its configuration."""

    directory: Path
    root: Path
    """The project's."""
    environment: Mapping[str, str]
    file: RunnerFile
    file_name: str
    selection: Selection = Selection()
    listing: bool = False
    """Print the names of the tests, run none."""
    dry_run: bool = False
    """Print the jobs of the tests, run none."""
    first: tuple[str, ...] = ()
    """Files that have changed, absolute: tests which that concerns run first."""

    @property
    def project(self) -> Path:
        """Where relative paths of containers start, and what image tags mean is noted."""
        return self.root if self.file.path is None else self.file.path.parent
