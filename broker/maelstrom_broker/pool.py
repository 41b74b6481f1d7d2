"""The workers and shapes of the broker, each knowing which of the others fit; and the choice of a worker for a job.

Costs nothing that grows with the number of workers, but when a worker comes or goes, or a shape is new. Pure.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from maelstrom_broker.records import Job, Peer, Requirements, Worker
from maelstrom_broker.shape import Shape, WorkerIndex

_CANDIDATES = 4
"""Least loaded workers that are looked at for one that has the layers."""
_HOLDERS = 8
"""Workers that have the rarest layer, looked at as well."""
_LAYERS = 10_000
"""Digests remembered of one worker."""
_IDLE_SHAPES = 8
"""Shapes without jobs that are kept, since the next job may have the same."""


class Pool:
    """Who is there. The scheduler tells it of each change by `update`."""

    def __init__(self) -> None:
        self.workers: dict[Peer, Worker] = {}
        self.shapes: dict[Requirements, Shape] = {}
        self._idle: dict[Shape, None] = {}
        self._holders: dict[str, dict[Worker, None]] = {}

    # shapes

    def shape(self, wanted: Requirements) -> Shape:
        """Return the shape of these requirements, for one more job."""
        shape = self.shapes.get(wanted)
        if shape is None:
            shape = self.shapes[wanted] = Shape(wanted)
            for worker in self.workers.values():
                if not (worker.draining or worker.gone) and worker.fits(wanted):
                    self._join(shape, worker)
        shape.jobs += 1
        self._idle.pop(shape, None)
        return shape

    def leave(self, shape: Shape) -> None:
        """Take note that one job or attempt less has this shape."""
        shape.jobs -= 1
        if shape.jobs == 0:
            shape.told.clear()
            self._idle[shape] = None
            if shape.wanted.avoid:
                self._drop(shape)
            elif len(self._idle) > _IDLE_SHAPES:
                self._drop(next(iter(self._idle)))

    def _drop(self, shape: Shape) -> None:
        del self._idle[shape], self.shapes[shape.wanted]
        for worker in shape.fitting:
            del worker.shapes[shape]

    def _join(self, shape: Shape, worker: Worker) -> None:
        shape.fitting[worker] = None
        shape.told.clear()
        worker.shapes[shape] = None
        self._index(shape, worker)

    # workers

    def add(self, worker: Worker) -> None:
        """Let a worker in."""
        self.workers[worker.peer] = worker
        for shape in self.shapes.values():
            if worker.fits(shape.wanted):
                self._join(shape, worker)

    def withdraw(self, worker: Worker) -> None:
        """Give a worker no more jobs."""
        worker.version += 1
        for shape in worker.shapes:
            del shape.fitting[worker]
        worker.shapes.clear()

    def remove(self, worker: Worker) -> None:
        """Forget a worker that has been withdrawn."""
        del self.workers[worker.peer]
        self.hold(worker, (), tuple(worker.layers))

    def update(self, worker: Worker) -> None:
        """Give a worker its place in the indices anew."""
        worker.version += 1
        for shape in worker.shapes:
            self._index(shape, worker)

    def _index(self, shape: Shape, worker: Worker) -> None:
        if worker.reserved not in {None, shape}:
            return
        if worker.has_room(shape.wanted):
            shape.room.push(worker, len(shape.fitting))
        elif shape.wanted.plain and self.may_wait(worker):
            shape.spare.push(worker, len(shape.fitting))

    @staticmethod
    def may_wait(worker: Worker) -> bool:
        """Tell whether one more plain job may wait at a worker."""
        return worker.reserved is None and len(worker.ahead) < worker.look_ahead

    # layers

    def hold(self, worker: Worker, added: Sequence[str], removed: Sequence[str]) -> None:
        """Take note of what a worker has, or has no more; or will have, since it was given a job that needs it."""
        layers = worker.layers
        for digest in removed:
            if layers.pop(digest, worker) is None:
                holders = self._holders[digest]
                del holders[worker]
                if not holders:
                    del self._holders[digest]
        for digest in added:
            if digest not in layers:
                if len(layers) >= _LAYERS:
                    self.hold(worker, (), (next(iter(layers)),))
                layers[digest] = None
                self._holders.setdefault(digest, {})[worker] = None

    def choose(self, job: Job, index: WorkerIndex) -> Worker | None:
        """Return the worker of an index that has most of a job's layers, among some of those least loaded."""
        first = index.first()
        if first is None or not job.artifacts or not first.missing(job.artifacts):
            return first
        candidates = index.some(_CANDIDATES)
        if index is job.shape.room:
            candidates += self._holding(job)
        return min(candidates, key=lambda worker: (worker.missing(job.artifacts), worker.load, worker.peer))

    def _holding(self, job: Job) -> list[Worker]:
        """Return some workers that have the rarest of the job's layers, and room for it."""
        holders = [self._holders[each.digest] for each in job.artifacts if each.digest in self._holders]
        if not holders:
            return []
        shape = job.shape
        rarest: dict[Worker, None] = min(holders, key=len)
        some = itertools.islice(rarest, _HOLDERS)
        return [
            worker
            for worker in some
            if worker in shape.fitting and worker.reserved in {None, shape} and worker.has_room(shape.wanted)
        ]
