"""The file of a project for one runner, such as maelstrom-pytest.toml: directives, containers, configuration values.

The nearest one counts, from the current directory up to the project's root. Beside `[[directives]]` and
`[containers.NAME]` it may hold whatever the runner can be configured with, which goes before the user's own files and
behind the command line and the environment. Must not import what runs tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from maelstrom_core.collapse import resolve
from maelstrom_core.config_sources import ConfigFile
from maelstrom_core.document import expect_table, join
from maelstrom_core.errors import ConfigError, SpecError, UserError
from maelstrom_core.spec import ContainerSpec
from maelstrom_core.spec_parse import parse_containers
from maelstrom_core.suggest import nearest
from maelstrom_core.toml_file import load_toml
from maelstrom_test_runner.directives import Directive, Directives, parse_directive
from maelstrom_test_runner.filter_parser import FilterError
from maelstrom_test_runner.filters import Language

TABLES = ("directives", "containers")
MOST = 1000
"""Directives in a file: each is looked at for each test."""


class RunnerFile(msgspec.Struct, frozen=True):
    """What there is to know of a project's file; without one there are no directives."""

    directives: Directives
    path: Path | None = None
    values: Mapping[str, object] = {}

    def config_files(self) -> list[ConfigFile]:
        """Return the file as a source of configuration values."""
        return [] if self.path is None else [ConfigFile(self.path, self.values)]


def find(name: str, directory: Path, root: Path) -> Path | None:
    """Return the file of this name that counts in a directory of a project."""
    for place in (directory, *directory.parents):
        if (place / name).is_file():
            return place / name
        if place == root:
            break
    return None


def load(path: Path, language: Language, values: Iterable[str]) -> RunnerFile:
    """Read a file; `values` are the names of what can be configured. Raises ConfigError, with a place and a hint."""
    document = load_toml(path)
    for key in document:
        # else a misspelt table would be called an unknown value
        if key not in TABLES and key not in values and (best := nearest(key, TABLES)) is not None:
            raise ConfigError(f"{path}: unknown table `{key}`", hint=f"did you mean `{best}`?")
    try:
        containers = parse_containers(document.get("containers", {}))
        directives = _directives(document.get("directives", []), language, path)
        for name, container in containers.items():
            _check_parents(container, containers, join("containers", name))
        for index, directive in enumerate(directives):
            _check_parents(directive.container, containers, f"directives[{index}]")
    except (SpecError, FilterError) as error:
        raise ConfigError(f"{_where(path, error.message)}: {error.message}", hint=error.hint) from None
    others = {key: value for key, value in document.items() if key not in TABLES}
    return RunnerFile(Directives(directives, containers), path, others)


def write_default(path: Path, contents: str) -> None:
    """Write a file for the user to fill in. Raises UserError where there is one, or where it cannot be written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(contents)
    except FileExistsError:
        raise already_there(path) from None
    except OSError as error:
        raise UserError(f"failed to write {path}: {error.strerror}") from error


def already_there(path: Path) -> UserError:
    """Return the error that there is a file."""
    return UserError(f"failed to write {path}: there is one already", hint="change it, or move it away first")


def _directives(value: object, language: Language, path: Path) -> list[Directive]:
    if not isinstance(value, list):
        expect_table(value, "directives")
        raise SpecError(
            "directives: this is one table, not a list of them", hint="write `[[directives]]`, twice bracketed"
        )
    if len(value) > MOST:
        raise ConfigError(f"{path}: there are more than {MOST} directives")
    return [parse_directive(item, language, f"directives[{index}]") for index, item in enumerate(value)]


def _check_parents(container: ContainerSpec, containers: Mapping[str, ContainerSpec], place: str) -> None:
    try:
        resolve(container, containers)
    except SpecError as error:
        raise SpecError(f"{place}: {error.message}", hint=error.hint) from None


def _where(path: Path, message: str) -> str:
    """Return the file, and the line of the table that a message is about, if it can be found.

    TOML's values have no positions; headers of tables are easy to find, and when there are as many as there are tables
    they are the right ones.
    """
    place = re.match(r"directives\[(\d+)]|containers\.([\w-]+)", message)
    if place is None:
        return str(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    wanted = r"\[\[\s*directives\s*]]" if place[1] else rf"\[\s*containers\s*\.\s*[\"']?{re.escape(place[2])}[\"']?\s*]"
    found = [number for number, line in enumerate(lines, 1) if re.match(rf"\s*{wanted}", line)]
    index = int(place[1] or 0)
    return f"{path}:{found[index]}" if index < len(found) else str(path)
