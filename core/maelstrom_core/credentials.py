"""The tokens of a cluster, one for each role, in one file: read, and made where a broker starts for the first time.

    client = "..."      # may submit jobs
    worker = "..."      # may be given jobs
    monitor = "..."     # may look
    admin = "..."       # may look, cancel, drain and stop

The broker's file has all four. A machine that only works needs a file with `worker = ...` only, and so on. Imports
`errors` and `toml_file` of the project only.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from maelstrom_core.errors import ConfigError
from maelstrom_core.toml_file import load_toml

ROLES: Final = ("client", "worker", "monitor", "admin")
LONGEST = 256
"""Characters; the protocol takes no more."""
SHORTEST = 16
"""Characters that nobody guesses, if they are random."""

_HEAD = """\
# The tokens of this broker: whoever connects must have that of its role. Keep them secret.
# Copy to other machines only the lines that they need, into a file that nobody else can read.
"""
_WHAT = {
    "client": "may submit jobs",
    "worker": "may be given jobs",
    "monitor": "may look",
    "admin": "may look, cancel jobs, drain workers, and stop the broker",
}


class Credentials(msgspec.Struct, frozen=True):
    """What a file holds; an empty token lets nobody in."""

    client: str = ""
    worker: str = ""
    monitor: str = ""
    admin: str = ""

    def __repr__(self) -> str:
        """Return no secrets: this may come to stand in a log."""
        return "Credentials(...)"

    def permits(self, role: str, token: str) -> bool:
        """Tell whether somebody with this token may have this role.

        An admin may look, too; connections for artifacts are clients' and workers'.
        """
        if role == "artifacts":
            return _equal(self.client, token) | _equal(self.worker, token)
        return _equal(self.of(role), token) | (role == "monitor" and _equal(self.admin, token))

    def of(self, role: str) -> str:
        """Return the token of a role, empty if there is none."""
        return str(getattr(self, role)) if role in ROLES else ""


def make_or_read(path: Path) -> Credentials:
    """Return what a broker's file holds; it is made, with random tokens and for its owner only, if it is not there.

    Raises ConfigError as `read` does, for one that cannot be made, and for one that has not all roles.
    """
    if not path.exists():
        try:
            _make(path)
        except OSError as error:
            raise ConfigError(f"failed to make the credentials file {path}: {error.strerror}") from None
    found = read(path)
    if missing := [role for role in ROLES if not found.of(role)]:
        raise ConfigError(
            f"the credentials file {path} has no token for: {', '.join(missing)}",
            hint="a broker needs one for each role; delete the file to have new ones made",
        )
    return found


def read(path: Path, role: str = "") -> Credentials:
    """Return what a file holds.

    Raises ConfigError for one that is not there, cannot be read, can be read by others, or is none; and for one that
    has no token for the role that is asked for.
    """
    try:
        mode = path.stat().st_mode
        table = load_toml(path)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no credentials file {path}",
            hint="the broker makes it when it first starts; copy from there the line that is needed here",
        ) from None
    except OSError as error:
        raise ConfigError(f"failed to read the credentials file {path}: {error.strerror}") from None
    if mode & 0o077:
        raise ConfigError(
            f"the credentials file {path} can be read by others", hint=f"chmod 600 {path}, and change the tokens"
        )
    for name, value in table.items():
        if name not in ROLES:
            raise ConfigError(f"{path}: there is no role `{name}`", hint=f"the roles are {', '.join(ROLES)}")
        if not isinstance(value, str) or not SHORTEST <= len(value) <= LONGEST or not _plain(value):
            raise ConfigError(
                f"{path}: the token of `{name}` is none",
                hint=f"between {SHORTEST} and {LONGEST} characters of ASCII without spaces",
            )
    found = Credentials(**{name: str(value) for name, value in table.items()})
    if role and not found.of(role):
        raise ConfigError(
            f"the credentials file {path} has no token for the role `{role}`",
            hint=f"copy the line `{role} = ...` of the broker's file",
        )
    return found


def _make(path: Path) -> None:
    """Make the file whole, or not at all: a second broker that starts at the same time reads what the first made."""
    import secrets

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            lines = (f'{role} = "{secrets.token_urlsafe(32)}"  # {_WHAT[role]}\n' for role in ROLES)
            stream.write(_HEAD + "".join(lines))
        with contextlib.suppress(FileExistsError):
            os.link(scratch, path)
    finally:
        os.unlink(scratch)


def _plain(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token


def _equal(ours: str, theirs: str) -> bool:
    """Compare in a time that says nothing of where they differ; an empty one of ours equals nothing."""
    import hmac

    return bool(ours) and hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "surrogatepass"))
