"""The kinds of configuration values: how each is read from text and from TOML, and written.

A kind raises ValueError with a lower-case fragment ("0 is too small ..."); who reads a value adds where it stood.
Imports nothing of the project.
"""
# ruff: noqa: D102 - the methods are described by their base class

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

T_co = TypeVar("T_co", covariant=True)

_UNITS: Mapping[str, int] = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "pb": 10**15,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
    "pib": 2**50,
}
_SIZE = re.compile(r"\s*(\d{1,18})(?:\.(\d{1,18}))?\s*([A-Za-z]*)\s*", re.ASCII)


class Kind(ABC, Generic[T_co]):
    """How values of one type are read and written."""

    metavar = "TEXT"
    quoted = True
    """Whether it is a string in a configuration file."""

    @abstractmethod
    def from_text(self, text: str) -> T_co:
        """Return what the text of an option or an environment variable means."""

    @abstractmethod
    def from_toml(self, value: object) -> T_co:
        """Return what a value in a configuration file means."""

    def from_file(self, value: object, directory: Path) -> T_co:
        """Return what a value means in a configuration file that lies in `directory`."""
        del directory
        return self.from_toml(value)

    def from_option(self, value: object) -> T_co:
        """Return what the command line gave: a text, for flags a bool, for lists a tuple of texts."""
        return self.from_text(str(value))

    def to_toml(self, value: object) -> str:
        """Return `value` as it would be written in a configuration file."""
        text = self.to_text(value)
        return _quoted(text) if self.quoted else text

    def to_text(self, value: object) -> str:
        """Return `value` as it would be written on a command line."""
        return str(value)


class Text(Kind[str]):
    """Any text."""

    def from_text(self, text: str) -> str:
        return text

    def from_toml(self, value: object) -> str:
        if isinstance(value, str):
            return value
        raise _mismatch("a string", value)


class FilePath(Kind[Path]):
    """A path; `~` at its start is the home directory.

    A relative one starts where the program does, or at the directory of the configuration file that it stands in. It is
    made absolute here: processes that live elsewhere use it, too.
    """

    metavar = "PATH"

    def from_text(self, text: str) -> Path:
        path = self._expand(text)
        try:
            return path.absolute()
        except OSError as error:
            raise ValueError(f"`{text}` is relative, and the current directory is gone: {error.strerror}") from error

    def from_toml(self, value: object) -> Path:
        if isinstance(value, str):
            return self.from_text(value)
        raise _mismatch("a string", value)

    def from_file(self, value: object, directory: Path) -> Path:
        if isinstance(value, str):
            return directory / self._expand(value)
        raise _mismatch("a string", value)

    def _expand(self, text: str) -> Path:
        if not text:
            raise ValueError("an empty text is no path")
        if "\0" in text:
            raise ValueError("a path must not contain a NUL character")
        try:
            return Path(text).expanduser()
        except RuntimeError as error:  # a home directory that cannot be found out
            raise ValueError(f"`{text}` cannot be expanded: {error}") from error


class Integer(Kind[int]):
    """An integer within limits, both inclusive."""

    metavar = "N"
    quoted = False

    def __init__(self, minimum: int = 0, maximum: int = 2**63 - 1) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def from_text(self, text: str) -> int:
        if not re.fullmatch(r"\s*[+-]?\d{1,30}\s*", text, re.ASCII):
            raise ValueError(f"`{text}` is not an integer")
        return self._checked(int(text))

    def from_toml(self, value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return self._checked(value)
        raise _mismatch("an integer", value)

    def _checked(self, number: int) -> int:
        if number < self.minimum:
            raise ValueError(f"{number} is too small, the smallest is {self.minimum}")
        if number > self.maximum:
            raise ValueError(f"{number} is too big, the biggest is {self.maximum}")
        return number


class Address(NamedTuple):
    """Where something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class HostPort(Kind[Address]):
    """A host, or its address, and a TCP port: `host:port`, `[::1]:port`."""

    metavar = "HOST:PORT"

    def from_text(self, text: str) -> Address:
        match = re.fullmatch(r"\s*(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:/\[\]]+)):(\d{1,5})\s*", text, re.ASCII)
        if match is None or int(match[3]) > 65535:
            raise ValueError(f"`{text}` is not of the form host:port, or [address]:port for version 6 of IP")
        return Address(match[1] or match[2], int(match[3]))

    def from_toml(self, value: object) -> Address:
        if isinstance(value, str):
            return self.from_text(value)
        raise _mismatch("a string", value)


class Seconds(Kind[float]):
    """A duration, not negative."""

    metavar = "SECONDS"
    quoted = False

    def from_text(self, text: str) -> float:
        try:
            return self._checked(float(text))
        except ValueError:
            raise ValueError(f"`{text}` is no number of seconds") from None

    def from_toml(self, value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._checked(float(value))
        raise _mismatch("a number", value)

    def to_text(self, value: object) -> str:
        return f"{value:g}"

    def _checked(self, number: float) -> float:
        if not 0 <= number < float("inf"):
            raise ValueError(f"{number} is no number of seconds")
        return number


class Flag(Kind[bool]):
    """Yes or no."""

    metavar = ""
    quoted = False

    def from_text(self, text: str) -> bool:
        if text not in {"true", "false"}:
            raise ValueError(f"`{text}` is neither `true` nor `false`")
        return text == "true"

    def from_toml(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        raise _mismatch("true or false", value)

    def from_option(self, value: object) -> bool:
        return bool(value)

    def to_text(self, value: object) -> str:
        return "true" if value else "false"


class Choice(Kind[str]):
    """One of a few names."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.metavar = "|".join(names)

    def from_text(self, text: str) -> str:
        if text not in self.names:
            raise ValueError(f"`{text}` is not one of {', '.join(self.names)}")
        return text

    def from_toml(self, value: object) -> str:
        if isinstance(value, str):
            return self.from_text(value)
        raise _mismatch("a string", value)


class TextList(Kind[tuple[str, ...]]):
    """Texts: a repeated option, a variable split at white space, a TOML array."""

    metavar = "TEXT ..."

    def from_text(self, text: str) -> tuple[str, ...]:
        return tuple(text.split())

    def from_toml(self, value: object) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise _mismatch("a list of strings", value)

    def from_option(self, value: object) -> tuple[str, ...]:
        return tuple(str(item) for item in value) if isinstance(value, list | tuple) else (str(value),)

    def to_toml(self, value: object) -> str:
        return _quoted(list(value) if isinstance(value, tuple) else [value])

    def to_text(self, value: object) -> str:
        return self.to_toml(value) if value else "[]"


class Size(Kind[int]):
    """A number of bytes, written as an integer or as a text with a unit."""

    metavar = "SIZE"
    quoted = False

    def from_text(self, text: str) -> int:
        return parse_size(text)

    def from_toml(self, value: object) -> int:
        if isinstance(value, str):
            return parse_size(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return parse_size(str(value))
        raise _mismatch("a size, such as 1000 or '1.5 MB'", value)


def parse_size(text: str) -> int:
    """Return the bytes that a text such as `1000`, `1.23 MB` or `10MiB` means; raises ValueError.

    Units of the SI are powers of 1000, those with an `i` of 1024. Parts of a byte are cut off.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is not a size, such as 1000, 1.5 MB or 2 GiB")
    whole, fraction, unit = match[1], match[2] or "", match[3].lower()
    if unit not in _UNITS:
        raise ValueError(f"`{match[3]}` is not a unit of size; known are B, kB, MB, GB, TB, KiB, MiB, GiB, TiB")
    size = int(whole + fraction) * _UNITS[unit] // int("1" + "0" * len(fraction))
    if size > 2**63 - 1:
        raise ValueError(f"`{text}` is too big for a size")
    return size


def format_size(size: int) -> str:
    """Return a size for people: rounded, with a unit of the SI."""
    if size < 1000:
        return f"{size} B"
    number = size / 1000
    for unit in ("kB", "MB", "GB", "TB"):
        if round(number, 1) < 1000:
            return f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} PB"


def _quoted(value: str | list[object]) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _mismatch(expected: str, value: object) -> ValueError:
    text = repr(value)
    return ValueError(f"expected {expected}, got {text if len(text) < 60 else type(value).__name__}")
