"""What an interpreter says about itself: where it and everything it imports from are.

The interpreter is run once, isolated and bounded, with a script that any Python from 3.8 on understands; the answer is
remembered for as long as nothing it depends on has changed. Imports nothing of the project but the errors.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import msgspec
from blake3 import blake3

from maelstrom_core.errors import InfrastructureError, SpecError

OLDEST = (3, 8)
_TIMEOUT = 60.0
_MAX_ANSWER = 8 << 20
_MARK = b"\n--maelstrom-python-probe--\n"

# Runs in the interpreter of the user, of whatever version: plain and old-fashioned on purpose. The user's own
# site-packages is switched off by -I, but not in the run that is to be reproduced, so it is switched on again.
_SCRIPT = r"""
import sys
def main():
    if sys.version_info < (3, 8):
        return {"version": list(sys.version_info[:3])}
    import glob, os, site, sysconfig
    user = []
    venv = sys.prefix != sys.base_prefix
    if (not venv or site.ENABLE_USER_SITE) and hasattr(os, "getuid"):
        directory = site.getusersitepackages()
        if os.path.isdir(directory):
            user = [directory]
            site.addsitedir(directory)
    paths = sysconfig.get_paths()
    sites = []
    for each in site.getsitepackages() + user + [paths["purelib"], paths["platlib"]]:
        if each not in sites and os.path.isdir(each):
            sites.append(each)
    editable = []
    for name, module in list(sys.modules.items()):
        if name.startswith("__editable__"):
            mapping = getattr(module, "MAPPING", {})
            namespaces = getattr(module, "NAMESPACES", {})
            editable.extend(str(each) for each in mapping.values())
            for each in namespaces.values():
                editable.extend(str(one) for one in each)
    urls = []
    for each in sites:
        for path in glob.glob(os.path.join(glob.escape(each), "*.dist-info", "direct_url.json")):
            try:
                with open(path, "rb") as file:
                    urls.append(file.read(65536).decode("utf-8"))
            except (OSError, ValueError):
                pass
    return {
        "version": list(sys.version_info[:3]),
        "implementation": sys.implementation.name,
        "cache_tag": sys.implementation.cache_tag,
        "executable": sys.executable,
        "real_executable": os.path.realpath(sys.executable),
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "exec_prefix": sys.exec_prefix,
        "base_exec_prefix": sys.base_exec_prefix,
        "stdlib": paths["stdlib"],
        "platstdlib": paths["platstdlib"],
        "purelib": paths["purelib"],
        "platlib": paths["platlib"],
        "path": [each for each in sys.path if each],
        "site_packages": sites,
        "user_site": user[0] if user else None,
        "editable": editable,
        "direct_urls": urls,
    }
import json
sys.stdout.write("\n--maelstrom-python-probe--\n" + json.dumps(main()))
"""


class PythonInfo(msgspec.Struct, frozen=True):
    """An interpreter. `executable` is what to run: never a script that would choose one."""

    version: tuple[int, int, int]
    implementation: str
    cache_tag: str | None
    """What it names its compiled files by, as in `cpython-312`."""
    executable: str
    real_executable: str
    prefix: str
    base_prefix: str
    exec_prefix: str
    base_exec_prefix: str
    stdlib: str
    platstdlib: str
    purelib: str
    platlib: str
    path: tuple[str, ...]
    """sys.path as it is without PYTHONPATH and the script's directory."""
    site_packages: tuple[str, ...]
    user_site: str | None
    editable: tuple[str, ...]
    """Files and directories that import finders of editable installs lead to."""
    direct_urls: tuple[str, ...]
    """Texts of direct_url.json files: where packages were installed from."""


class _Version(msgspec.Struct):
    version: tuple[int, int, int]


class _Remembered(msgspec.Struct, frozen=True):
    watched: dict[str, tuple[int, int] | None]
    """Modification times in nanoseconds and sizes; None for what does not exist."""
    info: PythonInfo


def probe_python(executable: str, *, cache_directory: Path | None = None) -> PythonInfo:
    """Ask an interpreter about itself; `executable` is a path, or a name to look up in PATH.

    Answers are remembered in `cache_directory`. Raises SpecError if it is missing, no Python, or older than 3.8,
    InfrastructureError if it does not answer in a minute.
    """
    path = _find(executable)
    if _is_script(path):
        # a shim that chooses by directory and environment: only what it has chosen can be remembered
        path = _ask(path).executable
    path = os.path.abspath(path)
    if cache_directory is None:
        return _ask(path)
    file = cache_directory / (blake3(os.fsencode(path)).hexdigest() + ".json")
    remembered = _recall(file)
    if remembered is not None:
        return remembered
    info = _ask(path)
    _remember(file, _Remembered(_watch(path, info), info))
    return info


def _find(executable: str) -> str:
    path = shutil.which(executable)
    if path is None:
        raise SpecError(
            f"the Python interpreter {executable} is not found, or not executable",
            hint="name an interpreter, such as the bin/python of a virtual environment",
        )
    return path


def _is_script(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _ask(path: str) -> PythonInfo:
    import subprocess

    try:
        done = subprocess.run(  # noqa: PLW1510 (judged below)
            [path, "-I", "-c", _SCRIPT], stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT
        )
    except OSError as error:
        raise SpecError(f"failed to run {path}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise InfrastructureError(
            f"failed to ask {path} about itself: no answer after {_TIMEOUT:.0f} seconds"
        ) from None
    _before, found, answer = done.stdout.rpartition(_MARK)
    if done.returncode or not found or len(answer) > _MAX_ANSWER:
        said = done.stderr.decode("utf-8", "replace").strip()[-500:] or f"exit status {done.returncode}"
        raise SpecError(f"failed to ask {path} about itself: {said}", hint="it must be a working Python, 3.8 or newer")
    return _understand(path, answer)


def _understand(path: str, answer: bytes) -> PythonInfo:
    try:
        version = msgspec.json.decode(answer, type=_Version).version
        if version < OLDEST:
            raise SpecError(f"{path} is Python {version[0]}.{version[1]}, which is too old", hint="3.8 is the oldest")
        return msgspec.json.decode(answer, type=PythonInfo)
    except msgspec.MsgspecError as error:
        raise SpecError(f"failed to understand what {path} says about itself: {error}") from None


def _watch(path: str, info: PythonInfo) -> dict[str, tuple[int, int] | None]:
    watched = {path, info.real_executable, os.path.join(info.prefix, "pyvenv.cfg"), *info.site_packages}
    for directory in info.site_packages:
        with contextlib.suppress(OSError):
            names = os.listdir(directory)
            watched.update(os.path.join(directory, name) for name in names if name.endswith(".pth"))
    return {each: _modified(each) for each in sorted(watched)}


def _modified(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _recall(file: Path) -> PythonInfo | None:
    try:
        remembered = msgspec.json.decode(file.read_bytes(), type=_Remembered)
    except (OSError, msgspec.MsgspecError):
        return None
    if any(_modified(path) != modified for path, modified in remembered.watched.items()):
        return None
    return remembered.info


def _remember(file: Path, remembered: _Remembered) -> None:
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(f".{os.urandom(4).hex()}")
        temporary.write_bytes(msgspec.json.encode(remembered))
        temporary.rename(file)
