"""One job, and nothing else: a client without an event loop, for programs that would spend more on one than on the job.

with SingleJob(start_nursery(), options) as single:
    outcome = single.run(spec)
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import msgspec

from maelstrom_client.ready import (
    ClientOptions,
    Ready,
    check_slots,
    evaluate_environment,
    failure,
    job_of,
    keeps,
    make_ready,
    open_images,
)
from maelstrom_core.collapse import FlatContainer, collapse
from maelstrom_core.errors import MaelstromError, SpecError
from maelstrom_core.job import DEFAULT_INLINE_LIMIT, Job, Outcome, RealisedLayer
from maelstrom_core.spec import ContainerSpec, JobSpec, Network, Seccomp
from maelstrom_worker.blocking import BlockingLoop
from maelstrom_worker.nursery import Nursery
from maelstrom_worker.supervisor import Supervisor

if TYPE_CHECKING:
    from maelstrom_client.kept_files import Keeping
    from maelstrom_container.images.store import RealisedImage
    from maelstrom_container.store import LayerStore


class Attendant(Protocol):
    """Has the other end of a job's standard input, or of its terminal."""

    @property
    def busy(self) -> bool:
        """Whether there is something to do yet for a job that has ended."""

    def begin(self, loop: BlockingLoop) -> int:
        """Return the descriptor for the job, which is then no longer yours; what is to be done is done in the loop."""

    def started(self) -> None:
        """Take note that the job begins."""

    def ended(self) -> None:
        """Take note that the job has ended."""

    def close(self) -> None:
        """Put everything back, however it ended."""


class SingleJob:
    """Runs a job; a context manager, at whose end everything it started is gone."""

    def __init__(self, nursery: Nursery, options: ClientOptions) -> None:
        self._options = options
        self._supervisor = Supervisor(nursery, slots=options.slots)

    def __enter__(self) -> Self:
        # Most jobs are of this kind: their pool member is made while nobody knows yet which job it will be.
        self._supervisor.expect(Network.DISABLED, Seccomp.DEFAULT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._supervisor.close()

    def run(
        self,
        spec: JobSpec,
        containers: Mapping[str, ContainerSpec],
        *,
        stdin: bytes = b"",
        inline_limit: int = DEFAULT_INLINE_LIMIT,
        attendant: Attendant | None = None,
        image_command: bool = False,
    ) -> Outcome:
        """Run a job to its end; `containers` are those that it may name. To be called once.

        With `image_command` what the image runs by itself takes the place of program and arguments.

        With an `attendant` the job has that one's descriptor as its standard input, or as the terminal that it asks
        for; what the attendant raises goes through. Raises SpecError for a wrong specification, UserError where the
        cache directory cannot be used, HostError where this host allows no containers.
        """
        # the pool member sets itself up beside us
        from maelstrom_container.store import LayerStore

        check_slots(spec, self._options.slots)
        flat = collapse(spec.container, containers)
        environment = evaluate_environment(flat, None) if flat.image is None else ()
        options = self._options
        with LayerStore(options.cache_root.absolute(), target_size=options.cache_size) as store:
            loop = BlockingLoop()
            supervisor = self._supervisor
            supervisor.open(loop)
            try:
                supervisor.expect(flat.network, flat.seccomp)
                try:
                    ready, image = self._make_ready(flat, environment, store)
                    if image_command:
                        spec = with_command(spec, flat, image)
                except (MaelstromError, OSError) as error:
                    return failure(error)
                job = job_of(spec, ready, stdin, inline_limit, output_limit=options.output_limit)
                keeping = None
                if keeps(spec):
                    keeping = self._keep(spec, ready, store)
                    job = msgspec.structs.replace(job, capture=keeping.capture)
                try:
                    try:
                        outcome = _outcome(supervisor, loop, job, attendant)
                    except KeyboardInterrupt as interrupt:
                        raise interrupt if keeping is None else KeyboardInterrupt(_lost(spec)) from None
                    return outcome if keeping is None else _take_up(keeping, outcome)
                finally:
                    if keeping is not None:
                        store.discard(Path(keeping.capture.directory))
            finally:
                supervisor.close()

    def _keep(self, spec: JobSpec, ready: Ready, store: LayerStore) -> Keeping:
        from maelstrom_client.kept_files import keep

        return keep(spec, ready.container, ready.working_directory, store, self._options.project_directory.absolute())

    def _make_ready(
        self, flat: FlatContainer, environment: tuple[str, ...], store: LayerStore
    ) -> tuple[Ready, RealisedImage | None]:
        """Have all layers on this machine, and the image, which decides about the environment."""
        project = self._options.project_directory.absolute()
        image = None
        if flat.image is not None:
            with closing(open_images(store, self._options)) as images:
                image = images.realise(flat.image)
            environment = evaluate_environment(flat, image)
        layers: list[RealisedLayer] = []
        for layer in flat.layers:
            layers += store.realise(layer, project_directory=project)
        session = self._options.sessions
        return make_ready(flat, layers, environment, project, image, session=session), image


def _lost(spec: JobSpec) -> str:
    from maelstrom_client.kept_files import lost

    return lost(spec)


def _take_up(keeping: Keeping, outcome: Outcome) -> Outcome:
    from maelstrom_client.kept_files import take_up

    return take_up(keeping, outcome)


def _outcome(supervisor: Supervisor, loop: BlockingLoop, job: Job, attendant: Attendant | None) -> Outcome:
    """Run the job to its end."""
    if attendant is not None:
        return _attended(supervisor, loop, job, attendant)
    outcomes: list[Outcome] = []
    supervisor.start(job, outcomes.append)
    while not outcomes:
        loop.run_once()
    return outcomes[0]


def _attended(supervisor: Supervisor, loop: BlockingLoop, job: Job, attendant: Attendant) -> Outcome:
    outcomes: list[Outcome] = []
    try:
        descriptor = attendant.begin(loop)
        supervisor.start(job, outcomes.append, attendant.started, descriptor=descriptor)
        while not outcomes:
            loop.run_once()
        attendant.ended()
        while attendant.busy:
            loop.run_once()
    finally:
        attendant.close()
    return outcomes[0]


def with_command(spec: JobSpec, flat: FlatContainer, image: RealisedImage | None) -> JobSpec:
    """Return the job with what its image runs by itself as its command. Raises SpecError."""
    command = image.command if image is not None else ()
    if not command:
        name = flat.image.name if flat.image is not None else "(none)"
        raise SpecError(f"the image {name} does not say what to run", hint="give a command, after `--`")
    return msgspec.structs.replace(spec, program=command[0], arguments=command[1:])
