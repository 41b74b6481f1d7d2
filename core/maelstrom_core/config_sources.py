"""Where configuration comes from: command line > program's variables > general variables > files > defaults.

Pure but for `read_files`. The command line comes in parsed; see `config_click`. May import `config`, `errors`,
`suggest`, `toml_file`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from maelstrom_core.config import Config, Program, Value
from maelstrom_core.errors import ConfigError
from maelstrom_core.suggest import hint

C = TypeVar("C", bound=Config)


class ConfigFile(NamedTuple):
    """The content of a configuration file; relative paths in it start at its directory."""

    path: Path
    values: Mapping[str, object]


class Resolved(Generic[C]):
    """A configuration, and for each value where it comes from."""

    def __init__(self, config: C, sources: Mapping[str, str]) -> None:
        self.config = config
        self.sources = sources

    def render(self) -> str:
        """Return the configuration as the text of a file, with its sources as comments."""
        lines = []
        for value in self.config.schema():
            setting = self.config.values[value.name]
            text = f"# {value.key} is not set" if setting is None else f"{value.key} = {value.kind.to_toml(setting)}"
            lines.append(f"{text}  # {self.sources[value.name]}")
        return "\n".join(lines)


def config_paths(program: Program, environ: Mapping[str, str]) -> list[Path]:
    """Return the files to look for, the most important first; as XDG wants, relative directories are ignored."""
    home = environ.get("XDG_CONFIG_HOME", "")
    if not home.startswith("/"):
        home = str(Path(environ.get("HOME") or Path.home()) / ".config")
    others = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    directories = [home, *(directory for directory in others if directory.startswith("/"))]
    return [Path(directory) / "maelstrom" / program.directory / "config.toml" for directory in directories]


def read_files(program: Program, environ: Mapping[str, str], chosen: str | None) -> list[ConfigFile]:
    """Read the configuration files: the `chosen` one alone, none for "-", by default those of XDG that exist.

    Raises ConfigError: the chosen file does not exist, or a file is unreadable or no TOML.
    """
    if chosen == "-":
        return []
    from maelstrom_core.toml_file import load_toml

    if chosen is not None:
        path = Path(chosen).absolute()
        try:
            return [ConfigFile(path, load_toml(path))]
        except FileNotFoundError:
            raise ConfigError(
                f"configuration file {chosen} does not exist", hint="`--config-file -` means no file"
            ) from None
    return [ConfigFile(path, load_toml(path)) for path in config_paths(program, environ) if path.is_file()]


def resolve(
    program: Program,
    schema: type[C],
    *,
    options: Mapping[str, object],
    environ: Mapping[str, str],
    files: Sequence[ConfigFile],
) -> Resolved[C]:
    """Return the configuration; `options` are the values given on the command line, by name.

    Raises ConfigError: a value is missing or wrong, a key of a file or a variable of the program is unknown.
    """
    values = schema.schema()
    _reject_unknown_keys(values, files)
    _reject_unknown_variables(program, values, environ)
    settings: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for value in values:
        settings[value.name], sources[value.name] = _look_up(program, value, options, environ, files)
    return Resolved(schema(**settings), sources)


def _look_up(
    program: Program,
    value: Value[Any],
    options: Mapping[str, object],
    environ: Mapping[str, str],
    files: Iterable[ConfigFile],
) -> tuple[object, str]:
    source = ""
    try:
        if value.name in options:
            source = f"option --{value.key}"
            return value.kind.from_option(options[value.name]), source
        for variable in value.variables(program):
            if variable in environ:
                source = f"environment variable {variable}"
                return value.kind.from_text(environ[variable]), source
        for file in files:
            if value.key in file.values:
                source = f"file {file.path}"
                return value.kind.from_file(file.values[value.key], file.path.parent), source
    except ValueError as error:
        key = f", key `{value.key}`" if source.startswith("file") else ""
        raise ConfigError(f"{source}{key}: {error}") from None
    if value.required:
        raise _missing(program, value)
    return value.make_default(environ), "default"


def _missing(program: Program, value: Value[Any]) -> ConfigError:
    variables = " or ".join(value.variables(program))
    return ConfigError(
        f"a value for `{value.key}` is missing",
        hint=f"give option --{value.key}, set environment variable {variables}, "
        f"or write `{value.key}` in a configuration file",
    )


def _reject_unknown_keys(values: Iterable[Value[Any]], files: Iterable[ConfigFile]) -> None:
    known = [value.key for value in values]
    for file in files:
        for key in file.values:
            if key not in known:
                raise ConfigError(f"file {file.path}: unknown key `{key}`", hint=hint(key, known))


def _reject_unknown_variables(program: Program, values: Iterable[Value[Any]], environ: Mapping[str, str]) -> None:
    # Variables with the general prefix may be meant for other programs; those with the program's own cannot.
    prefix = program.environment_prefixes[0]
    known = [prefix + value.name.upper() for value in values]
    for variable in environ:
        if variable.startswith(prefix) and variable not in known:
            raise ConfigError(f"unknown environment variable {variable}", hint=hint(variable, known))
