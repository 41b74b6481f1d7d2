"""Showing directories of this machine at their own paths: the `host` layer, and what the others of its kind need.

Nothing is copied. What leads to a shown directory through symlinks (/bin -> usr/bin) is kept as symlinks. Secrets below
/etc are hidden. Imports the vocabulary only.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

import msgspec

from maelstrom_core.errors import SpecError
from maelstrom_core.job import HostTree, LayerDirectory, RealisedLayer
from maelstrom_core.spec import HostLayer, Symlink, SymlinksLayer

HOST_DIRECTORIES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix")
"""What makes programs of this machine run; those that are missing or empty are skipped."""

ETC_SECRETS = (
    "shadow",
    "shadow-",
    "gshadow",
    "gshadow-",
    ".pwd.lock",
    "security/opasswd",
    "sudoers",
    "sudoers.d",
    "doas.conf",
    "ssh",
    "ssl/private",
    "pki/tls/private",
    "krb5.keytab",
    "NetworkManager",
    "wpa_supplicant",
    "wireguard",
    "openvpn",
    "ipsec.d",
    "ipsec.secrets",
    "ppp",
    "netplan",
    "letsencrypt",
    "docker",
    "kubernetes",
    "rancher",
    "credstore",
    "credstore.encrypted",
)
"""Paths below /etc that hold keys and passwords."""

_MAX_LINKS = 40


class Resolved(msgspec.Struct, frozen=True):
    """A path without symlinks, and every symlink on the way: its own path, and its text."""

    path: str
    links: tuple[tuple[str, str], ...]


def resolve(path: str) -> Resolved:
    """Follow and remember all symlinks of an absolute path; what is missing is kept. Raises SpecError for a loop."""
    links: list[tuple[str, str]] = []
    done = "/"
    pending = [each for each in path.split("/") if each not in {"", "."}]
    while pending:
        component = pending.pop(0)
        if component == "..":
            done = os.path.dirname(done)
            continue
        here = os.path.join(done, component)
        try:
            target = os.readlink(here)
        except OSError:
            done = here
            continue
        links.append((here, target))
        if len(links) > _MAX_LINKS:
            raise SpecError(f"failed to resolve {path}: too many symbolic links")
        if target.startswith("/"):
            done = "/"
        pending = [each for each in target.split("/") if each not in {"", "."}] + pending
    return Resolved(done, tuple(dict.fromkeys(links)))


def is_within(path: str, directory: str) -> bool:
    """Tell whether a path is a directory or lies below it, by name only."""
    return PurePosixPath(path).is_relative_to(directory)


def realise_host(layer: HostLayer, copy: Callable[[SymlinksLayer], LayerDirectory]) -> tuple[RealisedLayer, ...]:
    """Return the trees of a host layer, and below them a layer with the symlinks that lead there.

    Raises SpecError for a path that is relative, the root, missing or no directory.
    """
    sources, links = [], dict[str, str]()
    for directory in layer.host:
        resolved = _check(directory)
        if resolved is not None:
            sources.append(resolved.path)
            links.update(resolved.links)
    trees = outermost([_tree(source) for source in dict.fromkeys(sources)])
    return (*links_layer(links, [tree.source for tree in trees], copy), *trees)


def links_layer(
    links: dict[str, str], shown: Iterable[str], copy: Callable[[SymlinksLayer], LayerDirectory]
) -> tuple[LayerDirectory, ...]:
    """Return a layer of the symlinks that lie outside of what is shown already; none if there are none."""
    shown = list(shown)
    missing = [Symlink(link, links[link]) for link in sorted(links) if not any(is_within(link, each) for each in shown)]
    return (copy(SymlinksLayer(tuple(missing))),) if missing else ()


def outermost(trees: Iterable[HostTree]) -> list[HostTree]:
    """Drop trees that another one shows anyway, which it does unless it hides them."""
    kept: list[HostTree] = []
    for tree in sorted(trees, key=lambda each: (len(PurePosixPath(each.source).parts), each.source)):
        if not any(shows(other, tree.source) for other in kept):
            kept.append(tree)
    return kept


def shows(tree: HostTree, path: str) -> bool:
    """Tell whether a path of this machine can be seen in a tree."""
    if not is_within(path, tree.source):
        return False
    relative = PurePosixPath(path).relative_to(tree.source)
    return not any(relative.is_relative_to(hidden) for hidden in tree.hidden)


def exposed_homes() -> tuple[str, ...]:
    """Return the caller's home directory by name and by its real path, as the environment and the system have it."""
    homes = {os.environ.get("HOME", "")}
    with contextlib.suppress(KeyError):
        homes.add(pwd.getpwuid(os.getuid()).pw_dir)
    absolute = {os.path.normpath(home) for home in homes if home.startswith("/")} - {"/"}
    return tuple(sorted(absolute | {os.path.realpath(home) for home in absolute}))


def exposes_home(directory: str, homes: Iterable[str]) -> bool:
    """Tell whether showing a directory shows all of the caller's home directory, or all of the machine."""
    return directory == "/" or any(is_within(home, directory) for home in homes)


def _check(directory: str) -> Resolved | None:
    if not directory.startswith("/"):
        raise SpecError(f"the host directory {directory} is not an absolute path")
    resolved = resolve(directory)
    if resolved.path == "/":
        raise SpecError(
            f"the host directory {directory} is the root of this machine, which cannot be shown as a whole",
            hint="name the directories that are needed, such as /usr and /etc",
        )
    try:
        empty = not os.listdir(resolved.path)
    except OSError as error:
        if directory in HOST_DIRECTORIES and isinstance(error, FileNotFoundError):
            return None
        raise SpecError(f"the host directory {directory} cannot be shown: {error.strerror}") from None
    return None if empty and directory in HOST_DIRECTORIES else resolved


def _tree(source: str) -> HostTree:
    hidden = []
    if is_within(source, "/etc") or is_within("/etc", source):
        for secret in ETC_SECRETS:
            path = "/etc/" + secret
            if os.path.lexists(path) and is_within(path, source) and path != source:
                hidden.append(os.path.relpath(path, source))
    return HostTree(source, source, tuple(sorted(hidden)))
