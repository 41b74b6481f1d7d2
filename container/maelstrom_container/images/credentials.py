"""What is known of a user's registries: ~/.docker/config.json, and the helpers that it names.

Nothing is written, and nothing remembered. Imports the challenges (for the shape of credentials) and the errors.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping

import msgspec

from maelstrom_container.images.challenge import Credentials
from maelstrom_core.errors import ConfigError

_MAXIMUM_FILE = 4 << 20
_HELPER_TIMEOUT = 60.0
"""Seconds: it may ask the user for a password."""
_HUB_KEY = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"  # noqa: S105 - says that the secret is an identity token


class _Entry(msgspec.Struct, rename={"identity_token": "identitytoken"}):
    auth: str = ""
    username: str = ""
    password: str = ""
    identity_token: str = ""


class DockerConfig(msgspec.Struct, frozen=True, rename="camel"):
    """What is read of the file."""

    auths: dict[str, _Entry] = {}
    cred_helpers: dict[str, str] = {}
    creds_store: str = ""


class _Secret(msgspec.Struct, rename="pascal"):
    username: str = ""
    secret: str = ""


def find_credentials(address: str, *, hub: bool, environ: Mapping[str, str]) -> Credentials | None:
    """Return the credentials for a registry (host, and port if it has one); None if there are none.

    Raises ConfigError if the file cannot be read, or a helper that it names for this registry does not work.
    """
    path = config_path(environ)
    config = read_config(path)
    keys = registry_keys(address, hub=hub)
    helper = next((config.cred_helpers[key] for key in keys if key in config.cred_helpers), config.creds_store)
    found = _ask(helper, keys[0], path) if helper else None
    return found or find_in_file(config, keys, path)


def config_path(environ: Mapping[str, str]) -> str:
    """Return where the file is, or would be."""
    directory = environ.get("DOCKER_CONFIG") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".docker")
    return os.path.join(directory, "config.json")


def read_config(path: str) -> DockerConfig:
    """Return what the file says; nothing where there is no file. Raises ConfigError."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MAXIMUM_FILE + 1)
    except FileNotFoundError:
        return DockerConfig()
    except OSError as error:
        raise ConfigError(f"failed to read {path}: {error.strerror}") from None
    try:
        if len(data) > _MAXIMUM_FILE:
            raise msgspec.ValidationError("it is too large")
        return msgspec.json.decode(data, type=DockerConfig)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(
            f"failed to read the credentials of registries in {path}: {error}", hint="mend the file, or move it away"
        ) from None


def registry_keys(address: str, *, hub: bool) -> tuple[str, ...]:
    """Return the names that a registry may have in the file, the one that goes first being first."""
    if hub:
        return (_HUB_KEY, "index.docker.io", "docker.io", "registry-1.docker.io")
    return (address, f"https://{address}", f"https://{address}/v1/", f"https://{address}/v2/")


def find_in_file(config: DockerConfig, keys: tuple[str, ...], path: str) -> Credentials | None:
    """Return what the file itself holds for a registry. Raises ConfigError if that is malformed."""
    for key in keys:
        entry = config.auths.get(key) or config.auths.get(f"{key}/")
        if entry is None:
            continue
        user, password = entry.username, entry.password
        if entry.auth:
            try:
                user, colon, password = base64.b64decode(entry.auth, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                colon = ""
            if not colon:
                raise ConfigError(f"{path} has malformed credentials for {key}", hint="log in again")
            password = password.rstrip("\0")
        if user or entry.identity_token:
            return Credentials(user, password, entry.identity_token)
    return None


def _ask(helper: str, key: str, path: str) -> Credentials | None:
    """Return what a helper knows of a registry. Raises ConfigError if it does not work."""
    import subprocess

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", helper):
        raise ConfigError(f"{path} names `{helper}` for credentials, which cannot be the name of a helper")
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"], input=key.encode(), capture_output=True, timeout=_HELPER_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = f"it took more than {_HELPER_TIMEOUT:.0f} s" if not isinstance(error, OSError) else error.strerror
        raise ConfigError(
            f"failed to run {program} for the credentials of {key}: {reason}",
            hint=f"it is named in {path}: install it, or take it out",
        ) from None
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()[:200]
        if "not found" in said:
            return None
        raise ConfigError(f"{program} has no credentials for {key}: {said or f'exit code {done.returncode}'}")
    try:
        secret = msgspec.json.decode(done.stdout, type=_Secret)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ConfigError(f"{program} answered for {key} with something that is not understood") from None
    if secret.username == _TOKEN_USER:
        return Credentials(identity_token=secret.secret)
    return Credentials(secret.username, secret.secret) if secret.username else None
