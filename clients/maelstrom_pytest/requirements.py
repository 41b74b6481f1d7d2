"""What pip is to install for a project's tests in a container of an image: which files say so, and what they say.

Reads files of the project, runs nothing. Imports nothing of the client.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from maelstrom_core.errors import UserError
from maelstrom_core.toml_file import load_toml

DEFAULT_FILES = ("test-requirements.txt", "requirements-test.txt")
GROUPS = ("test", "tests", "testing", "dev")
"""Of pyproject.toml, the one that goes first being first: dependency groups, else extras."""
BUILD_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
"""What an editable installation is made from."""
_PASSED_OVER = frozenset({"__pycache__", ".pytest_cache", ".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv"})
_NESTED = re.compile(r"(?:-r|--requirement|-c|--constraint)[\s=]*(.+)")
_EDITABLE = re.compile(r"(?:-e|--editable)[\s=]+(.+)")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_EXTRAS = re.compile(r"\[[^\]]*\]$")
_MAX_FILES = 100
_MAX_SIZE = 1 << 20
_MAX_LOCAL_FILES = 50_000


class Requirements(msgspec.Struct, frozen=True):
    """What to install."""

    arguments: tuple[str, ...] = ()
    """Of `pip install`; none if there is nothing to be installed."""
    files: tuple[str, ...] = ()
    """The files of requirements that pip reads, absolute."""
    fingerprint: tuple[tuple[str, str], ...] = ()
    """All that the result depends on, as far as it is the project's: names, and what is there."""
    shown: str = ""
    """Where they are from, for messages."""


def find_requirements(directory: Path, root: Path, named: Sequence[str] | None) -> Requirements:
    """Return the requirements of the tests of a project, called in `directory`.

    Those that were named; else the first there is of DEFAULT_FILES; else what pyproject.toml says. Raises UserError
    where a file is missing or cannot be read.
    """
    places = tuple(dict.fromkeys((directory, root)))
    if named is not None:
        return of_files([_locate(name, places) for name in named], directory)
    for place in places:
        for name in DEFAULT_FILES:
            if (place / name).is_file():
                return of_files([place / name], directory)
    for place in places:
        if (place / "pyproject.toml").is_file():
            return of_pyproject(place / "pyproject.toml")
    return Requirements()


def of_files(paths: Sequence[Path], directory: Path) -> Requirements:
    """Return what files of pip's format ask for; relative paths in them mean what they do for pip."""
    contents: dict[str, str] = {}
    local: dict[str, str] = {}
    todo = list(paths)
    while todo:
        path = Path(os.path.normpath(todo.pop()))
        if str(path) in contents:
            continue
        if len(contents) == _MAX_FILES:
            raise UserError(f"failed to read {path}: there are more than {_MAX_FILES} files of requirements")
        contents[str(path)] = text = _read(path)
        for line in _lines(text):
            if nested := _NESTED.match(line):
                name = nested[1].strip().strip("\"'")
                if "://" not in name:
                    todo.append(path.parent / name)
            elif (found := _local(line, directory)) is not None:
                local[found[0]] = describe_local(found[0], editable=found[1])
    return Requirements(
        arguments=tuple(word for path in paths for word in ("-r", str(path))),
        files=tuple(sorted(contents)),
        # without the project's own directory: projects that ask for the same share what is installed
        fingerprint=(
            *((os.path.relpath(path, paths[0].parent), text) for path, text in sorted(contents.items())),
            *sorted(local.items()),
        ),
        shown=", ".join(str(path) for path in paths),
    )


def of_pyproject(path: Path) -> Requirements:
    """Return what pyproject.toml asks for: the project, editable, if it says how to build it, and its test group.

    Raises UserError where groups cannot be understood.
    """
    document = load_toml(path)
    project = _table(document, "project")
    groups = _table(document, "dependency-groups")
    extras = _table(project, "optional-dependencies")
    group = next((name for name in GROUPS if name in groups), None)
    extra = next((name for name in GROUPS if name in extras), None) if group is None else None
    built = "build-system" in document
    wanted = _group(groups, group, path) if group is not None else []
    if not built:
        wanted += _texts(project.get("dependencies", []), path, "dependencies")
        wanted += _texts(extras[extra], path, f"optional-dependencies.{extra}") if extra is not None else []
    if options := [each for each in wanted if each.lstrip().startswith("-")]:
        raise UserError(f"failed to read the requirements of {path}: `{options[0]}` is no requirement")
    editable = ("-e", f"{path.parent}[{extra}]" if extra is not None else str(path.parent)) if built else ()
    if not wanted and not editable:
        return Requirements()
    local = ((str(path.parent), describe_local(str(path.parent), editable=True)),) if built else ()
    return Requirements((*editable, *wanted), (), (("pyproject.toml", "\n".join(wanted)), *local), str(path))


def describe_local(path: str, *, editable: bool) -> str:
    """Return a text that is another one when something has changed that would be installed from a path."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise UserError(f"failed to find what is to be installed: {path}: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode):
        return f"{status.st_size} {status.st_mtime_ns}"
    if editable:
        texts = (_read(Path(path, name)) for name in BUILD_FILES if os.path.isfile(os.path.join(path, name)))
        return "\0".join(texts)
    lines = []
    for file, found in _walk(path):
        lines.append(f"{os.path.relpath(file, path)} {found.st_size} {found.st_mtime_ns}")
        if len(lines) > _MAX_LOCAL_FILES:
            raise UserError(f"failed to look at {path}: it has more than {_MAX_LOCAL_FILES} files", hint="use -e")
    return "\n".join(lines)


def _locate(name: str, places: Sequence[Path]) -> Path:
    for place in places:
        path = place / os.path.expanduser(name)
        if path.is_file():
            return path
    raise UserError(f"failed to find the requirements {name} in {places[0]}", hint="give --requirements existing files")


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        raise UserError(f"failed to read the requirements {path}: {getattr(error, 'strerror', error)}") from None
    if len(text) > _MAX_SIZE:
        raise UserError(f"failed to read the requirements {path}: there are more than {_MAX_SIZE} characters")
    return text


def _lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if line := _COMMENT.sub("", line).strip():
            yield line


def _local(line: str, directory: Path) -> tuple[str, bool] | None:
    """Return the path that a requirement names and whether it is editable; None if it names something else."""
    editable = _EDITABLE.match(line)
    try:
        word = next(iter(shlex.split(editable[1] if editable else line)), "")
    except ValueError:  # for pip to complain about
        return None
    if " @ file:" in line:
        word = line.partition(" @ ")[2].split()[0]
    if word.startswith("file:"):
        word = word.removeprefix("file:").removeprefix("//").partition("#")[0]
    elif "://" in word or not (editable or word.startswith((".", "/"))):
        return None
    return os.path.normpath(directory / _EXTRAS.sub("", word)), editable is not None


def _walk(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    for parent, directories, names in os.walk(directory):
        directories[:] = sorted(set(directories) - _PASSED_OVER)
        for name in sorted(names):
            path = os.path.join(parent, name)
            try:
                yield path, os.lstat(path)
            except OSError:
                continue


def _group(groups: Mapping[str, object], name: str, path: Path, chain: tuple[str, ...] = ()) -> list[str]:
    """Return the requirements of a dependency group, those of groups that it includes among them."""
    if name in chain or name not in groups:
        problem = "includes itself" if name in chain else "does not exist"
        raise UserError(f"failed to read the requirements of {path}: the dependency group `{name}` {problem}")
    entries = groups[name]
    found: list[str] = []
    for entry in entries if isinstance(entries, list) else [None]:
        if isinstance(entry, str):
            found.append(entry)
        elif isinstance(entry, dict) and isinstance(entry.get("include-group"), str):
            found += _group(groups, entry["include-group"], path, (*chain, name))
        else:
            raise UserError(
                f"failed to read the requirements of {path}: the dependency group `{name}` is no list of requirements"
            )
    return found


def _table(parent: Mapping[str, object], name: str) -> dict[str, object]:
    table = parent.get(name)
    return table if isinstance(table, dict) else {}


def _texts(value: object, path: Path, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UserError(f"failed to read the requirements of {path}: `{name}` is no list of texts")
    return list(value)
