"""Which digest a tag meant when it was first used: `maelstrom-container-tags.lock` of a project.

    version = 1

    [busybox]
    latest = "sha256:..."

From then on the tag means that, until somebody asks anew or takes the line away: runs of today and tomorrow see the
same image, and need no network to find out. Imports the names, the documents' digests and the errors.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from maelstrom_container.images.name import check_digest
from maelstrom_core.errors import ConfigError, InfrastructureError
from maelstrom_core.toml_file import load_toml

FILE_NAME = "maelstrom-container-tags.lock"
VERSION = 1
_HINT = "mend it, or delete it to have every tag looked up anew"

Tags = Mapping[str, Mapping[str, str]]
"""Digests by name and tag."""


def parse_tags(document: Mapping[str, object], path: str) -> dict[str, dict[str, str]]:
    """Return what the file says. Raises ConfigError if it is of another version, or malformed."""
    version = document.get("version")
    if version != VERSION:
        raise ConfigError(f"{path} has the version {version!r}, not {VERSION}", hint=_HINT)
    tags: dict[str, dict[str, str]] = {}
    for name, entries in document.items():
        if name == "version":
            continue
        if not isinstance(entries, dict):
            raise ConfigError(f"{path}: `{name}` is no table of tags", hint=_HINT)
        for tag, digest in entries.items():
            if not isinstance(digest, str) or not check_digest(digest):
                raise ConfigError(f"{path}: `{name}` has no digest for the tag `{tag}`", hint=_HINT)
        tags[name] = entries
    return tags


def render_tags(tags: Tags) -> str:
    """Return the text of the file, sorted, so that equal contents are equal files."""
    parts = [f"version = {VERSION}\n"]
    for name in sorted(tags):
        lines = [f'{_key(tag)} = "{digest}"\n' for tag, digest in sorted(tags[name].items())]
        parts.append(f"[{_key(name)}]\n{''.join(lines)}")
    return "\n".join(parts)


def read_tags(project_directory: Path) -> dict[str, dict[str, str]]:
    """Return what the project's file says; nothing where there is none. Raises ConfigError."""
    path = project_directory / FILE_NAME
    try:
        return parse_tags(load_toml(path), str(path))
    except FileNotFoundError:
        return {}


def write_tag(project_directory: Path, name: str, tag: str, digest: str) -> None:
    """Note what a tag means; others may write at the same time. Raises ConfigError, InfrastructureError."""
    path = project_directory / FILE_NAME
    try:
        # the directory is locked, not the file: the file is replaced, and no second one is needed
        directory = os.open(project_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            tags = read_tags(project_directory)
            tags.setdefault(name, {})[tag] = digest
            _replace(path, render_tags(tags))
        finally:
            os.close(directory)
    except OSError as error:
        raise InfrastructureError(
            f"failed to write {path}: {error.strerror or error}",
            hint="make the directory writable, or name the image by its digest: docker://NAME@DIGEST",
        ) from None


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else json.dumps(text, ensure_ascii=False)
