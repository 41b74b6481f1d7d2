"""The jobs of a run: specifications for collecting and for running some tests, and how tests are grouped to jobs.

Pure, but for reading this process's user and group. The container is the client library's own, plus what pytest needs.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from maelstrom_client.sealed import sealed_container
from maelstrom_core.spec import BindMount, ContainerSpec, JobSpec, Layer, PythonEnvironmentLayer
from maelstrom_pytest.interpreter import Interpreter
from maelstrom_pytest.records import Item

GUEST_MOUNT_POINT = "/.maelstrom/guest"

# The interpreter searches the current directory first, natively as `python -m pytest`; while the guest starts it must
# not, and afterwards the guest puts it back.
BOOTSTRAP = """\
import sys
sys.path[:1] = [entry for entry in sys.path[:1] if entry]
from importlib.machinery import SourceFileLoader as loader
exec(loader("maelstrom_guest", sys.argv[1] + "/boot.py").get_code("maelstrom_guest"), {"__name__": "maelstrom_guest"})
"""


class Isolation(enum.Enum):
    """How much shares one job: one process, one container."""

    TEST = "test"
    FUNCTION = "function"
    CLASS = "class"
    MODULE = "module"
    SESSION = "session"


class Plan(msgspec.Struct, frozen=True):
    """What all jobs of a run have in common."""

    interpreter: Interpreter
    directory: str
    """Absolute path of the directory pytest is called in."""
    shown: tuple[Layer, ...]
    """What is shown of the project, and of whatever else its tests name: see `shown`."""
    arguments: tuple[str, ...]
    """pytest's."""
    guest: str
    """Directory of the guest's files on this machine."""
    environment: Mapping[str, str]
    """The caller's, unfiltered."""
    timeout: float | None = None
    """Seconds per job; None for none."""
    markup: bool = False
    """Whether pytest's texts shall be coloured."""
    width: int = 80
    mount_point: str = GUEST_MOUNT_POINT


def container(plan: Plan) -> ContainerSpec:
    """Return the default container, this machine, sealed, with what the tests need of it and the guest."""
    sealed = sealed_container(
        Path(plan.directory),
        layers=(PythonEnvironmentLayer(plan.interpreter.executable), *plan.shown),
        environ=plan.environment,
    )
    assert isinstance(sealed.mounts, tuple)  # noqa: S101 - for the type checker
    guest = BindMount(plan.mount_point, plan.guest, read_only=True)
    return msgspec.structs.replace(sealed, mounts=(*sealed.mounts, guest))


def job(plan: Plan, shared: ContainerSpec, *, timeout: float | None) -> JobSpec:
    """Return the specification of a job; what it is to do comes by its standard input."""
    return JobSpec(
        container=shared,
        program=plan.interpreter.executable,
        arguments=("-c", BOOTSTRAP, plan.mount_point),
        timeout=timeout,
    )


def collect_request(plan: Plan) -> bytes:
    """Return the standard input of a job that collects."""
    return _request(plan, mode="collect")


def run_request(plan: Plan, items: Sequence[Item], *, prune: bool = True) -> bytes:
    """Return the standard input of a job that runs these items; `prune` keeps it from collecting anything else."""
    return _request(plan, mode="run", select=[[item.nodeid, item.occurrence, item.file] for item in items], prune=prune)


def _request(plan: Plan, **fields: object) -> bytes:
    document = {"args": plan.arguments, "markup": plan.markup, "width": plan.width, **fields}
    return json.dumps(document).encode()


def group(items: Iterable[Item], isolation: Isolation) -> list[tuple[Item, ...]]:
    """Return which items share a job, in the order of each job's first item."""
    groups: dict[object, list[Item]] = {}
    for number, item in enumerate(items):
        key: object = {
            Isolation.TEST: number,
            Isolation.FUNCTION: (item.module, item.function),
            Isolation.CLASS: (item.module, item.class_ or item.function),
            Isolation.MODULE: item.module,
            Isolation.SESSION: None,
        }[isolation]
        groups.setdefault(key, []).append(item)
    return [tuple(members) for members in groups.values()]
