"""A client that runs nothing: outcomes depend on the program's name, or are decided by the test."""

# ruff: noqa: ARG002 - the signatures are those of the real thing

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from maelstrom_client.single import Attendant
from maelstrom_core.config import LocalConfig
from maelstrom_core.errors import SpecError
from maelstrom_core.job import (
    Cancelled,
    Effects,
    ExecutionError,
    Exited,
    Outcome,
    Output,
    Signaled,
    SystemFailure,
    TimedOut,
)
from maelstrom_core.spec import ContainerSpec, HostLayer, JobSpec, Reference
from maelstrom_core.spec_parse import IMAGE_USES
from maelstrom_worker.blocking import BlockingLoop


def outcome_of(spec: JobSpec) -> Outcome:
    """`true`, `exit N`, `signal N`, `print OUT ERR [LOST]`, `timeout`, `missing`, `lost`, `cancelled`."""
    arguments = spec.arguments
    match spec.program:
        case "true":
            return Exited(0, Effects())
        case "exit":
            return Exited(int(arguments[0]), Effects())
        case "signal":
            return Signaled(int(arguments[0]), Effects(stdout=Output(b"before\n")))
        case "print":
            lost = int(arguments[2]) if len(arguments) > 2 else 0
            return Exited(
                0, Effects(stdout=Output(arguments[0].encode(), lost), stderr=Output(arguments[1].encode(), lost))
            )
        case "timeout":
            return TimedOut(Effects(stdout=Output(b"so far\n"), duration=spec.timeout or 0.0))
        case "missing":
            return ExecutionError("program `missing` does not exist", hint="look at the layers")
        case "lost":
            return SystemFailure("the worker died")
        case "cancelled":
            return Cancelled()
    raise AssertionError(spec.program)


class FakeClient:
    """`spec-error` is refused; `hold` waits for the test; others end at the next turn of the loop."""

    def __init__(self) -> None:
        self.specs: list[JobSpec] = []
        self.containers: dict[str, ContainerSpec] = {}
        self.limits: list[int] = []
        self.variables: list[tuple[str, ...]] = []
        self.own: list[bool] = []
        """For each single job whether its image says what to run."""
        self.held: list[Callable[[Outcome], object]] = []
        self.due: list[Callable[[], object]] = []
        self.idle: Callable[[], object] = lambda: None
        self.config: LocalConfig | None = None

    def add_container(self, name: str, spec: ContainerSpec) -> ContainerSpec | None:
        old = self.containers.get(name)
        self.containers[name] = spec
        return old

    def start(
        self,
        spec: JobSpec,
        report: Callable[[Outcome], object],
        *,
        inline_limit: int = 0,
        variables: tuple[str, ...] = (),
    ) -> Callable[[Outcome], object]:
        if spec.program == "spec-error":
            raise SpecError("there is no container `x` to be a parent", hint="did you mean `y`?")
        self.specs.append(spec)
        self.limits.append(inline_limit)
        self.variables.append(variables)
        if spec.program == "hold":
            self.held.append(report)
        else:
            self.due.append(partial(report, outcome_of(spec)))
        return report

    def is_running(self, identity: object) -> bool:
        return identity in self.held

    def turn(self, *, wait: bool) -> None:
        """Tell what is due; where nothing is, and that is waited for, the test ends what it holds."""
        due, self.due = self.due, []
        for tell in due:
            tell()
        if wait and not due:
            self.idle()


class FakeSingle:
    """The same for one job: `hold` hangs until it is interrupted."""

    def __init__(self, client: FakeClient) -> None:
        self.client = client

    def run(
        self,
        spec: JobSpec,
        containers: Mapping[str, ContainerSpec],
        *,
        inline_limit: int = 0,
        attendant: Attendant | None = None,
        image_command: bool = False,
    ) -> Outcome:
        self.client.specs.append(spec)
        self.client.own.append(image_command)
        self.client.containers.update(containers)
        self.client.limits.append(inline_limit)
        if spec.program == "hold":
            signal.pause()
        return Exited(0, Effects()) if image_command else outcome_of(spec)


class FakeBackend:
    def __init__(self) -> None:
        self.client = FakeClient()

    @contextmanager
    def open_client(self, config: LocalConfig, project_directory: Path, loop: BlockingLoop, tell: object):
        self.client.config = config
        bell = os.eventfd(1)  # has each turn of the loop tell what is due
        loop.add_reader(bell, partial(self.client.turn, wait=False))
        yield self.client
        os.close(bell)

    @contextmanager
    def open_single(self, config: LocalConfig, project_directory: Path):
        self.client.config = config
        yield FakeSingle(self.client)

    def default_container(self, working_directory: Path) -> ContainerSpec:
        return ContainerSpec(layers=(HostLayer(("/usr",)),), working_directory=str(working_directory))

    def image_container(self, name: str) -> ContainerSpec:
        return ContainerSpec(image=Reference(name, IMAGE_USES))

    def doctor(self, config: LocalConfig) -> int:
        return 42
