"""The jobs of a run: specifications for collecting and for running some tests, and how tests are grouped to jobs.

Pure, but for reading this process's user and group. The container is the client library's own, plus what pytest needs.
"""

from __future__ import annotations

import enum
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from maelstrom_client.sealed import sealed_container
from maelstrom_core.collapse import resolve
from maelstrom_core.spec import (
    BindMount,
    ContainerSpec,
    Grace,
    JobSpec,
    Layer,
    Limits,
    PythonEnvironmentLayer,
    Seccomp,
    StoredLayer,
    TemplateSpec,
)
from maelstrom_core.spec_parse import check_limits
from maelstrom_pytest import image_python
from maelstrom_pytest.interpreter import Interpreter
from maelstrom_pytest.records import Item
from maelstrom_test_runner import containers
from maelstrom_test_runner.companies import companies

PIPE = "items"
GUEST_MOUNT_POINT = "/.maelstrom/guest"
EARLY_MOUNT_POINT = "/.maelstrom/early"
"""Where the job that collects finds the pipe of `early`."""
EXPRESSIONS_MOUNT_POINT = "/.maelstrom/expressions"

# The interpreter searches the current directory first, natively as `python -m pytest`; while the guest starts it must
# not, and afterwards the guest puts it back.
BOOTSTRAP = """\
import sys
sys.path[:1] = [entry for entry in sys.path[:1] if entry]
from importlib.machinery import SourceFileLoader as loader
exec(loader("maelstrom_guest", sys.argv[1] + "/boot.py").get_code("maelstrom_guest"), {"__name__": "maelstrom_guest"})
"""


LONGEST_ARGUMENT = 1 << 16
"""Bytes of a request that go into one argument; the kernel takes twice as many."""


class Isolation(enum.Enum):
    """How much shares one job: one process, one container."""

    TEST = "test"
    FUNCTION = "function"
    CLASS = "class"
    MODULE = "module"
    SESSION = "session"
    AUTO = "auto"
    """Cheap tests of a file share one, as many as earlier durations make worth while."""


class InImage(msgspec.Struct, frozen=True):
    """The place of a run whose containers are made of an image."""

    name: str
    """The image's."""
    layer: str
    """The layer with the project's requirements: its name in the cache, which is another one for another image."""
    virtual: bool
    """Whether the interpreter is that of a virtual environment in that layer."""


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
    grace: float = 0.0
    """Seconds that a test is given to say where it is when its time is up."""
    markup: bool = False
    """Whether pytest's texts shall be coloured."""
    width: int = 80
    mount_point: str = GUEST_MOUNT_POINT
    installed: tuple[str, ...] = ()
    """Where the interpreter looks for packages."""
    templates: bool = True
    """Whether tests are forked from templates; else each job starts an interpreter."""
    seccomp: Seccomp = Seccomp.DEFAULT
    memory: int = 0
    """Bytes that a job may use; 0 for any number."""
    expressions: tuple[str, tuple[str, ...]] = ("", ())
    """Where files with compiled expressions are, and their names: see `expressions`."""
    image: InImage | None = None
    """What the containers are made of; None: this machine, sealed."""
    said: ContainerSpec = ContainerSpec()
    """What the project's file says of all containers."""
    named: Mapping[str, ContainerSpec] = {}
    """The containers that it names, as parents of others."""
    hermetic: bool = False
    """Whether the built-in container is the minimal one."""
    wishes: Mapping[str, object] = {}
    """Further fields of what the guest is asked for: `data`, `path`, `options`."""

    @property
    def name(self) -> str:
        """A name for files about this project's tests, whatever pytest's arguments."""
        from blake3 import blake3

        parts = [self.directory, self.interpreter.executable]
        if self.image is not None:
            parts += [self.image.name, str(self.interpreter.version)]
        return blake3(b"\0".join(map(os.fsencode, parts))).hexdigest(16)


def container(plan: Plan, said: ContainerSpec | None = None) -> ContainerSpec:
    """Return the container of tests of which this is said, by default what is said of all; and the guest in it.

    It is this machine, sealed, or made of an image; with what tests need of it. Raises SpecError, for limits that are
    out of range as well.
    """
    default, needed = _built_in(plan)
    if plan.hermetic:
        programs = os.path.dirname(plan.interpreter.executable)
        default = containers.hermetic(default, needed, programs=programs, carried=image_python.is_carried)
    limits = Limits(memory=plan.memory or None)
    check_limits(limits, "")
    default = msgspec.structs.replace(default, seccomp=plan.seccomp, limits=limits)
    whole = containers.complete(default, needed, plan.said if said is None else said, plan.named)
    assert isinstance(whole.mounts, tuple)  # noqa: S101 - for the type checker
    mounts = [*whole.mounts, BindMount(plan.mount_point, plan.guest, read_only=True)]
    directory, names = plan.expressions
    if names:
        mounts.append(BindMount(EXPRESSIONS_MOUNT_POINT, directory, read_only=True))
    return msgspec.structs.replace(whole, mounts=tuple(mounts))


def _built_in(plan: Plan) -> tuple[ContainerSpec, tuple[Layer, ...]]:
    """Return the built-in container, and which of its layers, the last ones, tests cannot run without."""
    if plan.image is not None:
        needed: tuple[Layer, ...] = (StoredLayer(plan.image.layer), *plan.shown)
        made = image_python.tests_container(
            plan.image.name, needed, plan.environment, directory=plan.directory, virtual=plan.image.virtual
        )
        return made, needed
    needed = (PythonEnvironmentLayer(plan.interpreter.executable), *plan.shown)
    return sealed_container(Path(plan.directory), layers=needed, environ=plan.environment), needed


def shows_more(plan: Plan) -> bool:
    """Tell whether the project's file shows all tests other files than there would be without it. Raises SpecError."""
    resolved = resolve(plan.said, plan.named)
    return bool(resolved.layers or resolved.mounts)


def with_early_items(shared: ContainerSpec, directory: str | None) -> ContainerSpec:
    """Return the container of the job that collects: shown the pipe in a directory, if there is one."""
    if directory is None:
        return shared
    assert isinstance(shared.mounts, tuple)  # noqa: S101 - for the type checker
    # a pipe can be written to all the same; nothing else in there can
    pipe = BindMount(EARLY_MOUNT_POINT, directory, read_only=True)
    return msgspec.structs.replace(shared, mounts=(*shared.mounts, pipe))


def job(plan: Plan, shared: ContainerSpec, *, timeout: float | None) -> JobSpec:
    """Return the specification of a job; what it is to do comes by its standard input."""
    return JobSpec(
        container=shared,
        program=plan.interpreter.executable,
        arguments=("-c", BOOTSTRAP, plan.mount_point),
        timeout=timeout,
        grace=grace_of(plan),
    )


def terminal_job(plan: Plan, shared: ContainerSpec, items: Sequence[Item], directory: str | None) -> JobSpec:
    """Return the job that runs some tests with pdb; its standard input is a terminal, so it is told what to do else."""
    wanted = {"usepdb": True, "no_header": True, "no_summary": True}
    options = plan.wishes.get("options", {})
    assert isinstance(options, Mapping)  # noqa: S101 - for the type checker
    request = _request(plan, mode="run", **_selection(items, directory), options={**options, **wanted}).decode()
    chunks = (request[start : start + LONGEST_ARGUMENT] for start in range(0, len(request), LONGEST_ARGUMENT))
    spec = job(plan, shared, timeout=None)
    return msgspec.structs.replace(spec, arguments=(*spec.arguments, "terminal", *chunks), grace=None)


def template_of(plan: Plan, stage: Stage, *, forks: int) -> TemplateSpec:
    """Return the template whose forks run tests: pytest with what all tests need, and then some files collected.

    `forks` is about how many there will be: some of what makes them cheap pays off for many only.
    """
    requests = (_dump({"mode": "stage", "files": stage, "prune": True}),) if stage else ()
    return TemplateSpec(
        program=plan.interpreter.executable,
        arguments=("-c", BOOTSTRAP, plan.mount_point, "template"),
        request=_request(plan, mode="template", forks=forks, expressions=expression_files(plan)),
        stages=requests,
    )


def expression_files(plan: Plan) -> list[str]:
    """Return the paths at which jobs see the files with compiled expressions."""
    return [f"{EXPRESSIONS_MOUNT_POINT}/{name}" for name in plan.expressions[1]]


def fork(
    shared: ContainerSpec, template: TemplateSpec, *, timeout: float | None, grace: Grace | None = None
) -> JobSpec:
    """Return the specification of a job that is forked from a template."""
    return JobSpec(container=shared, program=template.program, template=template, timeout=timeout, grace=grace)


def grace_of(plan: Plan) -> Grace | None:
    """Return what tests are given when their time is up: the signal at which pytest shows what all threads do."""
    return Grace(plan.grace, signal.SIGABRT) if plan.grace else None


def fork_request(items: Sequence[Item], directory: str | None = None, *, loaded: bool = True) -> bytes:
    """Return what a fork is given: the items to run, and the directory that they are to be in if it is another one.

    `loaded` asks for what its template has covered as well.
    """
    return _dump({"mode": "run", **_selection(items, directory), **({} if loaded else {"loaded": False})})


def collect_request(plan: Plan, *, early: bool = False) -> bytes:
    """Return the standard input of a job that collects; `early`: and tells of each file when it has it."""
    return _request(plan, mode="collect", early=f"{EARLY_MOUNT_POINT}/{PIPE}" if early else None)


def run_request(plan: Plan, items: Sequence[Item], directory: str | None = None, *, prune: bool = True) -> bytes:
    """Return the standard input of a job that runs these items; `prune` keeps it from collecting anything else."""
    return _request(plan, mode="run", prune=prune, **_selection(items, directory))


def _selection(items: Sequence[Item], directory: str | None) -> dict[str, object]:
    selection: dict[str, object] = {"select": [[item.nodeid, item.occurrence, item.file] for item in items]}
    if places := {str(index): item.place for index, item in enumerate(items) if item.place is not None}:
        selection["places"] = places
    return selection if directory is None else {**selection, "directory": directory}


def coverage_request(plan: Plan, covered: object, *, failed: bool) -> bytes:
    """Return the standard input of the job that reports what all jobs have measured; `failed`: tests have failed."""
    return _request(plan, mode="coverage", covered=covered, failed=failed)


def _request(plan: Plan, **fields: object) -> bytes:
    return _dump({"args": plan.arguments, "markup": plan.markup, "width": plan.width, **plan.wishes, **fields})


def _dump(document: object) -> bytes:
    return json.dumps(document).encode()


Durations = Callable[[Item], float | None]
"""Returns how long a test took in an earlier run, in seconds; None for one that has not run."""

SMALL = 4
"""A file with fewer tests gets no template of its own: that would cost more than it saves."""
CHUNK = 250
"""How many small files that are no modules of Python share a template."""


def group(
    items: Sequence[Item], isolation: Isolation, durations: Durations = lambda _: None, slots: int = 1
) -> list[tuple[Item, ...]]:
    """Return which items share a job, in the order of each job's first item."""
    if isolation is Isolation.AUTO:
        return _group_cheap(items, durations, slots)
    if isolation is Isolation.TEST:
        return [(item,) for item in items]
    key = KEYS[isolation]
    groups: dict[object, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [tuple(members) for members in groups.values()]


KEYS: dict[Isolation, Callable[[Item], object]] = {
    Isolation.FUNCTION: lambda item: (item.module, item.function),
    Isolation.CLASS: lambda item: (item.module, item.class_ or item.function),
    Isolation.MODULE: lambda item: item.module,
    Isolation.SESSION: lambda _item: None,
}
"""What items have in common that share a job."""


Stage = tuple[str, ...]
"""The files that a template has collected; none in the base."""


def stages(items: Iterable[Item]) -> dict[str, Stage]:
    """Return for each file the stage from which its tests are forked.

    A file with many tests has one of its own. Jobs of small modules are forked from the base and import them
    themselves: to import one beside the others might change what it does. Small files of other kinds (data that a
    plugin makes tests of) are collected together.
    """
    counts = Counter(item.file for item in items)
    small = [file for file, count in counts.items() if count < SMALL]
    found: dict[str, Stage] = {file: (file,) for file in counts}
    found.update((file, ()) for file in small if file.endswith(".py"))
    data = [file for file in small if not file.endswith(".py")]
    for start in range(0, len(data), CHUNK):
        chunk = tuple(data[start : start + CHUNK])
        found.update(dict.fromkeys(chunk, chunk))
    return found


def _group_cheap(items: Sequence[Item], durations: Durations, slots: int) -> list[tuple[Item, ...]]:
    """Let neighbours in a stage share a job as long as that saves something; who opted out is alone."""
    stage_of = stages(items)
    return companies(
        items, kin=lambda item: None if item.alone else stage_of[item.file], seconds=durations, slots=slots
    )


def in_order(groups: Iterable[tuple[Item, ...]], durations: Durations, slots: int = 1) -> list[tuple[Item, ...]]:
    """Return the groups by file: files with new tests and those with the longest test first.

    In front of all is one group of each of as many files as there are slots: so their templates load side by side.
    """

    def longest(those: list[tuple[Item, ...]]) -> float:
        most = 0.0
        for members in those:
            total = 0.0
            for item in members:
                seconds = durations(item)
                if seconds is None:  # nothing is longer than one that is new
                    return float("inf")
                total += seconds
            most = max(most, total)
        return most

    files: dict[str, list[tuple[Item, ...]]] = {}
    for members in groups:
        files.setdefault(members[0].module, []).append(members)
    by_file = sorted(files.values(), key=longest, reverse=True)
    heads = [those.pop(0) for those in by_file[:slots]]
    return heads + [members for those in by_file for members in those]
