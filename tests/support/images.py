"""Small container images, made from nothing: their layers, their documents, and the forms that they are kept in."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)

# All that the images can do: they hold no shell. Statically linked, so it needs nothing beside it.
PROBE = r"""
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **words) {
    char buffer[4096];
    for (int i = 1; i + 1 < count; i += 2) {
        const char *what = words[i], *name = words[i + 1];
        if (!strcmp(what, "cat")) {
            FILE *file = fopen(name, "r");
            if (!file) { printf("no %s\n", name); continue; }
            size_t size = fread(buffer, 1, sizeof buffer, file);
            fwrite(buffer, 1, size, stdout);
            fclose(file);
        } else if (!strcmp(what, "env")) {
            const char *value = getenv(name);
            printf("%s=%s\n", name, value ? value : "(unset)");
        } else if (!strcmp(what, "write")) {
            FILE *file = fopen(name, "w");
            printf("%s %s\n", file ? "wrote" : "cannot write", name);
        } else if (!strcmp(what, "about")) {
            printf("%s %d %d\n", getcwd(buffer, sizeof buffer), (int)getuid(), (int)getgid());
        } else return 2;
    }
    return 0;
}
"""


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@cache
def probe() -> bytes:
    """Return the program; raises OSError where nothing can be linked statically."""
    # not below a test's directory: it is the same for all of them
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        command = ["cc", "-static", "-O1", "-xc", "-", "-o", f"{directory}/probe"]
        done = subprocess.run(command, input=PROBE.encode(), capture_output=True, check=False)
        if done.returncode:
            raise OSError(done.stderr.decode(errors="replace"))
        return Path(directory, "probe").read_bytes()


def tar(files: Mapping[str, bytes | str | None]) -> bytes:
    """Return an archive of files; those of bytes are programs, a name that ends in `/` is a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
                continue
            data = content.encode() if isinstance(content, str) else content or b""
            info.size, info.mode = len(data), 0o755 if isinstance(content, bytes) else 0o644
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@dataclass(frozen=True)
class Blob:
    """Something with a digest, and the media type that others say it has."""

    data: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return digest(self.data)

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


@dataclass(frozen=True)
class Image:
    """An image: uncompressed layers, how they are compressed, and what its configuration says."""

    layers: tuple[bytes, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    compression: str = "gzip"
    architecture: str = ARCHITECTURE
    docker: bool = False

    @property
    def layer_blobs(self) -> tuple[Blob, ...]:
        ending = {"": "", "gzip": "gzip", "zstd": "zstd"}[self.compression]
        if self.docker:
            media_type = f"{DOCKER}.image.rootfs.diff.tar" + (f".{ending}" if ending else "")
        else:
            media_type = f"{OCI}.layer.v1.tar" + (f"+{ending}" if ending else "")
        return tuple(Blob(compress(layer, self.compression), media_type) for layer in self.layers)

    @property
    def config_blob(self) -> Blob:
        document = {
            "architecture": self.architecture,
            "os": "linux",
            "config": dict(self.config),
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in self.layers]},
        }
        kind = f"{DOCKER}.container.image.v1+json" if self.docker else f"{OCI}.config.v1+json"
        return Blob(json.dumps(document).encode(), kind)

    @property
    def manifest(self) -> Blob:
        kind = f"{DOCKER}.distribution.manifest.v2+json" if self.docker else f"{OCI}.manifest.v1+json"
        document = {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": self.config_blob.descriptor,
            "layers": [blob.descriptor for blob in self.layer_blobs],
        }
        return Blob(json.dumps(document).encode(), kind)

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (self.config_blob, *self.layer_blobs)

    def but(self, **fields: Any) -> Image:
        return replace(self, **fields)


@cache
def compress(data: bytes, compression: str) -> bytes:
    if compression == "gzip":
        return gzip.compress(data, mtime=0)
    return zstd_compress(data) if compression == "zstd" else data


def zstd_compress(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.compress(data)


def index_of(*images: Image, docker: bool = False) -> Blob:
    """Return an index of images for several platforms."""
    kind = f"{DOCKER}.distribution.manifest.list.v2+json" if docker else f"{OCI}.index.v1+json"
    entries = [
        {**image.manifest.descriptor, "platform": {"architecture": image.architecture, "os": "linux"}}
        for image in images
    ]
    return Blob(json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode(), kind)


def layout_files(images: Mapping[str, Image]) -> dict[str, bytes]:
    """Return the files of an OCI layout with images by tag; an empty tag is none."""
    entries = []
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    for tag, image in images.items():
        note = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        entries.append({**image.manifest.descriptor, **note})
        for blob in (image.manifest, *image.blobs):
            files[f"blobs/{blob.digest.replace(':', '/')}"] = blob.data
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    return files


def write_layout(directory: Path, images: Mapping[str, Image]) -> Path:
    for name, data in layout_files(images).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return directory


def write_archive(path: Path, images: Mapping[str, Image]) -> Path:
    path.write_bytes(tar(layout_files(images)))
    return path


def two_layers(**fields: Any) -> Image:
    """Return the image of most tests: its upper layer hides a file, replaces one, and a whole directory."""
    lower = tar(
        {
            "bin/probe": probe(),
            "etc/passwd": "root:x:0:0::/root:/bin/sh\nsomebody:x:1234:2345::/:\n",
            "etc/group": "root:x:0:\nfriends:x:3456:\n",
            "data/kept": "lower\n",
            "data/hidden": "lower\n",
            "data/replaced": "lower\n",
            "opaque/hidden": "lower\n",
        }
    )
    upper = tar(
        {
            "data/.wh.hidden": None,
            "data/replaced": "upper\n",
            "opaque/.wh..wh..opq": None,
            "opaque/own": "upper\n",
        }
    )
    config = {"Env": ["PATH=/bin", "COLOUR=green"], "WorkingDir": "/data", "User": "somebody"}
    return Image((lower, upper), config).but(**fields)
