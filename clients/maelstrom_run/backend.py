"""What maelstrom-run needs of the layers below: a client, a way to run one job, the default container, the doctor.

The layers below are imported when they are used: `--help` needs none of them, and neither form needs asyncio.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from maelstrom_run.config import RunConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from maelstrom_client.downloads import Display
    from maelstrom_client.single import Attendant
    from maelstrom_container.images.downloads import Download
    from maelstrom_core.job import Outcome
    from maelstrom_core.spec import ContainerSpec, JobSpec
    from maelstrom_worker.blocking import BlockingLoop
    from maelstrom_worker.nursery import Nursery


class Client(Protocol):
    """Runs jobs."""

    def add_container(self, name: str, spec: ContainerSpec) -> ContainerSpec | None:
        """Register a container that jobs and other containers may name; return the one it replaces."""

    def start(
        self,
        spec: JobSpec,
        report: Callable[[Outcome], object],
        *,
        inline_limit: int = ...,
        variables: tuple[str, ...] = ...,
    ) -> Any:
        """Start a job; `report` is called with its outcome. Raises SpecError where it is impossible.

        `variables` (`NAME=value`) are environment variables of its own. Returns what `is_running` can be asked about.
        """

    def is_running(self, identity: Any) -> bool:
        """Tell whether a job has been handed to a slot and has no outcome yet."""


class Single(Protocol):
    """Runs one job."""

    def run(
        self,
        spec: JobSpec,
        containers: Mapping[str, ContainerSpec],
        *,
        inline_limit: int = ...,
        attendant: Attendant | None = None,
        image_command: bool = ...,
    ) -> Outcome:
        """Run a job, which may name these containers, to its end. Raises SpecError. To be called once.

        With `image_command` what the image runs by itself takes the place of program and arguments.
        """


class Backend(Protocol):
    """What the program is given, so that tests can give it something else."""

    def open_client(
        self, config: RunConfig, project_directory: Path, loop: BlockingLoop, tell: Callable[[str], object]
    ) -> AbstractContextManager[Client]:
        """Return a client for a `with` block; jobs that still run at its end are stopped.

        `tell` is told, within that block, what a user may want to know of the cluster.
        """

    def open_single(self, config: RunConfig, project_directory: Path) -> AbstractContextManager[Single]:
        """Return what runs one job, for a `with` block."""

    def default_container(self, working_directory: Path) -> ContainerSpec:
        """Return the container for commands: this machine, sealed."""

    def image_container(self, name: str) -> ContainerSpec:
        """Return the container for commands in an image."""

    def doctor(self, config: RunConfig) -> int:
        """Check whether this host allows containers, say what is missing, return an exit code."""


class LocalBackend:
    """The real one: containers on this machine, or on a cluster as well. It uses the nursery once."""

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery

    def open_client(
        self, config: RunConfig, project_directory: Path, loop: BlockingLoop, tell: Callable[[str], object]
    ) -> AbstractContextManager[Client]:
        """Return a client that will use the nursery."""
        from maelstrom_client.callbacks import CallbackClient
        from maelstrom_client.ready import options_of

        # other jobs print meanwhile: no line of ours would stay whole
        shown = _Shown(live=False) if config.progress else None
        return CallbackClient(self._nursery, options_of(config, project_directory, shown, tell)).opened(loop)

    @contextmanager
    def open_single(self, config: RunConfig, project_directory: Path) -> Iterator[Single]:
        """Give what will use the nursery."""
        from maelstrom_client.ready import options_of
        from maelstrom_client.single import SingleJob

        shown = _Shown(live=sys.stderr.isatty()) if config.progress else None
        try:
            options = options_of(config, project_directory, shown)
            if options.broker is not None:
                from maelstrom_client.cluster.single import ClusterSingle

                yield ClusterSingle(self._nursery, options)
                return
            with SingleJob(self._nursery, options) as single:
                yield single
        finally:
            if shown is not None:
                shown.close()

    def default_container(self, working_directory: Path) -> ContainerSpec:
        """Return the client library's own."""
        from maelstrom_client.sealed import sealed_container

        return sealed_container(working_directory)

    def image_container(self, name: str) -> ContainerSpec:
        """Return the client library's own."""
        from maelstrom_client.sealed import image_container

        return image_container(name)

    def doctor(self, config: RunConfig) -> int:
        """Run the doctor that all programs share."""
        from maelstrom_container.doctor import main

        return main(config.cache_root)


class _Shown:
    """Downloads on standard error; what that takes is imported when there is one."""

    def __init__(self, *, live: bool) -> None:
        from threading import Lock

        self._live = live
        self._mutex = Lock()
        self._display: Display | None = None

    def __call__(self, download: Download) -> None:
        with self._mutex:
            if self._display is None:
                from maelstrom_client.downloads import Display

                self._display = Display(sys.stderr.buffer, name="maelstrom-run", live=self._live)
        self._display(download)

    def close(self) -> None:
        """Take away what is shown."""
        with self._mutex:
            if self._display is not None:
                self._display.close()
