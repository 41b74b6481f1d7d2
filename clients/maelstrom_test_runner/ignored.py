"""Which files of a project are of no interest to who watches it: those that git ignores, and our own reports.

Reads `.gitignore` files, of the directory of a file and those above it up to the root; pathspec knows what they mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pathspec import GitIgnoreSpec

SIZE_LIMIT = 1_000_000


class Ignored:
    """Tells which paths below `root` are ignored; `outputs`, and all in `built`, are, whatever git says."""

    def __init__(self, root: Path, outputs: Iterable[Path] = (), built: Iterable[Path] = ()) -> None:
        self._root = root
        outputs = tuple(outputs)
        self._outputs = frozenset(str(path) for path in outputs)
        # the names of files that are put in place of others: see maelstrom_core.whole_file
        self._scratch = (
            *(f"{path.parent}/.{path.name[:200]}" for path in outputs),
            *(f"{path}/" for path in built),
        )
        self._specs: dict[Path, GitIgnoreSpec | None] = {}

    def forget(self) -> None:
        """Read the files again that say what is ignored."""
        self._specs.clear()

    def __call__(self, path: str) -> bool:
        """Return whether a file, which may be gone already, is ignored: itself, or a directory that it is in."""
        if path in self._outputs or path.startswith(self._scratch):
            return True
        try:
            parts = Path(path).relative_to(self._root).parts
        except ValueError:
            return True
        return any(self._matches(parts[:length], directory=length < len(parts)) for length in range(1, len(parts) + 1))

    def _matches(self, parts: tuple[str, ...], *, directory: bool) -> bool:
        """Ask the rules from the nearest on: the first that has one for the path decides."""
        if parts == (".git",):
            return True
        for depth in range(len(parts) - 1, -1, -1):
            spec = self._spec(self._root.joinpath(*parts[:depth]))
            if spec is None:
                continue
            name = "/".join(parts[depth:]) + ("/" if directory else "")
            included = spec.check_file(name).include
            if included is not None:
                return included
        return False

    def _spec(self, directory: Path) -> GitIgnoreSpec | None:
        if directory not in self._specs:
            self._specs[directory] = _read(directory / ".gitignore")
        return self._specs[directory]


def _read(path: Path) -> GitIgnoreSpec | None:
    try:
        with path.open("rb") as file:
            text = file.read(SIZE_LIMIT).decode(errors="surrogateescape")
    except OSError:
        return None
    try:
        return GitIgnoreSpec.from_lines(text.splitlines())
    except ValueError:  # a pattern that is none: git passes over it, and so over nothing else here
        return None
