"""What a program can be configured with: one declaration for options, environment variables and files.

    class RunConfig(LocalConfig):
        timeout = Value(Seconds(), "Kill a job after this time.", default=None, short="t")

    config.timeout      typed, read-only

From this declaration come the command line (`config_click`), the look-up in the environment and in files
(`config_sources`) and their documentation. Importing this module is cheap, and has to stay so: it needs nothing
of the project but `config_kinds`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar, overload

from maelstrom_core.config_kinds import Choice, FilePath, Flag, Integer, Kind, Size

T = TypeVar("T")


class _Required:
    """Type of REQUIRED, the default of values that have none."""


REQUIRED = _Required()
DefaultFactory = Callable[[Mapping[str, str]], T]
"""Makes a default from the environment variables."""


class Program(NamedTuple):
    """What a program is called, and where its configuration is looked for."""

    name: str
    directory: str
    """Below `maelstrom/` in the configuration directories."""

    @property
    def environment_prefixes(self) -> tuple[str, str]:
        """What the names of its variables begin with, the one that goes first being first."""
        return self.name.upper().replace("-", "_") + "_", "MAELSTROM_"


class Value(Generic[T]):
    """One value of a Config: a descriptor. Its attribute name gives those of option, variable and key."""

    def __init__(
        self,
        kind: Kind[T],
        description: str,
        *,
        default: T | _Required = REQUIRED,
        factory: DefaultFactory[T] | None = None,
        default_text: str | None = None,
        short: str | None = None,
    ) -> None:
        self.kind = kind
        self.description = description
        self.default = default
        self.factory = factory
        self.default_text = default_text
        self.short = short
        self.name = ""

    def __set_name__(self, owner: type[Config], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type[Config]) -> Value[T]: ...
    @overload
    def __get__(self, instance: Config, owner: type[Config]) -> T: ...
    def __get__(self, instance: Config | None, owner: type[Config]) -> Value[T] | T:
        if instance is None:
            return self
        value: T = instance.values[self.name]
        return value

    def __set__(self, instance: Config, value: object) -> NoReturn:
        raise AttributeError(f"a configuration does not change: {self.name}")

    @property
    def key(self) -> str:
        """The name in files, and of the option."""
        return self.name.replace("_", "-")

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.factory is None and self.default is REQUIRED

    def variables(self, program: Program) -> tuple[str, ...]:
        """Return the names of its environment variables, the one that goes first being first."""
        return tuple(prefix + self.name.upper() for prefix in program.environment_prefixes)

    def make_default(self, environ: Mapping[str, str]) -> T:
        """Return the default; only for values that are not required."""
        if self.factory is not None:
            return self.factory(environ)
        if isinstance(self.default, _Required):
            raise TypeError(f"no value for {self.name}")
        return self.default


class Config:
    """Base of configurations: subclasses declare their values. Made of values by name; the others get defaults."""

    def __init__(self, **values: Any) -> None:
        known = {value.name: value for value in self.schema()}
        if unknown := values.keys() - known.keys():
            raise TypeError(f"unknown values: {', '.join(sorted(unknown))}")
        self.values: Mapping[str, Any] = {
            name: values[name] if name in values else value.make_default(os.environ) for name, value in known.items()
        }

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"{type(self).__name__}({inner})"

    @classmethod
    def schema(cls) -> tuple[Value[Any], ...]:
        """Return the values, those of base classes first; one that is declared again keeps its place."""
        found: dict[str, Value[Any]] = {}
        for base in reversed(cls.__mro__):
            found.update({name: value for name, value in vars(base).items() if isinstance(value, Value)})
        return tuple(found.values())


# values that several programs share

DEFAULT_CACHE_SIZE = 10_000_000_000


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory for caches: `maelstrom` in XDG_CACHE_HOME; a relative one is ignored, as XDG wants."""
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path(environ.get("HOME") or Path.home()) / ".cache"
    return (base / "maelstrom").absolute()


def credentials_path(environ: Mapping[str, str]) -> Path:
    """Return the file of the cluster's tokens: in XDG_STATE_HOME; a relative one is ignored, as XDG wants."""
    base = Path(environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = Path(environ.get("HOME") or os.path.expanduser("~")) / ".local" / "state"
    return base / "maelstrom" / "broker" / "credentials.toml"


def processors(_environ: Mapping[str, str] = os.environ) -> int:
    """Return how many processors this process may use."""
    return min(len(os.sched_getaffinity(0)), 1000)


class LoggingConfig(Config):
    """What every program has."""

    log_level = Value(
        Choice("error", "warning", "info", "debug"),
        "Least important messages that are logged.",
        default="warning",
        short="L",
    )


class LocalConfig(LoggingConfig):
    """What every program has that runs jobs on this machine."""

    cache_root = Value(
        FilePath(),
        "Directory for layers and other things that are kept between runs.",
        factory=cache_directory,
        default_text="maelstrom in the user's cache directory",
    )
    cache_size = Value(
        Size(),
        "Size that the cache is brought back to, as far as what is in use allows.",
        default=DEFAULT_CACHE_SIZE,
        default_text="10 GB",
    )
    inline_limit = Value(
        Size(),
        "Bytes of a job's standard output, and of its standard error, that come from a cluster with its result; the"
        " rest is fetched.",
        default=1_000_000,
        default_text="1 MB",
    )
    slots = Value(
        Integer(1, 1000),
        "Jobs that run at the same time on this machine.",
        factory=processors,
        default_text="the number of processors",
    )


class ImagesConfig(LocalConfig):
    """What every program has that runs jobs in containers of images."""

    update_image = Value(
        Flag(),
        "Look up anew what the tags of images mean, and note it in maelstrom-container-tags.lock.",
        default=False,
    )
    progress = Value(Flag(), "Tell of downloads of images, how far they are if there is a terminal.", default=True)
    accept_invalid_remote_container_tls_certs = Value(
        Flag(), "Accept registries of images whose certificates are not valid.", default=False
    )
