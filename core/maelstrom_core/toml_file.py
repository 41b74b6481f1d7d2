"""Reads TOML files, with errors that name file, line and column.

Imports nothing of the project but `errors`: programs read configuration before they need anything else.
"""

from __future__ import annotations

import re
from pathlib import Path

from maelstrom_core.errors import ConfigError

MAXIMUM_FILE_SIZE = 16 * 1024 * 1024
"""Bytes of a configuration file; anything larger is not one."""


def load_toml(path: Path) -> dict[str, object]:
    """Read a TOML file; FileNotFoundError passes, so that callers decide whether the file has to exist.

    Raises ConfigError naming the file, and line and column where its text is not TOML.
    """
    import tomllib

    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_FILE_SIZE + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"failed to read {path}: {error.strerror or error}") from error
    if len(data) > MAXIMUM_FILE_SIZE:
        raise ConfigError(f"failed to read {path}: it has more than {MAXIMUM_FILE_SIZE} bytes")
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: the file is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_toml_error(path, str(error), data.decode())) from error
    except (RecursionError, ValueError) as error:  # nested absurdly deep; an integer of thousands of digits
        raise ConfigError(f"{path}: the file is not usable TOML: {error}") from error


def _toml_error(path: Path, text: str, document: str) -> str:
    # Python 3.14 has the position as attributes, all versions have it at the end of the message.
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", text, re.DOTALL)
    if match is None:
        return f"{path}: {text}"
    line, column = match[2], match[3]
    if line is None:
        line, column = str(document.count("\n") + 1), str(len(document) - document.rfind("\n"))
    return f"{path}:{line}:{column}: {match[1][:1].lower()}{match[1][1:]}"
