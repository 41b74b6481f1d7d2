"""Which files of a project match a pattern.

`*` and `**` match any text, slashes too; `**/` as a whole component also matches no directory at all; braces alternate.
The walk starts at the longest part of the pattern that is plain text. It does not enter symlinks, version control data,
nor directories marked as caches by a CACHEDIR.TAG, unless the pattern's plain part does (docs/decisions/layers.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from maelstrom_core.errors import SpecError

VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr", ".jj"})
TAG = "CACHEDIR.TAG"
_MAX_EXPANSIONS = 1000
_MAX_STARS = 4


def find_files(pattern: str, project_directory: str) -> list[str]:
    """Return the paths, relative to the project directory and sorted, that match; directories and symlinks included.

    Raises SpecError for a pattern that is absolute, contains `..` or expands to too much.
    """
    found: set[str] = set()
    for start, matches in searches(pattern):
        found.update(path for path in _walk(project_directory, start) if matches(path))
    return sorted(found)


def searches(pattern: str) -> list[tuple[str, Callable[[str], object]]]:
    """Return where to search, at and below which paths, and what tells the paths there that match.

    Raises SpecError as `find_files`.
    """
    from wcmatch import fnmatch

    by_start: dict[str, list[str]] = {}
    for expanded in _expand(pattern):
        by_start.setdefault(_plain_start(expanded), []).extend(_without_empty_stars(expanded))
    found: list[tuple[str, Callable[[str], object]]] = []
    for start, patterns in by_start.items():
        includes, _excludes = fnmatch.translate(patterns, flags=fnmatch.DOTMATCH | fnmatch.CASE)
        found.append((start, re.compile("|".join(f"(?:{each})" for each in includes)).match))
    return found


def _expand(pattern: str) -> list[str]:
    import bracex

    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise SpecError(
            f"the glob {pattern} is not relative to the project directory",
            hint="use paths for files elsewhere, or run in another directory",
        )
    try:
        # bracex ends expansion where limits are passed, after a part of the work: both limits matter
        expanded = bracex.expand(pattern, keep_escapes=True, limit=_MAX_EXPANSIONS)
    except bracex.ExpansionLimitException:
        raise SpecError(f"the glob {pattern} expands to more than {_MAX_EXPANSIONS} patterns") from None
    return [each.removeprefix("./") for each in expanded]


def _plain_start(pattern: str) -> str:
    """Return the directory, or the path itself, that all matches lie at or below."""
    components = pattern.split("/")
    plain = 0
    while plain < len(components) and not re.search(r"[*?\[\\!]", components[plain]):
        plain += 1
    return "/".join(components[:plain])


def _without_empty_stars(pattern: str) -> list[str]:
    """Return patterns for each choice of `**/` components to match no directory."""
    parts = re.split(r"(?:(?<=/)|^)\*\*/", pattern)
    if len(parts) - 1 > _MAX_STARS:
        raise SpecError(f"the glob {pattern} has more than {_MAX_STARS} ** components")
    patterns = [parts[0]]
    for part in parts[1:]:
        patterns = [before + joint + part for before in patterns for joint in ("", "*/")]
    return patterns


def _walk(project_directory: str, start: str) -> Iterator[str]:
    """Yield everything at or below `start`, relative to the project directory."""
    root = os.path.join(project_directory, start)
    if start:
        if not os.path.lexists(root):
            return
        yield start
        if os.path.islink(root) and not os.path.isdir(root):
            return
    prefix = start + "/" if start else ""
    pending = [prefix]
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(os.path.join(project_directory, prefix)) as scan:
                entries = list(scan)
        except NotADirectoryError:
            continue
        except OSError as error:
            raise SpecError(f"failed to search {project_directory}/{prefix}: {error.strerror}") from None
        if prefix != (start + "/" if start else "") and any(entry.name == TAG for entry in entries):
            continue
        for entry in entries:
            yield prefix + entry.name
            if entry.is_dir(follow_symlinks=False) and entry.name not in VERSION_CONTROL:
                pending.append(prefix + entry.name + "/")
