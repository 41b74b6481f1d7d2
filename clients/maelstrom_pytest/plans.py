"""Plans of runs, from how pytest was called: on this machine, or in an image that is had ready first."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

from maelstrom_container.python_probe import PythonInfo, probe_python
from maelstrom_core import log
from maelstrom_core.spec import Seccomp
from maelstrom_pytest import expressions, guest_files, interpreter
from maelstrom_pytest.config import PytestConfig
from maelstrom_pytest.plan import GUEST_MOUNT_POINT, Plan
from maelstrom_pytest.shown import find_root, shown_layers
from maelstrom_test_runner.directives import Directives
from maelstrom_test_runner.runner_file import RunnerFile
from maelstrom_test_runner.selecting import Selection

if TYPE_CHECKING:
    from maelstrom_test_runner.runner import ImageRunner, Runner

NO_FILE = RunnerFile(Directives())


class Told(Protocol):
    """Is told what takes long before tests run."""

    def busy(self, text: str) -> None:
        """Take note of what is being done."""
        ...

    def remark(self, text: str) -> None:
        """Take note of what was done."""
        ...


class Call(msgspec.Struct, frozen=True):
    """How pytest was called."""

    directory: Path
    arguments: tuple[str, ...]
    """pytest's, selection included."""
    environment: Mapping[str, str]
    listing: bool = False
    """Print the node ids of the tests, run none."""
    file: RunnerFile = NO_FILE
    """What the project says of its tests."""
    selection: Selection = Selection()
    dry_run: bool = False
    """Print the jobs of the tests, run none."""
    first: tuple[str, ...] = ()
    """Files that have changed, absolute: tests which that concerns run first."""
    python: str | None = None
    """The interpreter of tests on this machine, whatever the configuration says; None: as that says."""

    @property
    def project(self) -> Path:
        """Where relative paths of containers start, and what image tags mean is noted."""
        return self.directory if self.file.path is None else self.file.path.parent


def in_image(config: PytestConfig, image: str | None) -> PytestConfig:
    """Return the configuration of runs in another image, or in none; their interpreter is in the usual place."""
    return config if image == config.image else PytestConfig(**{**config.values, "image": image, "python": None})


def make_plan(config: PytestConfig, call: Call, *, markup: bool, width: int, mount_point: str) -> Plan:
    """Find out what the jobs of a run have in common. Raises UserError and InfrastructureError."""

    def prober(executable: str) -> PythonInfo:
        # where the layer of the interpreter looks, too: it is asked once
        return probe_python(executable, cache_directory=config.cache_root / "python")

    root = find_root(call.directory)
    python = interpreter.choose(call.python or config.python, call.directory, root, call.environment, prober=prober)
    info = prober(python.executable)
    log.info("interpreter chosen", python=python.executable)
    plan = Plan(
        interpreter=python,
        directory=str(call.directory),
        shown=shown_layers(call.directory, call.arguments, call.environment),
        arguments=call.arguments,
        guest=str(guest_files.stage(config.cache_root, python, mount_point)),
        environment=call.environment,
        timeout=config.timeout or None,
        grace=config.timeout_grace,
        markup=markup,
        width=width,
        mount_point=mount_point,
        installed=(*info.path, *info.site_packages),
        templates=config.template and not config.show_output,
        seccomp=Seccomp.DEFAULT if config.seccomp else Seccomp.OFF,
        memory=config.memory,
        said=call.file.directives.treatment({}).container,
        named=call.file.directives.containers,
        hermetic=config.hermetic,
        wishes=_wishes(config),
    )
    return _with_expressions(config, plan)


async def make_image_plan(
    config: PytestConfig, call: Call, runner: ImageRunner, ui: Told, *, mount_point: str = GUEST_MOUNT_POINT
) -> Plan:
    """Have an image, and in it the project's requirements, on this machine; return the plan of a run in it.

    Raises UserError and InfrastructureError.
    """
    from maelstrom_pytest import image_build
    from maelstrom_pytest.requirements import find_requirements

    assert config.image is not None  # noqa: S101 - for the type checker
    root = find_root(call.directory)
    shown = shown_layers(call.directory, call.arguments, {}, already=())
    wanted = image_build.Wanted(
        image=config.image,
        python=config.python or "python3",
        find=partial(find_requirements, call.directory, root, config.requirements),
        options=config.pip_options,
        directory=str(call.directory),
        shown=shown,
        environment=dict(call.environment),
        cache_root=config.cache_root,
    )
    place, python, guest = await image_build.make_ready(runner, wanted, mount_point, ui.busy, ui.remark)
    plan = Plan(
        interpreter=python,
        directory=str(call.directory),
        shown=shown,
        arguments=call.arguments,
        guest=str(guest),
        environment=call.environment,
        timeout=config.timeout or None,
        grace=config.timeout_grace,
        mount_point=mount_point,
        templates=config.template and not config.show_output,
        seccomp=Seccomp.DEFAULT if config.seccomp else Seccomp.OFF,
        memory=config.memory,
        said=call.file.directives.treatment({}).container,
        named=call.file.directives.containers,
        hermetic=config.hermetic,
        image=place,
        wishes=_wishes(config),
    )
    ui.busy("collecting the tests")
    return _with_expressions(config, plan)


def _wishes(config: PytestConfig) -> dict[str, object]:
    """Return what the guest is asked for beside the usual."""
    return {**({"live": True} if config.show_output else {}), **({"breakpoints": True} if config.pdb else {})}


def _with_expressions(config: PytestConfig, plan: Plan) -> Plan:
    store = expressions.Store(config.cache_root / "pytest-expressions" / plan.name)
    return msgspec.structs.replace(plan, expressions=(str(store.directory), store.files()))


async def other_plan(
    config: PytestConfig, call: Call, runner: Runner, ui: Told, *, plan: Plan, image: str | None
) -> Plan:
    """Return the plan of tests that run in another image than most, or in none. Raises UserError and others."""
    config = in_image(config, image)
    if image is None:
        made = make_plan(config, call, markup=plan.markup, width=plan.width, mount_point=plan.mount_point)
    else:
        made = await make_image_plan(config, call, cast("ImageRunner", runner), ui, mount_point=plan.mount_point)
    return msgspec.structs.replace(made, markup=plan.markup, width=plan.width, wishes=plan.wishes)
