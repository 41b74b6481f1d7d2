"""The documents of an image: what they say, and which of several is meant for this machine.

    index -> manifest, by platform -> configuration and layers

OCI's and Docker's media types mean the same. Everything is bounded, whatever a document says. Pure: no files, no
network. Imports nothing of the project but the errors, the checks of documents and the names of images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec

from maelstrom_container.images.name import check_digest, printable
from maelstrom_core.document import is_utf8
from maelstrom_core.errors import SpecError, UserError

MAXIMUM_DOCUMENT = 4 << 20
"""Bytes of an index, a manifest or a configuration."""
MAXIMUM_LAYERS = 256
"""The kernel stacks 500; other layers and mount points need some."""
MAXIMUM_DEPTH = 4
"""Indexes within indexes."""

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGURATIONS = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
LAYERS = frozenset(
    {
        *(f"application/vnd.oci.image.layer.v1.tar{end}" for end in ("", "+gzip", "+zstd")),
        *(f"application/vnd.oci.image.layer.nondistributable.v1.tar{end}" for end in ("", "+gzip", "+zstd")),
        *(f"application/vnd.docker.image.rootfs.{kind}" for kind in ("diff.tar", "diff.tar.gzip", "diff.tar.zstd")),
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    }
)
"""How a layer is compressed is seen by its first bytes; this says only that it is one."""
REFERENCE_NAME = "org.opencontainers.image.ref.name"
"""The annotation of a layout's index that holds the tag."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_BASE_VARIANTS = {"amd64": ("", "v1"), "arm64": ("", "v8")}
"""The variants that every processor of the architecture has, the one that goes first being first."""


class Platform(msgspec.Struct, frozen=True):
    """What an image was made for."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """What names a document or a layer; `size` in bytes."""

    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
    media_type: str = ""
    platform: Platform | None = None
    annotations: dict[str, str] | None = None


class Index(msgspec.Struct, frozen=True, rename="camel"):
    """Several images under one name."""

    manifests: tuple[Descriptor, ...]


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """One image: its configuration, and its layers from the bottom up."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


class Settings(msgspec.Struct, frozen=True):
    """How an image wants to be run, as far as it is listened to."""

    environment: dict[str, str] = {}
    working_directory: str = "/"
    user: str = ""
    """A user, and after a colon perhaps a group, each by name or number; empty means 0."""
    command: tuple[str, ...] = ()
    """What it runs by itself: Entrypoint and Cmd."""


class Image(msgspec.Struct, frozen=True):
    """An image, complete but for the contents of its layers."""

    settings: Settings
    layers: tuple[tuple[Descriptor, str], ...]
    """From the bottom up; beside each the digest of its archive without compression."""


class _Header(msgspec.Struct, rename="camel"):
    media_type: str = ""
    schema_version: int = 2
    manifests: object = None
    config: object = None


class _Run(msgspec.Struct):
    env: tuple[str, ...] | None = msgspec.field(default=None, name="Env")
    working_directory: str | None = msgspec.field(default=None, name="WorkingDir")
    user: str | None = msgspec.field(default=None, name="User")
    entrypoint: tuple[str, ...] | None = msgspec.field(default=None, name="Entrypoint")
    command: tuple[str, ...] | None = msgspec.field(default=None, name="Cmd")


class _Root(msgspec.Struct):
    diff_ids: tuple[str, ...] | None = None


class _Configuration(msgspec.Struct):
    architecture: str = ""
    os: str = ""
    config: _Run | None = None
    rootfs: _Root | None = None


T = TypeVar("T")


def machine_platform(machine: str) -> Platform:
    """Return the platform of a machine, by the name that the kernel has for it."""
    return Platform(_ARCHITECTURES.get(machine, machine), "linux")


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of a document."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def short(digest: str) -> str:
    """Return a digest for messages."""
    algorithm, _, digits = digest.partition(":")
    return f"{algorithm}:{digits[:12]}"


def parse_document(data: bytes, media_type: str, what: str) -> Index | Manifest:
    """Return an index or a manifest: what it says itself goes before `media_type`, which others say of it.

    Raises SpecError where it is neither, or malformed.
    """
    header = _decode(data, _Header, what)
    kind = header.media_type or media_type.partition(";")[0].strip()
    if not header.media_type and kind not in INDEXES | MANIFESTS and header.schema_version == 2:
        # older ones carry no type, and not every server knows
        kind = OCI_INDEX if header.manifests is not None else OCI_MANIFEST if header.config is not None else kind
    if kind in INDEXES:
        index = _decode(data, Index, what)
        return Index(tuple(_checked(each, what) for each in index.manifests))
    if kind in MANIFESTS:
        return _manifest(data, what)
    if header.schema_version == 1:
        raise UserError(
            f"{what} is of Docker's first format, which is not supported", hint="push it again with a newer tool"
        )
    raise UserError(f"{what} has the media type `{printable(kind)}`, which is not supported")


def _manifest(data: bytes, what: str) -> Manifest:
    manifest = _decode(data, Manifest, what)
    config = _checked(manifest.config, what)
    if config.media_type not in CONFIGURATIONS:
        raise UserError(
            f"{what} is no container image: its configuration has the media type `{printable(config.media_type)}`"
        )
    if len(manifest.layers) > MAXIMUM_LAYERS:
        raise SpecError(f"{what} has {len(manifest.layers)} layers, more than {MAXIMUM_LAYERS}")
    for layer in manifest.layers:
        if layer.media_type not in LAYERS:
            raise UserError(
                f"{what} has a layer of the media type `{printable(layer.media_type)}`, which is not supported",
                hint="layers are tar archives, plain or compressed with gzip or zstd",
            )
    return Manifest(config, tuple(_checked(layer, what) for layer in manifest.layers))


def choose_platform(index: Index, platform: Platform, what: str) -> Descriptor:
    """Return the image of an index that is for a platform. Raises UserError if there is none."""
    images = [each for each in index.manifests if each.media_type in INDEXES | MANIFESTS or not each.media_type]
    for variant in _BASE_VARIANTS.get(platform.architecture, ("",)):
        wanted = Platform(platform.architecture, platform.os, variant)
        for each in images:
            if each.platform == wanted:
                return each
    unnamed = [each for each in images if each.platform is None]
    if len(unnamed) == 1:  # its configuration says what it is for
        return unnamed[0]
    raise _no_platform(platform, [str(each.platform) for each in images if each.platform is not None], what)


def choose_tag(index: Index, tag: str | None, what: str) -> Index:
    """Return those of a layout's index that a tag means; without a tag there must be one name only."""
    named = [(each, (each.annotations or {}).get(REFERENCE_NAME, "")) for each in index.manifests]
    names = sorted({name for _, name in named if name})
    if tag is None and len(names) > 1:
        raise UserError(f"{what} holds several images: {_listed(names)}", hint="add one of these tags, after a colon")
    chosen = tuple(each for each, name in named if tag is None or name == tag)
    if not chosen:
        there = f"there are {_listed(names)}" if names else "its images have no tags: leave the tag out"
        raise UserError(f"{what} has no image with the tag `{tag}`", hint=there if tag is not None else None)
    return Index(chosen)


def parse_image(manifest: Manifest, data: bytes, platform: Platform, what: str) -> Image:
    """Return an image from its manifest and its configuration. Raises UserError or SpecError."""
    configuration = _decode(data, _Configuration, f"the configuration of {what}")
    made_for = Platform(configuration.architecture, configuration.os)
    if made_for.architecture and made_for != platform:
        raise _no_platform(platform, [str(made_for)], what)
    contents = (configuration.rootfs.diff_ids if configuration.rootfs else None) or ()
    if len(contents) != len(manifest.layers) or not all(check_digest(each) for each in contents):
        raise SpecError(f"the configuration of {what} does not name the contents of its {len(manifest.layers)} layers")
    run = configuration.config or _Run()
    return Image(
        Settings(
            environment=_environment(run.env or (), what),
            working_directory=_directory(run.working_directory or "/", what),
            user=_text(run.user or "", "user", what),
            command=tuple(_text(each, "command", what) for each in (*(run.entrypoint or ()), *(run.command or ()))),
        ),
        tuple(zip(manifest.layers, contents, strict=True)),
    )


def _environment(entries: Sequence[str], what: str) -> dict[str, str]:
    variables = {}
    for entry in entries:
        name, equals, value = _text(entry, "environment", what).partition("=")
        if not equals or not name:
            raise SpecError(f"the environment of {what} has the entry `{printable(entry)}`, which is not NAME=value")
        variables[name] = value
    return variables


def _directory(text: str, what: str) -> str:
    path = _text(text, "working directory", what)
    return path if path.startswith("/") else f"/{path}"


def _text(text: str, field: str, what: str) -> str:
    if "\0" in text or not is_utf8(text):
        raise SpecError(f"the {field} of {what} is no text that a program can be given")
    return text


def _checked(descriptor: Descriptor, what: str) -> Descriptor:
    if not check_digest(descriptor.digest):
        raise SpecError(f"{what} refers to `{printable(descriptor.digest)}`, which is no digest that can be checked")
    return descriptor


def _decode(data: bytes, shape: type[T], what: str) -> T:
    if len(data) > MAXIMUM_DOCUMENT:
        raise SpecError(f"{what} has more than {MAXIMUM_DOCUMENT} bytes")
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SpecError(f"{what} is malformed: {error}") from None


def _no_platform(platform: Platform, found: Sequence[str], what: str) -> UserError:
    there = f": it is for {_listed(sorted(set(found)))}" if found else ""
    return UserError(f"{what} has no image for {platform}{there}", hint="name an image that was made for this machine")


def _listed(names: Sequence[str]) -> str:
    shown = [f"`{printable(name)}`" for name in names[:10]]
    return ", ".join(shown) + (" and others" if len(names) > 10 else "")
