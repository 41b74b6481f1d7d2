"""Which numbers a user and a group of an image have: by the image's own /etc/passwd and /etc/group.

These are looked for in the layers as an overlay would, but no symbolic link is followed: the layers are not mounted,
and a link would lead out of them. Imports nothing of the project but the errors and the tree writer's attribute.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from maelstrom_container.tree_writer import OPAQUE_ATTRIBUTE
from maelstrom_core.errors import UserError

_MAXIMUM_FILE = 4 << 20
_MAXIMUM_ID = 2**32 - 2


def find_user(text: str, layers: Sequence[str], what: str) -> tuple[int, int]:
    """Return the user and the group that `USER[:GROUP]` means; `layers` are directories, from the bottom up.

    Without a group it is the user's own, 0 where that is not known. Raises UserError for names that are not there.
    """
    user, _, group = text.partition(":")
    if not user and not group:
        return 0, 0
    users = _entries(layers, "passwd", 4)
    found = next((entry for entry in users if entry[0] == user), None) or next(
        (entry for entry in users if entry[2] == user), None
    )
    number = _number(user) if _number(user) is not None else _number(found[2]) if found else None
    if number is None:
        raise UserError(f"{what} is to be run as the user `{user[:100]}`, who is not in its /etc/passwd")
    if not group:
        own = _number(found[3]) if found else 0
        return number, own if own is not None else 0
    groups = {entry[0]: entry[2] for entry in reversed(_entries(layers, "group", 3))}
    group_number = _number(group) if _number(group) is not None else _number(groups.get(group, ""))
    if group_number is None:
        raise UserError(f"{what} is to be run as the group `{group[:100]}`, which is not in its /etc/group")
    return number, group_number


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= _MAXIMUM_ID else None


def _entries(layers: Sequence[str], name: str, fields: int) -> list[list[str]]:
    lines = _read(layers, name).decode(errors="replace").splitlines()
    return [parts for line in lines if len(parts := line.split(":")) >= fields]


def _read(layers: Sequence[str], name: str) -> bytes:
    """Return the file of /etc that the topmost layer with it has; nothing if there is none."""
    for layer in reversed(layers):
        try:
            if not stat.S_ISDIR(os.lstat(f"{layer}/etc").st_mode):
                return b""  # a whiteout, or a link
        except FileNotFoundError:
            continue
        directory = os.open(f"{layer}/etc", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if _there(directory, name):
                return _contents(directory, name)
            if _opaque(directory):
                return b""
        finally:
            os.close(directory)
    return b""


def _there(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _contents(directory: int, name: str) -> bytes:
    if not stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        return b""
    with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory), "rb") as file:
        return file.read(_MAXIMUM_FILE)


def _opaque(directory: int) -> bool:
    try:
        return os.getxattr(directory, OPAQUE_ATTRIBUTE) == b"y"
    except OSError:
        return False
