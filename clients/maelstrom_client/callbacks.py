"""The client for any event loop: takes job specifications, tells outcomes by a call.

A specification is collapsed and its environment evaluated once; its layers are built once, in threads; after that a
job with an equal container goes straight to the back end: this machine, or a cluster as well.
`client.Client` is the same for asyncio, with futures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from maelstrom_client.awaited import Archive, Awaited
from maelstrom_client.backend import Backend
from maelstrom_client.kept_files import Keeping, keep, take_up
from maelstrom_client.ready import (
    MOST_SLOTS,
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
from maelstrom_container.store import LayerStore
from maelstrom_core.bounded import Bounded
from maelstrom_core.collapse import FlatContainer, collapse
from maelstrom_core.errors import InfrastructureError, SpecError
from maelstrom_core.job import DEFAULT_INLINE_LIMIT, Cancelled, ExecutionError, Exited, Outcome, RealisedLayer
from maelstrom_core.spec import ContainerSpec, JobSpec, Network, Reference, Seccomp
from maelstrom_worker.background import Background, Then
from maelstrom_worker.job_queue import JobId
from maelstrom_worker.nursery import Nursery
from maelstrom_worker.requests import REMEMBERED
from maelstrom_worker.supervisor import OnStart, Report, Supervisor

if TYPE_CHECKING:
    from maelstrom_container.images.store import ImageStore, RealisedImage
    from maelstrom_core.dial import Endpoint, Loop


class _Waiting(msgspec.Struct, frozen=True):
    """A job whose container is not ready, or that is on its way to the supervisor."""

    spec: JobSpec
    report: Report
    stdin: bytes
    inline_limit: int
    on_start: OnStart | None
    variables: tuple[str, ...]
    descriptor: int

    def answer(self, outcome: Outcome) -> None:
        """Report a job that never reached the supervisor, which would have had the descriptor."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.report(outcome)


class _Making(msgspec.Struct):
    """A container that is being made ready, and the jobs that wait for it."""

    flat: FlatContainer
    environment: tuple[str, ...]
    parts: list[tuple[RealisedLayer, ...] | None]
    left: int
    """Layers, and the image, that are not there yet."""
    image: RealisedImage | None = None
    jobs: list[JobId] = []
    over: bool = False


class CallbackClient:
    """Runs jobs, between `open` and `close`; after that everything it started is gone."""

    def __init__(self, nursery: Nursery, options: ClientOptions) -> None:
        # Pool members live in another current directory.
        self._project = options.project_directory.absolute()
        self._options = options
        self._supervisor = Supervisor(nursery, slots=options.slots)
        self._backend: Backend = self._supervisor
        self._containers: dict[str, ContainerSpec] = {}
        self._ready: Bounded[bytes, Ready] = Bounded(REMEMBERED)
        self._last: tuple[ContainerSpec | None, bytes] = (None, b"")
        self._making: dict[bytes, _Making] = {}
        self._waiting: dict[JobId, _Waiting] = {}
        self._encode = msgspec.msgpack.Encoder().encode
        self._images: ImageStore | None = None
        self._taking: dict[str, tuple[Keeping, Report]] = {}
        """Jobs whose files are being brought back, by the directories of their captures."""
        self._awaited = Awaited(self._project)
        self._closing = False
        self._store: LayerStore
        self._background: Background

    def open(self, loop: Loop) -> None:
        """Start the pool and open the cache.

        Raises UserError where the cache directory cannot be used, HostError where this host allows no containers, and
        UnreachableError and RefusedError where there is to be a broker.
        """
        self._supervisor.expect(Network.DISABLED, Seccomp.DEFAULT)  # the first job is of this kind nearly always
        self._supervisor.open(loop)
        try:
            options = self._options
            self._store = LayerStore(options.cache_root.absolute(), target_size=options.cache_size)
        except BaseException:
            self._supervisor.close()
            raise
        self._background = Background(loop)
        if options.broker is not None:
            try:
                self._backend = self._join(options.broker, loop)
            except BaseException:
                self.close()
                raise

    def _join(self, broker: Endpoint, loop: Loop) -> Backend:
        from maelstrom_client.cluster.cluster import Cluster

        cluster = Cluster(self._supervisor, broker, self._options, self._background)
        cluster.open(loop)
        return cluster

    @contextmanager
    def opened(self, loop: Loop) -> Iterator[Self]:
        """Open it for a `with` block."""
        self.open(loop)
        try:
            yield self
        finally:
            self.close()

    def close(self) -> None:
        """Stop every job and answer it; wait until every process and thread is gone."""
        self._closing = True
        for identity in list(self._waiting):
            self.cancel(identity)
        self._backend.close()
        if self._images is not None:
            self._images.stop()
        self._background.close()
        for keeping, report in list(self._taking.values()):
            self._taken(keeping, report, Cancelled(), None)
        if self._images is not None:
            self._images.close()
        self._store.close()

    def add_container(self, name: str, spec: ContainerSpec) -> ContainerSpec | None:
        """Make a container known as a parent by name; returns the one it replaces."""
        previous = self._containers.get(name)
        self._containers[name] = spec
        # A parent may mean something else now; jobs that wait already keep what it meant.
        self._ready.clear()
        self._making.clear()
        return previous

    def start(
        self,
        spec: JobSpec,
        report: Report,
        *,
        stdin: bytes = b"",
        inline_limit: int = DEFAULT_INLINE_LIMIT,
        on_start: OnStart | None = None,
        variables: tuple[str, ...] = (),
        descriptor: int = -1,
    ) -> JobId:
        """Run a job; `report` is called once, with its outcome. Raises SpecError for a wrong specification.

        `on_start` is called when a slot takes the job. `variables` (`NAME=value`) are what its environment has beside
        that of its container: jobs that differ in nothing else are still equal to who runs them. `descriptor` is one
        of `passing.offer`, with the job's standard streams, and is closed here unless this raises.
        """
        if spec.slots != 1:
            check_slots(spec, self._options.slots if self._options.broker is None else MOST_SLOTS)
        job = _Waiting(spec, report, stdin, inline_limit, on_start, variables, descriptor)
        if spec.capture is None and not self._awaited:
            return self._begin(job)
        return self._begin_in_turn(job)

    def _begin(self, job: _Waiting, identity: JobId | None = None, flat: FlatContainer | None = None) -> JobId:
        """Run a job at once, or as soon as its container, which may have meant `flat`, is ready. Raises SpecError."""
        container = job.spec.container
        key = self._key(container) if flat is None else b"flat" + self._encode(flat)
        ready = self._ready.get(key)
        if ready is not None:
            return self._launch(job, ready, identity)
        making = self._making.get(key)
        if making is None:
            making = self._make(key, collapse(container, self._containers) if flat is None else flat)
        if identity is None:
            identity = self._backend.new_id()
        self._waiting[identity] = job
        making.jobs.append(identity)
        return identity

    def _begin_in_turn(self, job: _Waiting) -> JobId:
        """Do the same for a job that writes an archive, or may have one as a layer that jobs before it are to write."""
        flat = collapse(job.spec.container, self._containers)
        archives = self._awaited.among(flat.layers)
        own = None
        if job.spec.capture is not None:
            own = self._awaited.begin(job.spec.capture)
            job = msgspec.structs.replace(job, report=partial(self._written, own, job.report))
        if not archives:
            try:
                return self._begin(job)
            except SpecError:
                if own is not None:
                    self._awaited.end(own, written=False)
                raise
        identity = self._backend.new_id()
        self._waiting[identity] = job
        self._awaited.wait(archives, partial(self._go_on, identity, flat))
        return identity

    def _go_on(self, identity: JobId, flat: FlatContainer, missing: str | None) -> None:
        """Begin with a job that has waited for archives, unless one was not written, or nobody wants it any more."""
        job = self._waiting.pop(identity, None)
        if job is None:
            return
        if missing is not None:
            text = f"its layer {missing} was not written, as the job that was to write it failed"
            job.answer(Cancelled() if self._closing else ExecutionError(text))
            return
        try:
            self._begin(job, identity, flat)
        except SpecError as error:
            job.answer(failure(error))

    def _written(self, archive: Archive, report: Report, outcome: Outcome) -> None:
        """Tell of a job that was to write an archive, and those who wait for that."""
        files = outcome.effects.files if isinstance(outcome, Exited) and not outcome.code else None
        written = files is not None and files.error is None
        if written:  # whoever has the file as a layer means what is in it now
            self._ready.clear()
            self._making.clear()
            self._store.forget(archive.path, self._project)
        try:
            report(outcome)
        finally:
            self._awaited.end(archive, written=written)

    def _key(self, container: ContainerSpec) -> bytes:
        """Return what equal containers have in common; most jobs have the same one as the job before."""
        last, key = self._last
        if container is not last:
            key = self._encode(container)
            self._last = container, key
        return key

    def cancel(self, identity: JobId) -> None:
        """Stop a job; its outcome becomes `Cancelled` unless it has one already."""
        waiting = self._waiting.pop(identity, None)
        if waiting is None:
            self._backend.cancel(identity)
        else:
            waiting.answer(Cancelled())

    def is_running(self, identity: JobId) -> bool:
        """Tell whether a job has been handed to a slot and has no outcome yet."""
        return self._backend.is_running(identity)

    def find_image(self, reference: Reference, then: Then) -> None:
        """Have an image on this machine; `then` is given a RealisedImage, or None and the exception."""
        self._background.run(partial(self._open_images().realise, reference), then)

    def with_store(self, work: Callable[[LayerStore], object], then: Then) -> None:
        """Have something done with the layers in a thread; `then` is given what it returns, or None and the exception.

        `then` is not called any more after `close`.
        """
        self._background.run(partial(work, self._store), then)

    def _open_images(self) -> ImageStore:
        if self._images is None:
            self._images = open_images(self._store, self._options)
        return self._images

    def _make(self, key: bytes, flat: FlatContainer) -> _Making:
        image = flat.image
        environment = evaluate_environment(flat, None) if image is None else ()
        left = len(flat.layers) + (image is not None)
        making = self._making[key] = _Making(flat, environment, [None] * len(flat.layers), left)
        if image is not None:
            self.find_image(image, partial(self._found_image, key, making))
        for index, layer in enumerate(flat.layers):
            build = partial(self._store.realise, layer, project_directory=self._project)
            self._background.run(build, partial(self._built, key, making, index))
        if not left:
            self._background.run(lambda: None, lambda *_: self._made(key, making))
        return making

    def _built(
        self,
        key: bytes,
        making: _Making,
        index: int,
        layers: tuple[RealisedLayer, ...] | None,
        error: BaseException | None,
    ) -> None:
        """Take note of a layer."""
        making.parts[index] = layers
        self._came(key, making, error)

    def _found_image(
        self, key: bytes, making: _Making, image: RealisedImage | None, error: BaseException | None
    ) -> None:
        """Take note of an image: only now it is known what the environment is based on."""
        making.image = image
        if error is None:
            try:
                making.environment = evaluate_environment(making.flat, image)
            except SpecError as wrong:
                error = wrong
        self._came(key, making, error)

    def _came(self, key: bytes, making: _Making, error: BaseException | None) -> None:
        """Count what came: the last, or the first that failed, decides about the container."""
        making.left -= 1
        if making.over:
            return
        if error is not None:
            self._failed(key, making, error)
        elif not making.left:
            self._made(key, making)

    def _made(self, key: bytes, making: _Making) -> None:
        layers = tuple(layer for part in making.parts if part for layer in part)
        session = self._options.sessions
        ready = make_ready(making.flat, layers, making.environment, self._project, making.image, session=session)
        if self._end(key, making):
            self._ready[key] = ready
        for identity, job in self._take(making):
            try:
                self._launch(job, ready, identity)
            except SpecError as error:
                job.answer(failure(error))

    def _launch(self, waiting: _Waiting, ready: Ready, identity: JobId | None = None) -> JobId:
        """Hand a job to the supervisor. Raises SpecError where nothing can be kept of it."""
        spec, report = waiting.spec, waiting.report
        limit = self._options.output_limit
        job = job_of(spec, ready, waiting.stdin, waiting.inline_limit, waiting.variables, output_limit=limit)
        if keeps(spec):
            try:
                keeping = keep(spec, ready.container, ready.working_directory, self._store, self._project)
            except InfrastructureError as error:
                waiting.answer(failure(error))
                return self._backend.new_id() if identity is None else identity
            job = msgspec.structs.replace(job, capture=keeping.capture)
            report = partial(self._take_up, keeping, report)
        return self._backend.start(job, report, waiting.on_start, identity, descriptor=waiting.descriptor)

    def _take_up(self, keeping: Keeping, report: Report, outcome: Outcome) -> None:
        """Bring back what a job left, in a thread, before its outcome is told."""
        if self._closing:
            self._taken(keeping, report, Cancelled(), None)
            return
        self._taking[keeping.capture.directory] = keeping, report
        self._background.run(partial(take_up, keeping, outcome), partial(self._taken, keeping, report))

    def _taken(self, keeping: Keeping, report: Report, outcome: Outcome | None, error: BaseException | None) -> None:
        self._taking.pop(keeping.capture.directory, None)
        self._store.discard(Path(keeping.capture.directory))
        report(outcome if outcome is not None else failure(error or RuntimeError()))

    def _failed(self, key: bytes, making: _Making, error: BaseException) -> None:
        self._end(key, making)
        outcome = failure(error)
        for _, job in self._take(making):
            job.answer(outcome)

    def _end(self, key: bytes, making: _Making) -> bool:
        """Note that the making is over; tell whether its result is still what its container means."""
        making.over = True
        if self._making.get(key) is not making:
            return False
        del self._making[key]
        return True

    def _take(self, making: _Making) -> list[tuple[JobId, _Waiting]]:
        """Return the jobs that still wait, which they do no longer; those that were cancelled are gone."""
        taken = [(identity, self._waiting.pop(identity, None)) for identity in making.jobs]
        return [(identity, job) for identity, job in taken if job is not None]
