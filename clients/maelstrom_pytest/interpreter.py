"""Which Python runs a project's tests, and whether it can.

The one that was named; else the active virtual environment's; else one inside the project; else the one on PATH.
Its path is kept as it is found: resolving a virtual environment's symbolic link would lose the environment. Whether
pytest is installed is seen from the files there: starting an interpreter for it would take longer than most tests do.
Must not import pytest: the project's own is another one, in another interpreter.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from maelstrom_container.python_probe import PythonInfo, probe_python
from maelstrom_core.errors import UserError
from maelstrom_pytest.shown import search_path

MINIMUM_PYTEST = (7, 0)

_METADATA = re.compile(r"pytest-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info", re.IGNORECASE)
_VERSION = re.compile(r"^(?:__version__ = )?version = .*?['\"]([^'\"]+)['\"]", re.MULTILINE)
_MAX_VERSION_FILE = 10_000


class Interpreter(msgspec.Struct, frozen=True):
    """A Python that can run the tests."""

    executable: str
    """Absolute; the interpreter itself, never a script that would choose one."""
    version: tuple[int, int, int]
    pytest: str | None
    cache_tag: str | None = None
    """What it names its compiled files by, as in `cpython-312`."""


Prober = Callable[[str], PythonInfo]


def choose(
    named: str | None, directory: Path, root: Path, environment: Mapping[str, str], *, prober: Prober = probe_python
) -> Interpreter:
    """Return the interpreter that runs the tests of a project, called in `directory`.

    Raises UserError with the way out, and what `prober` raises.
    """
    info = prober(str(locate(named, directory, root, environment)))
    places = [*map(str, search_path(directory, environment)), *info.path, *info.site_packages]
    return require_usable(Interpreter(info.executable, info.version, find_pytest(places), info.cache_tag))


def candidates(directory: Path, root: Path, environment: Mapping[str, str]) -> list[Path]:
    """Return where interpreters are looked for, best first, whether they exist or not."""
    found = []
    active = environment.get("VIRTUAL_ENV")
    if active:
        found.append(Path(active, "bin", "python"))
    for project in dict.fromkeys((directory, root)):
        found += [project / ".venv" / "bin" / "python", project / "venv" / "bin" / "python"]
    for name in ("python3", "python"):
        path = shutil.which(name, path=environment.get("PATH", os.defpath))
        if path is not None:
            found.append(Path(path))
    return found


def locate(named: str | None, directory: Path, root: Path, environment: Mapping[str, str]) -> Path:
    """Return the interpreter to use; raises UserError if there is none."""
    if named is not None:
        path = shutil.which(os.path.expanduser(named), path=environment.get("PATH", os.defpath))
        if path is None:
            raise UserError(f"failed to find the interpreter {named}", hint="give --python an existing executable")
        return Path(os.path.abspath(path))
    for candidate in candidates(directory, root, environment):
        if os.access(candidate, os.X_OK):
            return Path(os.path.abspath(candidate))
    raise UserError(
        f"failed to find a Python for the tests of {root}",
        hint="activate the project's virtual environment, or name the interpreter with --python",
    )


def find_pytest(places: Iterable[str]) -> str | None:
    """Return the version of the pytest that is imported from directories like those of sys.path; None if none is."""
    for place in dict.fromkeys(places):
        try:
            names = os.listdir(place)
        except OSError:
            continue
        found = sorted(match[1] for name in names if (match := _METADATA.fullmatch(name)))
        if found:
            return found[-1]
        if "pytest" in names and (version := _stated_version(place)) is not None:  # a copy without metadata
            return version
    return None


def _stated_version(place: str) -> str | None:
    try:
        with open(os.path.join(place, "_pytest", "_version.py"), encoding="utf-8", errors="replace") as stream:
            match = _VERSION.search(stream.read(_MAX_VERSION_FILE))
    except OSError:
        return None
    return match[1] if match else None


def require_usable(interpreter: Interpreter) -> Interpreter:
    """Return the interpreter; raises UserError if its pytest is missing or too old."""
    executable = interpreter.executable
    install = f"{executable} -m pip install"
    if interpreter.pytest is None:
        version = ".".join(map(str, interpreter.version))
        raise UserError(
            f"failed to find pytest in the environment of {executable} (Python {version})",
            hint=f"install it with: {install} pytest",
        )
    if release(interpreter.pytest) < MINIMUM_PYTEST:
        raise UserError(
            f"failed to use pytest {interpreter.pytest} of {executable}: 7.0 or later is needed",
            hint=f"upgrade it with: {install} --upgrade 'pytest>=7'",
        )
    return interpreter


def release(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version text; zeros where there are none."""
    numbers = [int(part) if part.isdecimal() else 0 for part in version.split(".")[:2]]
    return numbers[0] if numbers else 0, numbers[1] if len(numbers) > 1 else 0
