"""From a specification to a job: what does not depend on how one waits. Imports no asyncio.

A container is *ready* when its parents are resolved, its environment is evaluated and its layers are on this machine.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from maelstrom_core.collapse import FlatContainer
from maelstrom_core.config import DEFAULT_CACHE_SIZE, cache_directory, processors
from maelstrom_core.config_cluster import ClientConfig, endpoint_of
from maelstrom_core.environment import client_lookup, evaluate
from maelstrom_core.errors import MaelstromError, SpecError, UserError
from maelstrom_core.job import Container, ExecutionError, Job, Outcome, RealisedLayer, SystemFailure
from maelstrom_core.spec import BindMount, JobSpec, Mount, Use

if TYPE_CHECKING:
    from collections.abc import Callable

    from maelstrom_container.images.downloads import Watch
    from maelstrom_container.images.store import ImageStore, RealisedImage
    from maelstrom_container.store import LayerStore
    from maelstrom_core.dial import Endpoint


MOST_SLOTS = 1000
"""That any machine has."""


class ClientOptions(msgspec.Struct, frozen=True):
    """What a client is made with. Relative paths of specifications start at `project_directory`."""

    project_directory: Path
    slots: int = msgspec.field(default_factory=processors)
    cache_root: Path = msgspec.field(default_factory=lambda: cache_directory(os.environ))
    cache_size: int = DEFAULT_CACHE_SIZE
    check_certificates: bool = True
    """Whether registries must show valid ones."""
    update_images: bool = False
    """Look up anew what the tags of images mean, and note it in the project's tag lock."""
    watch_downloads: Watch | None = None
    """Is told how far downloads of images are, by the threads that download."""
    broker: Endpoint | None = None
    """Where jobs go that can travel; without one all run on this machine."""
    local: bool = True
    """Whether slots of this machine take such jobs, too."""
    labels: tuple[str, ...] = ()
    """Those of this machine, beside that of its architecture: what jobs may require that run here beside a broker."""
    broker_timeout: float = 300.0
    """Seconds for which a broker that was lost is waited for; 0: without end."""
    output_limit: int | None = None
    """Bytes kept of each job's standard output, and of its error output; None: as many as the inline limit."""
    sessions: bool = True
    """Whether jobs lead sessions of their own; see `Container.session`."""
    tell: Callable[[str], object] | None = None
    """Is told, in the event loop, what a user may want to know of the cluster; None: that goes to standard error."""


def options_of(
    config: ClientConfig, project_directory: Path, watch: Watch | None, tell: Callable[[str], object] | None = None
) -> ClientOptions:
    """Return what the configuration of a program says. Raises ConfigError.

    `watch` is told of downloads, `tell` what a user may want to know of the cluster.
    """
    return ClientOptions(
        project_directory=project_directory,
        slots=config.slots,
        cache_root=config.cache_root,
        cache_size=config.cache_size,
        check_certificates=not config.accept_invalid_remote_container_tls_certs,
        update_images=config.update_image,
        watch_downloads=watch,
        broker=endpoint_of(config, "client"),
        local=config.local,
        labels=tuple(label for text in config.local_labels for label in text.split()),
        broker_timeout=config.broker_timeout,
        output_limit=config.output_limit,
        tell=tell,
    )


class Ready(msgspec.Struct, frozen=True):
    """What all jobs of one container specification share."""

    container: Container
    environment: tuple[str, ...]
    working_directory: str


def open_images(store: LayerStore, options: ClientOptions) -> ImageStore:
    """Return the images of a client. To be called when there is one: most jobs need none."""
    from maelstrom_container.images.store import ImageOptions, ImageStore

    own = ImageOptions(
        check_certificates=options.check_certificates, update=options.update_images, watch=options.watch_downloads
    )
    return ImageStore(store, options.cache_root.absolute(), options.project_directory.absolute(), own)


def evaluate_environment(flat: FlatContainer, image: RealisedImage | None) -> tuple[str, ...]:
    """Return the environment of a container, on top of that of its image. Raises SpecError."""
    used = flat.image is not None and Use.ENVIRONMENT in flat.image.use and image is not None
    return evaluate(flat.environment, client_lookup(os.environ), image.environment if used and image else None)


def with_image(flat: FlatContainer, image: RealisedImage) -> FlatContainer:
    """Return the container with what it uses of its image filled in, but for layers and environment."""
    use = flat.image.use if flat.image is not None else frozenset()
    return msgspec.structs.replace(
        flat,
        working_directory=image.working_directory if Use.WORKING_DIRECTORY in use else flat.working_directory,
        user=image.user if Use.USER in use else flat.user,
        group=image.group if Use.GROUP in use else flat.group,
    )


def make_ready(
    flat: FlatContainer,
    layers: Iterable[RealisedLayer],
    environment: tuple[str, ...],
    project_directory: Path,
    image: RealisedImage | None = None,
    *,
    session: bool = True,
) -> Ready:
    """Put together what is known of a container; the project directory is absolute. Layers of the image go first."""
    directories = _directories(environment) if flat.writable else ()
    if image is not None:
        layers = (*image.layers, *layers)
        whole = with_image(flat, image)
        if flat.writable and whole.working_directory != flat.working_directory:
            # an image may name one that it does not hold
            directories = (*directories, posixpath.normpath(whole.working_directory))
        flat = whole
    container = Container(
        layers=without_repeats(layers),
        mounts=tuple(_absolute(mount, project_directory) for mount in flat.mounts),
        network=flat.network,
        writable=flat.writable,
        user=flat.user,
        group=flat.group,
        directories=directories,
        limits=flat.limits,
        seccomp=flat.seccomp,
        session=session,
    )
    return Ready(container, environment, flat.working_directory)


def without_repeats(layers: Iterable[RealisedLayer]) -> tuple[RealisedLayer, ...]:
    """Return the layers, of equal ones the topmost only: what it holds and hides covers that of those below.

    The kernel stacks no directory twice.
    """
    return tuple(reversed(dict.fromkeys(reversed(tuple(layers)))))


def _absolute(mount: Mount, project_directory: Path) -> Mount:
    if isinstance(mount, BindMount):
        return msgspec.structs.replace(mount, local_path=str(project_directory / mount.local_path))
    return mount


def job_of(
    spec: JobSpec,
    ready: Ready,
    stdin: bytes,
    inline_limit: int,
    variables: tuple[str, ...] = (),
    *,
    output_limit: int | None = None,
) -> Job:
    """Return the job that a specification asks for in a container, with variables beside those of the container."""
    return Job(
        container=ready.container,
        program=spec.program,
        arguments=spec.arguments,
        environment=_without(ready.environment, variables) if variables else ready.environment,
        variables=variables,
        working_directory=ready.working_directory,
        timeout=spec.timeout or None,
        grace=spec.grace,
        priority=spec.priority,
        estimated_duration=spec.estimated_duration,
        stdin=stdin or spec.stdin.encode(),
        allocate_tty=spec.allocate_tty,
        template=spec.template,
        inline_limit=inline_limit if output_limit is None else min(inline_limit, output_limit),
        output_limit=output_limit or 0,
        slots=spec.slots,
        memory=spec.memory,
        labels=spec.labels,
        local=spec.local,
    )


def check_slots(spec: JobSpec, slots: int) -> None:
    """Raise SpecError for a job that takes more slots than there are."""
    if not 1 <= spec.slots <= slots:
        raise SpecError(
            f"failed to start a job of {spec.slots} slots: there are {slots}",
            hint=f"let it take at most {slots}, or give more with --slots",
        )


def keeps(spec: JobSpec) -> bool:
    """Tell whether something of what a job leaves is to be kept; `kept_files` does it."""
    return spec.out is not None or spec.capture is not None


def _without(environment: tuple[str, ...], variables: tuple[str, ...]) -> tuple[str, ...]:
    """Return the environment without what the variables name: programs do not agree which of two values counts."""
    names = tuple(variable[: variable.index("=") + 1] for variable in variables)
    if any(entry.startswith(names) for entry in environment):
        return tuple(entry for entry in environment if not entry.startswith(names))
    return environment


def _directories(environment: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a writable container always has: somewhere to put files, and a home if the job is told of one."""
    home = next((entry[5:] for entry in environment if entry.startswith("HOME=/")), "")
    return ("/var/tmp", *([posixpath.normpath(home)] if home.strip("/") else []))  # noqa: S108


def failure(error: BaseException) -> Outcome:
    """Say why a layer could not be built: by the user's fault, or ours."""
    if isinstance(error, UserError):
        return ExecutionError(error.message, error.hint)
    if isinstance(error, MaelstromError):
        return SystemFailure(error.message, error.hint)
    if isinstance(error, OSError):
        return SystemFailure(f"failed to build a layer: {error}")
    raise error
