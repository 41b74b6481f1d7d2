"""launch-bwrap, launch-runc, launch-crun: containers per second, one at a time, against other programs that make them.

They get the container that our jobs have: the same directories of this machine, read-only, the same mounts and devices,
namespaces of the same kinds. They are started by the spawn loop in C. Whoever is not here, or cannot make that
container here, is left out. Imports nothing of the project.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from ci.bench.jobs import DEVICES, HOST_DIRECTORIES
from ci.bench.measure import Bench, Sample
from ci.bench.programs import TRUE, BenchError, PeerError, run, spawn_loop
from ci.bench.rows.launch import COUNT
from ci.bench.rows.launch import ours as ours_microseconds

PEER_COUNT = 40
NAMESPACES = ("user", "mount", "pid", "ipc", "uts", "network")


def directories() -> tuple[dict[str, str], list[str]]:
    """Return the links among the directories of this machine, and those that are none."""
    there = [path for path in HOST_DIRECTORIES if os.path.exists(path)]
    links = {path: os.readlink(path) for path in there if os.path.islink(path)}
    return links, [path for path in there if path not in links]


def bwrap_command(program: str) -> list[str]:
    """Return the bubblewrap that makes our container."""
    links, shown = directories()
    command = [program, "--unshare-all"]
    for path in shown:
        command += ["--ro-bind", path, path]
    for path, target in links.items():
        command += ["--symlink", target, path]
    command += ["--tmpfs", "/tmp", "--proc", "/proc", "--tmpfs", "/dev"]
    for name in DEVICES:
        command += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    return [*command, TRUE]


def bundle_configuration(uid: int, gid: int) -> dict[str, Any]:
    """Return the config.json of our container as the OCI runtimes want it; devices they make by themselves."""
    _, shown = directories()
    own = {"containerID": 0, "size": 1}
    return {
        "ociVersion": "1.0.2",
        "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": [TRUE], "cwd": "/", "env": ["PATH=/bin"]},
        "root": {"path": "rootfs", "readonly": True},
        "mounts": [
            *({"destination": path, "type": "bind", "source": path, "options": ["rbind", "ro"]} for path in shown),
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in NAMESPACES],
            "uidMappings": [{"hostID": uid, **own}],
            "gidMappings": [{"hostID": gid, **own}],
        },
    }


@contextmanager
def bwrap() -> Iterator[list[str]]:
    """Yield the command of bubblewrap."""
    yield bwrap_command(find("bwrap"))


@contextmanager
def runtime(name: str) -> Iterator[list[str]]:
    """Yield the command of an OCI runtime, with a bundle of its own."""
    program = find(name)
    with tempfile.TemporaryDirectory(prefix="maelstrom-bench-") as place:
        root = Path(place, "rootfs")
        links, shown = directories()
        for path in (*shown, "/tmp", "/proc", "/dev"):
            (root / path.lstrip("/")).mkdir(parents=True)
        for path, target in links.items():
            (root / path.lstrip("/")).symlink_to(target)
        Path(place, "config.json").write_text(json.dumps(bundle_configuration(os.geteuid(), os.getegid())))
        yield [program, "--root", f"{place}/state", "run", "--bundle", place, f"maelstrom-bench-{os.getpid()}"]


def find(name: str) -> str:
    """Return where a program is. Raises PeerError if it is not on this machine."""
    program = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if program is None:
        raise PeerError(f"{name} is not installed")
    return program


@contextmanager
def peer(name: str, commands: Callable[[], AbstractContextManager[list[str]]]) -> Iterator[Sample]:
    """Yield containers per second. Raises PeerError if not even one can be made."""
    with commands() as command:
        try:
            run(command)
        except BenchError as error:
            raise PeerError(f"{name} does not work here: {error}") from error
        yield lambda: 1e6 / spawn_loop(PEER_COUNT, 1, tuple(command))[0]


@contextmanager
def ours() -> Iterator[Sample]:
    """Yield jobs per second, one after another."""
    with ours_microseconds() as sample:
        yield lambda: 1e6 / sample()


def row(name: str, reach: float | None, commands: Callable[[], AbstractContextManager[list[str]]]) -> Bench:
    """Return the comparison with one program."""
    return Bench(
        name=f"launch-{name}",
        what=f"containers per second, one at a time, {COUNT} jobs as in launch; as many as {name} makes",
        unit="containers/s",
        better="more",
        reach=reach,
        ours=ours,
        reference=lambda: peer(name, commands),
    )


BENCHES = (
    row("bwrap", 4.0, bwrap),
    row("runc", 15.0, lambda: runtime("runc")),
    row("crun", None, lambda: runtime("crun")),
)
