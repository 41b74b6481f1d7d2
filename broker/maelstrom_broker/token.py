"""The token that whoever connects must have: read from its file, or made. Imports `errors` of the core only."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from maelstrom_core.errors import ConfigError

LONGEST = 256
"""Characters; the protocol takes no more."""


def token_of(path: Path) -> str:
    """Return the token in a file, which is made with a random one if it is not there, for its owner only.

    Raises ConfigError for a file that cannot be read or made, that others can read, or that holds no token.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return _read(path)
        with os.fdopen(descriptor, "w") as stream:
            token = secrets.token_urlsafe(32)
            stream.write(f"{token}\n")
            return token
    except OSError as error:
        raise ConfigError(f"failed to read or make the token file {path}: {error.strerror}") from None


def _read(path: Path) -> str:
    with path.open("rb") as stream:
        if stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & 0o077:
            raise ConfigError(
                f"the token file {path} can be read by others", hint=f"chmod 600 {path}, and change the token"
            )
        token = stream.read(LONGEST + 2).decode("ascii", "replace").strip()
    if not token or len(token) > LONGEST or not token.isprintable() or not token.isascii():
        raise ConfigError(
            f"the token file {path} holds no token",
            hint=f"one line of ASCII, {LONGEST} characters at most; or delete it",
        )
    return token
