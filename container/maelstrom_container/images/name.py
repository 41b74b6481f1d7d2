"""What an image is called, and where that leads: behaviours IM1 to IM6.

    docker://[HOST[:PORT]/]NAME[:TAG][@DIGEST]      in a registry; without a host, Docker Hub
    oci:DIRECTORY[:TAG]                             a directory with an OCI layout
    oci-archive:FILE[:TAG]                          a tar archive of one

Pure. Imports nothing of the project but the errors.
"""

from __future__ import annotations

import ipaddress
import re

import msgspec

from maelstrom_core.errors import SpecError

HUB = "docker.io"
DEFAULT_TAG = "latest"
DIGEST_LENGTHS = {"sha256": 64, "sha512": 128}
"""The algorithms of digests, and how many hexadecimal digits they have."""

_HUB_REGISTRY = "registry-1.docker.io"
_HUB_NAMES = frozenset({HUB, "index.docker.io", _HUB_REGISTRY})
_MAXIMUM_NAME = 255
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_HOST = re.compile(r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::(?P<port>[0-9]{1,5}))?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HINT = "write docker://NAME:TAG, docker://HOST:PORT/NAME:TAG, oci:DIRECTORY:TAG or oci-archive:FILE:TAG"


class RegistryName(msgspec.Struct, frozen=True):
    """An image in a registry. `tag` and `digest` are None where they are not written."""

    host: str
    """With the port, if there is one; as written, or docker.io."""
    repository: str
    tag: str | None = None
    digest: str | None = None
    host_is_written: bool = False

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"docker://{self.without_tag}{tag}{digest}"

    @property
    def without_tag(self) -> str:
        """The name as written, without tag and digest: what the tag lock knows it by."""
        return f"{self.host}/{self.repository}" if self.host_is_written else self.repository

    @property
    def effective_tag(self) -> str:
        """The tag, or what is meant without one."""
        return self.tag or DEFAULT_TAG

    @property
    def is_hub(self) -> bool:
        """Whether it is Docker Hub's, whose addresses follow rules of their own."""
        return self.host in _HUB_NAMES

    @property
    def address(self) -> str:
        """Host and port to connect to."""
        return _HUB_REGISTRY if self.is_hub else self.host

    @property
    def path(self) -> str:
        """The repository as the registry knows it."""
        return f"library/{self.repository}" if self.is_hub and "/" not in self.repository else self.repository

    @property
    def is_local(self) -> bool:
        """Whether the registry is on this machine, by the name alone: only then may it speak plain HTTP."""
        return is_loopback(self.address)


class LayoutName(msgspec.Struct, frozen=True):
    """An image in a directory, or an archive, with an OCI layout; a relative path starts at the project directory."""

    path: str
    tag: str | None = None
    archive: bool = False

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        return f"{'oci-archive' if self.archive else 'oci'}:{self.path}{tag}"


ImageName = RegistryName | LayoutName


def parse_name(text: str) -> ImageName:
    """Return what a name says. Raises SpecError."""
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "docker":
        return _registry_name(text, rest)
    if colon and scheme in {"oci", "oci-archive"}:
        path, colon, tag = rest.partition(":")
        if not path or (colon and not tag):
            raise _wrong(text, "it has no path" if not path else "it has no tag after the colon")
        return LayoutName(path, tag or None, archive=scheme == "oci-archive")
    raise _wrong(text, f"it begins with none of `docker://`, `oci:` and `oci-archive:`{_written_as_for_docker(text)}")


def check_digest(text: str) -> bool:
    """Tell whether a text is a digest that can be checked here."""
    algorithm, _, digits = text.partition(":")
    return len(digits) == DIGEST_LENGTHS.get(algorithm) and re.fullmatch("[0-9a-f]+", digits) is not None


def is_tag(text: str) -> bool:
    """Tell whether a text can be a tag."""
    return _TAG.fullmatch(text) is not None


def printable(text: str) -> str:
    """Return a text of somebody else's for a message: bounded, and without control characters."""
    shown = "".join(each if each.isprintable() else "?" for each in text[:101])
    return shown if len(text) <= 100 else f"{shown[:100]}..."


def is_loopback(address: str) -> bool:
    """Tell whether a host, with or without port, is this machine by its very name."""
    match = _HOST.fullmatch(address)
    if match is None:
        return False
    host = match["host"].strip("[]")
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _registry_name(text: str, rest: str) -> RegistryName:
    if not rest.startswith("//"):
        raise _wrong(text, "`docker:` is followed by `//`")
    rest, at, digest = rest[2:].partition("@")
    if at and not check_digest(digest):
        raise _wrong(text, f"`{digest}` is no digest: that is `sha256:` and 64 hexadecimal digits")
    host, slash, path = rest.partition("/")
    written = bool(slash) and ("." in host or ":" in host or host == "localhost")
    if not written:
        host, path = HUB, rest
    _check_host(text, host)
    repository, colon, tag = path.partition(":")
    if not repository or len(repository) > _MAXIMUM_NAME or not _REPOSITORY.fullmatch(repository):
        raise _wrong(
            text, f"`{repository}` cannot be the name of an image: small letters, digits and `.`, `_`, `-`, `/`"
        )
    if colon and not is_tag(tag):
        raise _wrong(text, f"`{tag}` is no tag")
    return RegistryName(host, repository, tag or None, digest or None, host_is_written=written)


def _check_host(text: str, host: str) -> None:
    match = _HOST.fullmatch(host)
    if match is None or (match["port"] is not None and not 0 < int(match["port"]) < 65536):
        raise _wrong(text, f"`{host}` is no host with a port")


def _written_as_for_docker(text: str) -> str:
    """Return a remark for those who write names as for other tools."""
    looks_fine = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]*", text) is not None and "://" not in text
    return f"; did you mean `docker://{text}`?" if looks_fine else ""


def _wrong(text: str, problem: str) -> SpecError:
    return SpecError(f"`{text}` is not the name of an image: {problem}", hint=_HINT)
