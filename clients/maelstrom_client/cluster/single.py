"""One job on a cluster: what `maelstrom_client.single` is on this machine, and who that is left to is asked there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from maelstrom_client.callbacks import CallbackClient
from maelstrom_client.ready import ClientOptions, failure
from maelstrom_client.single import Attendant, SingleJob, with_command
from maelstrom_core.collapse import collapse
from maelstrom_core.errors import MaelstromError
from maelstrom_core.job import DEFAULT_INLINE_LIMIT, Outcome
from maelstrom_core.spec import ContainerSpec, JobSpec
from maelstrom_worker.blocking import BlockingLoop
from maelstrom_worker.nursery import Nursery

if TYPE_CHECKING:
    from maelstrom_container.images.store import RealisedImage


class ClusterSingle:
    """Runs a job: on the cluster, unless somebody attends it, or it is tied to this machine in another way."""

    def __init__(self, nursery: Nursery, options: ClientOptions) -> None:
        self._nursery = nursery
        self._options = msgspec.structs.replace(options, local=False)

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
        """Run a job to its end; see `SingleJob.run`, whose errors this raises, and those of a broker."""
        if attendant is not None:
            with SingleJob(self._nursery, self._options) as single:
                return single.run(
                    spec,
                    containers,
                    stdin=stdin,
                    inline_limit=inline_limit,
                    attendant=attendant,
                    image_command=image_command,
                )
        loop = BlockingLoop()
        with CallbackClient(self._nursery, self._options).opened(loop) as client:
            for name, container in containers.items():
                client.add_container(name, container)
            if image_command:
                try:
                    spec = self._with_command(spec, containers, client, loop)
                except (MaelstromError, OSError) as error:
                    return failure(error)
            outcomes: list[Outcome] = []
            client.start(spec, outcomes.append, stdin=stdin, inline_limit=inline_limit)
            while not outcomes:
                loop.run_once()
            return outcomes[0]

    def _with_command(
        self, spec: JobSpec, containers: Mapping[str, ContainerSpec], client: CallbackClient, loop: BlockingLoop
    ) -> JobSpec:
        """Have it run what its image runs by itself."""
        flat = collapse(spec.container, containers)
        if flat.image is None:
            return with_command(spec, flat, None)
        found: list[tuple[RealisedImage | None, BaseException | None]] = []
        client.find_image(flat.image, lambda image, error: found.append((image, error)))
        while not found:
            loop.run_once()
        image, error = found[0]
        if error is not None:
            raise error
        return with_command(spec, flat, image)
