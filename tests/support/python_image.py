"""A container image with a Python, made of the one that runs the tests, and wheels of what is installed for it.

Nothing is downloaded: pip comes from the Python's own `ensurepip`, wheels are packed from installed distributions.
"""

from __future__ import annotations

import compileall
import fcntl
import io
import os
import py_compile
import sys
import sysconfig
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

from maelstrom_container.shared_libraries import find_shared_libraries
from tests.support.images import Image

VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
LIBRARY = f"usr/local/lib/{VERSION}"
SITE = (f"{LIBRARY}/site-packages", f"{LIBRARY}/dist-packages")
"""Debian's Python looks into the second."""
_LEFT_OUT = {
    *("site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3"),
    *("pydoc_data", "_bundled"),
}
PROJECT_WHEELS = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
"""What pytest needs on the Pythons that Maelstrom runs on."""
COMPILED = "msgspec"
"""A distribution with an extension module."""


def python_image(shared: Path) -> Image:
    """Return an image with python3, pip and a module of its own on its search path; no shell, no other program.

    Its layer is made once for all who name the same directory, in whatever process.
    """
    environment = ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "OF_THE_IMAGE=yes"]
    return Image((_shared_layer(shared),), {"Env": environment, "Cmd": ["python3"]}, compression="")


@cache
def _shared_layer(shared: Path) -> bytes:
    shared.mkdir(parents=True, exist_ok=True)
    path = shared / "python.tar"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            path.write_bytes(_layer())
    return path.read_bytes()


def _layer() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        _add_python(archive)
        for site in SITE:
            _add(archive, f"{site}/of_the_image.py", b"WORD = 'from the image'\n")
        for directory in ("tmp", "root", "etc", "var/tmp"):
            info = tarfile.TarInfo(directory)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
    return buffer.getvalue()


def _add_python(archive: tarfile.TarFile) -> None:
    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    standard = Path(sysconfig.get_paths()["stdlib"])
    binaries = [executable, *(str(file.locate()) for file in metadata.files(COMPILED) or () if file.suffix == ".so")]
    archive.add(executable, f"usr/local/bin/{VERSION}", filter=_anonymous)
    for link in ("python3", "python"):
        info = tarfile.TarInfo(f"usr/local/bin/{link}")
        info.type, info.linkname = tarfile.SYMTYPE, VERSION
        archive.addfile(info)
    for path in sorted(standard.rglob("*")):
        inside = path.relative_to(standard)
        compiled = path.parent.name == "__pycache__" and not path.name.endswith(f".{sys.implementation.cache_tag}.pyc")
        if _LEFT_OUT.isdisjoint(inside.parts) and path.suffix != ".a" and not compiled and path.is_file():
            archive.add(os.path.realpath(path), f"{LIBRARY}/{inside}", filter=_anonymous)
            if path.suffix == ".so":
                binaries.append(str(path))
    import ensurepip

    wheel = next(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"), None)
    if wheel is None:  # Debian keeps it elsewhere
        wheel = next(Path("/usr/share/python-wheels").glob("pip-*.whl"))
    with tempfile.TemporaryDirectory() as directory:
        with zipfile.ZipFile(wheel) as pip:
            pip.extractall(directory)
        compiled = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(directory, quiet=2, stripdir=directory, invalidation_mode=compiled)
        for path in sorted(Path(directory).rglob("*")):
            if path.is_file():  # beside the standard library: it is found there, whoever has made the Python
                archive.add(path, f"{LIBRARY}/{path.relative_to(directory)}", filter=_anonymous)
    for library in find_shared_libraries(binaries):
        archive.add(os.path.realpath(library), library.lstrip("/"), filter=_anonymous)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def pack_wheels(directory: Path, names: tuple[str, ...] = (*PROJECT_WHEELS, COMPILED)) -> Path:
    """Write wheels of installed distributions, for `--find-links`."""
    directory.mkdir(exist_ok=True)
    for name in names:
        distribution = metadata.distribution(name)
        wheel = distribution.read_text("WHEEL") or ""
        tag = next(line.partition(":")[2].strip() for line in wheel.splitlines() if line.startswith("Tag:"))
        path = directory / f"{distribution.metadata['Name'].replace('-', '_')}-{distribution.version}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for file in distribution.files or ():
                if ".." not in file.parts and "__pycache__" not in file.parts and "RECORD" not in file.name:
                    archive.write(str(file.locate()), str(file))
            record = next(str(file) for file in distribution.files or () if file.name == "RECORD")
            archive.writestr(record, "".join(f"{each},,\n" for each in [*archive.namelist(), record]))
    return directory


def write_wheel(directory: Path, name: str, files: dict[str, str], *, scripts: str = "", requires: str = "") -> Path:
    """Write the wheel of a small distribution, version 1."""
    directory.mkdir(exist_ok=True)
    path = directory / f"{name}-1-py3-none-any.whl"
    information = f"{name}-1.dist-info"
    metadata_text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
    contents = {
        **files,
        f"{information}/METADATA": metadata_text + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{information}/entry_points.txt": f"[console_scripts]\n{scripts}\n",
    }
    record = f"{information}/RECORD"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in contents.items():
            archive.writestr(inner, text)
        archive.writestr(record, "".join(f"{each},,\n" for each in [*contents, record]))
    return path


@dataclass
class Index:
    """A package index on this machine, and the files that it was asked for."""

    url: str
    served: list[str] = field(default_factory=list)
    hang: str = ""
    """Files with this in their names never arrive."""
    hanging: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving_wheels(directory: Path) -> Iterator[Index]:
    """Serve the wheels of a directory, as `PIP_INDEX_URL` wants them; clients may keep them."""
    index = Index("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, kind, name = self.path.split("/", 2)
            if kind == "simple":
                files = [path.name for path in directory.glob("*.whl")]
                matching = [each for each in files if each.partition("-")[0].lower() == name.strip("/").lower()]
                body = "".join(f'<a href="/file/{each}">{each}</a>' for each in matching).encode()
            else:
                index.served.append(name)
                if index.hang and index.hang in name:
                    index.hanging.set()
                    index.over.wait()
                    return
                body = (directory / name).read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if kind == "simple" else "application/zip")
            self.send_header("Content-Length", str(len(body)))
            if kind == "file":
                self.send_header("Cache-Control", "max-age=86400")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        index.url = f"http://127.0.0.1:{server.server_address[1]}/simple/"
        yield index
    finally:
        index.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
