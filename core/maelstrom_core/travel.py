"""Jobs and outcomes as they travel between clients and workers: the bodies of messages, which the broker does not read.

A job travels without its layers, which are named beside it by their digests. What many jobs share, which is most of
each, is packed once, and unpacked once: `Packer` and `Unpacker` remember it. What belongs to one machine cannot travel;
`tie` says what does not. A worker trusts no client: what it unpacks is checked again.
"""

from __future__ import annotations

import os
import stat

import msgspec

from maelstrom_core.bounded import Bounded
from maelstrom_core.job import (
    Container,
    Exited,
    HostTree,
    Job,
    LayerDirectory,
    Outcome,
    Output,
    RealisedLayer,
    Signaled,
    TimedOut,
)
from maelstrom_core.spec import BindMount, Grace, Network, TemplateSpec

LARGEST = 78 << 20
"""Bytes of a body, with some to spare below what a frame may have."""
_REMEMBERED = 200
_LONGEST_INPUT = 16 << 20


class _Shared(msgspec.Struct, frozen=True, array_like=True):
    container: Container
    targets: tuple[str, ...]
    """Of each layer: where the one directory in it appears that is a tree, or nothing for those that are layers."""
    environment: tuple[str, ...]
    working_directory: str
    template: TemplateSpec | None


class _Own(msgspec.Struct, frozen=True, array_like=True):
    shared: bytes
    program: str
    arguments: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    timeout: float | None = None
    grace: Grace | None = None
    stdin: bytes = b""
    inline_limit: int = 0
    result_limit: int = 0
    output_limit: int = 0


def tie(job: Job) -> str | None:
    """Return what ties a job to this machine, so that it cannot travel; None if nothing does."""
    container = job.container
    if job.local:
        return "it is to run on this machine"
    if job.allocate_tty is not None:
        return "it has a terminal"
    if job.capture is not None:
        return "files of it are kept"
    if container.network is Network.LOCAL:
        return "it uses the network of this machine"
    for mount in container.mounts:
        if isinstance(mount, BindMount):
            return f"{mount.local_path} of this machine is mounted in it"
    if len(job.stdin) > _LONGEST_INPUT:
        return "its input is too long"
    return None


class Packer:
    """Makes bodies of jobs."""

    def __init__(self) -> None:
        self._encode = msgspec.msgpack.Encoder().encode
        self._containers: Bounded[Container, Container] = Bounded(_REMEMBERED)
        self._shared: Bounded[tuple[Container, tuple[str, ...], str, TemplateSpec | None], bytes] = Bounded(_REMEMBERED)

    def pack(self, job: Job) -> bytes:
        """Return the body of a job that nothing ties to this machine."""
        key = (job.container, job.environment, job.working_directory, job.template)
        shared = self._shared.get(key)
        if shared is None:
            bare = msgspec.structs.replace(job.container, layers=())
            targets = tuple(layer.target if isinstance(layer, HostTree) else "" for layer in job.container.layers)
            shared = self._shared[key] = self._encode(_Shared(bare, targets, *key[1:]))
        own = _Own(
            shared,
            job.program,
            job.arguments,
            job.variables,
            job.timeout,
            job.grace,
            job.stdin,
            job.inline_limit,
            job.result_limit,
            job.output_limit,
        )
        return self._encode(own)


class Unpacker:
    """Makes jobs of bodies."""

    def __init__(self) -> None:
        self._decode_own = msgspec.msgpack.Decoder(_Own).decode
        self._decode_shared = msgspec.msgpack.Decoder(_Shared).decode
        self._shared: Bounded[tuple[bytes, tuple[RealisedLayer, ...]], _Shared] = Bounded(_REMEMBERED)

    def unpack(self, body: bytes, layers: tuple[RealisedLayer, ...], slots: int) -> Job:
        """Return the job of a body on top of these layers.

        Raises ValueError for what is none, or may not run here, and OSError where a layer is not there.
        """
        own = self._decode_own(body)
        key = (own.shared, layers)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._decode_shared(own.shared)
            if shared.container.layers or len(shared.targets) != len(layers):
                raise ValueError("it has other layers than it says")
            placed = map(_placed, layers, shared.targets)
            # layers of two names there may have the same contents, and so be one here: the kernel stacks none twice
            stacked = tuple(reversed(dict.fromkeys(reversed(tuple(placed)))))
            container = msgspec.structs.replace(shared.container, layers=stacked)
            shared = self._shared[key] = msgspec.structs.replace(shared, container=container)
        job = Job(
            container=shared.container,
            program=own.program,
            arguments=own.arguments,
            environment=shared.environment,
            variables=own.variables,
            working_directory=shared.working_directory,
            timeout=own.timeout,
            grace=own.grace,
            stdin=own.stdin,
            template=shared.template,
            inline_limit=_between(own.inline_limit),
            result_limit=_between(own.result_limit),
            output_limit=max(0, own.output_limit),
            slots=slots,
        )
        if (tied := tie(job)) is not None:
            raise ValueError(f"it may not run here: {tied}")
        return job


def _placed(layer: RealisedLayer, target: str) -> RealisedLayer:
    """Return a layer, or the tree that it was. Raises ValueError where it leads out of the layer."""
    if not target or not isinstance(layer, LayerDirectory):
        return layer
    names = target.split("/")[1:]
    if not target.startswith("/") or not all(names) or {".", ".."} & set(names):
        raise ValueError(f"{target} is no place for a tree")
    source = layer.path
    for name in names:
        source = f"{source}/{name}"
        if not stat.S_ISDIR(os.lstat(source).st_mode):  # a link could lead to what is this machine's
            raise ValueError(f"{target} is no directory of its layer")
    return HostTree(source, target, generation=layer.generation)


def pack_outcome(outcome: Outcome) -> bytes:
    """Return the body of an outcome; of output that is too much for one the end is dropped, and counted."""
    body = msgspec.msgpack.encode(outcome)
    if len(body) <= LARGEST or not isinstance(outcome, Exited | Signaled | TimedOut):
        return body[:LARGEST]
    effects = outcome.effects
    room = LARGEST - (1 << 20)
    kept: list[Output] = []
    for output in (effects.result, effects.stderr, effects.stdout):
        data = output.data[:room]
        room -= len(data)
        kept.append(Output(data, output.lost + len(output.data) - len(data)))
    effects = msgspec.structs.replace(effects, result=kept[0], stderr=kept[1], stdout=kept[2])
    return msgspec.msgpack.encode(msgspec.structs.replace(outcome, effects=effects))


_decode_outcome = msgspec.msgpack.Decoder(Outcome).decode


def unpack_outcome(body: bytes) -> Outcome:
    """Return the outcome of a body. Raises ValueError for what is none."""
    outcome: Outcome = _decode_outcome(body)
    return outcome


def _between(limit: int) -> int:
    return max(0, min(limit, LARGEST))
