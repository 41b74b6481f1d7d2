"""From an image and a project's files to the plan of a run: requirements installed once, as a layer of the cache.

    CACHE_ROOT/pip/downloads        pip's cache, shared by all images
    CACHE_ROOT/pip/wheels/IMAGE     what pip has built in an image; put over the same of the cache
    CACHE_ROOT/pip/XX.lock          who installs what begins with these digits

The layer is made in a directory that nobody sees, and gets its name when pip has succeeded. Whoever wants the same
meanwhile, in whatever process, waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from maelstrom_client.sealed import SEALED_MOUNTS
from maelstrom_core.errors import InfrastructureError, MaelstromError, SpecError, UserError
from maelstrom_core.job import Cancelled, ExecutionError, Exited, NotForked, Outcome, Signaled, SystemFailure, TimedOut
from maelstrom_core.spec import BindMount, JobSpec, Layer, Mount, ProjectLayer, Reference, StoredLayer
from maelstrom_pytest import guest_files, image_python
from maelstrom_pytest.image_python import PIP_CACHE, PREFIX, WHEELS, Description
from maelstrom_pytest.plan import InImage
from maelstrom_pytest.requirements import Requirements
from maelstrom_pytest.verdict import signal_name

if TYPE_CHECKING:
    from maelstrom_container.store import LayerStore
    from maelstrom_core.job import LayerDirectory
    from maelstrom_pytest.interpreter import Interpreter
    from maelstrom_test_runner.runner import ImageRunner

LAST_LINES = 60
"""Of pip's output, how much is shown when it fails."""
CACHED = 2_000_000_000
"""Bytes to which pip's cache is brought back."""
_PAUSE = 0.05
_INTERVAL = 0.2
_OWN = os.path.dirname(PREFIX).lstrip("/")


class Wanted(msgspec.Struct, frozen=True):
    """What a run asks for."""

    image: str
    python: str
    """A path in the image, or a name to be looked up there."""
    find: Callable[[], Requirements]
    options: tuple[str, ...]
    """Of pip."""
    directory: str
    shown: tuple[Layer, ...]
    environment: dict[str, str]
    cache_root: Path


async def make_ready(
    runner: ImageRunner,
    wanted: Wanted,
    mount_point: str,
    busy: Callable[[str], object],
    remark: Callable[[str], object],
) -> tuple[InImage, Interpreter, Path]:
    """Return the place of a run, its interpreter, and the directory with the guest compiled for that.

    `busy` is told what is being done, `remark` what was, where it took long.

    Raises UserError for what is wrong with image or requirements, pip's output with it; InfrastructureError.
    """
    busy(f"looking for the image {wanted.image}")
    looking = runner.find_image(Reference(wanted.image, image_python.USED))
    while not (await asyncio.wait({looking}, timeout=_INTERVAL))[0]:
        if (line := runner.download_line()) is not None:
            busy(line)
    image = looking.result()
    if (summary := runner.download_summary()) is not None:
        remark(summary)
    base = [os.path.basename(layer.path) for layer in image.layers]
    requirements = wanted.find()
    contents = image_python.contents_key(base, image.environment)
    key = image_python.layer_key(contents, wanted.python, requirements, wanted.options, wanted.environment)
    found = await runner.with_store(lambda store: store.find(key))
    if found is None:
        if requirements.arguments:
            busy(f"installing the requirements of {requirements.shown}")
        async with _locked(wanted.cache_root / "pip", key):
            found = await runner.with_store(lambda store: store.find(key))
            if found is None:
                found = await _build(runner, wanted, requirements, key, contents)
    interpreter = image_python.usable_interpreter(_description(found), wanted.image, requirements)
    place = InImage(wanted.image, key, virtual=bool(requirements.arguments))
    return place, interpreter, await _stage_guest(runner, wanted, place, interpreter, mount_point)


async def _build(
    runner: ImageRunner, wanted: Wanted, requirements: Requirements, key: str, contents: str
) -> LayerDirectory:
    """Install and describe; returns the layer. Nothing is left of what fails."""
    store, scratch = await runner.with_store(_begin)
    try:
        await _install(runner, wanted, requirements, scratch / _OWN, contents)
    except OSError as error:
        store.discard(scratch)
        raise _not_written(scratch, error) from None
    except BaseException:
        store.discard(scratch)
        raise
    return await runner.with_store(lambda store: store.adopt(key, scratch, _size(scratch)))


async def _install(
    runner: ImageRunner, wanted: Wanted, requirements: Requirements, directory: Path, contents: str
) -> None:
    """Install below a directory, and note there what the interpreter says. Raises OSError and MaelstromError."""
    prefix = directory / os.path.basename(PREFIX)
    prefix.mkdir(parents=True)
    spec, request = image_python.build_job(
        wanted.image,
        wanted.python,
        requirements,
        wanted.options,
        wanted.environment,
        directory=wanted.directory,
        shown=wanted.shown,
        mounts=(BindMount(PREFIX, str(prefix)), *_pip_mounts(wanted, requirements, contents)),
    )
    description = _judge(await _run(runner, spec, request), wanted, requirements)
    if requirements.fingerprint != wanted.find().fingerprint:
        raise UserError(f"{requirements.shown} was changed while it was being installed", hint="run it again")
    (directory / image_python.DESCRIPTION).write_bytes(msgspec.json.encode(description))


def _begin(store: LayerStore) -> tuple[LayerStore, Path]:
    return store, store.scratch()


def _pip_mounts(wanted: Wanted, requirements: Requirements, contents: str) -> Iterator[Mount]:
    """Yield what pip needs of this machine beside the project. Raises OSError."""
    if not requirements.arguments:
        return
    downloads, wheels = wanted.cache_root / "pip" / "downloads", wanted.cache_root / "pip" / WHEELS / contents[:32]
    prune(wanted.cache_root / "pip", CACHED)
    (downloads / WHEELS).mkdir(parents=True, exist_ok=True)
    wheels.mkdir(parents=True, exist_ok=True)
    yield BindMount(PIP_CACHE, str(downloads))
    yield BindMount(f"{PIP_CACHE}/{WHEELS}", str(wheels))
    trees = [layer.project for layer in wanted.shown if isinstance(layer, ProjectLayer)]
    for path in (*requirements.files, *image_python.named_files(wanted.environment)):
        if not any(path == tree or path.startswith(tree.rstrip("/") + "/") for tree in trees):
            yield BindMount(path, path, read_only=True)
    for path in image_python.SHOWN_FOR_NETWORK:
        if os.path.exists(path):
            yield BindMount(path, path, read_only=True)


async def _run(runner: ImageRunner, spec: JobSpec, stdin: bytes) -> Outcome:
    """Run a job to its end, or to ours."""
    future = runner.submit(spec, stdin=stdin)
    try:
        return await future
    except asyncio.CancelledError:
        runner.cancel(future)
        raise


def _judge(outcome: Outcome, wanted: Wanted, requirements: Requirements) -> Description:
    """Return what the interpreter said; raises what is wrong."""
    doing = f"failed to look at the Python of the image {wanted.image}"
    if requirements.arguments:
        doing = f"failed to install the requirements of {requirements.shown} in the image {wanted.image}"
    match outcome:
        case ExecutionError(message, hint):
            if message.startswith("failed to execute"):
                hint = "use an image with a Python, such as docker://python:3-slim, or name its own with --python"
            raise SpecError(f"{doing}: {message}", hint=hint)
        case SystemFailure(message, hint):
            raise InfrastructureError(f"{doing}: {message}", hint=hint)
        case Cancelled() | NotForked():
            raise InfrastructureError(f"{doing}: the job was cancelled")
        case Exited(effects=effects) | Signaled(effects=effects) | TimedOut(effects=effects):
            pass
    said = (effects.stdout.data + effects.stderr.data).decode(errors="replace").rstrip().splitlines()
    text = "".join(f"\n{line}" for line in said[-LAST_LINES:])
    if isinstance(outcome, Exited) and not outcome.code:
        try:
            return image_python.read_description(effects.result.data)
        except ValueError as error:
            raise UserError(f"{doing}: what it says about itself cannot be understood: {error}{text}") from None
    if isinstance(outcome, Signaled):
        raise _killed(doing, "it", outcome.signal, text)
    raise _gave_up(effects.result.data, doing, text, _how(outcome))


def _killed(doing: str, who: str, number: int, text: str) -> MaelstromError:
    return InfrastructureError(
        f"{doing}: {who} was killed by {signal_name(number)}{text}",
        hint="run it again; the machine may be short of memory: see the kernel's log",
    )


def _gave_up(answer: bytes, doing: str, text: str, how: str) -> MaelstromError:
    try:
        reason = msgspec.json.decode(answer[:1000], type=image_python.Answer).failed
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return UserError(f"{doing}: {how}{text}")
    if (killed := reason.removeprefix("killed ")).isdecimal():
        return _killed(doing, "pip", int(killed), text)
    if reason == "install":
        return UserError(
            f"{doing}: pip says{text or ' nothing'}",
            hint="mend the requirements, or tell pip more with --pip-options and its variables, such as PIP_INDEX_URL",
        )
    problem, hint = {
        "pip": ("it has neither pip nor ensurepip", "use an image with pip, such as docker://python:3-slim"),
        "venv": ("its Python lacks the module venv", "use another image, such as docker://python:3-slim"),
    }.get(reason, ("its Python is too old", f"{'.'.join(map(str, image_python.OLDEST))} is the oldest that will do"))
    return UserError(f"{doing}: {problem}", hint=hint)


def _how(outcome: Outcome) -> str:
    return f"it ended with exit code {outcome.code}" if isinstance(outcome, Exited) else "it ran out of time"


def _description(layer: LayerDirectory) -> Description:
    path = Path(layer.path, _OWN, image_python.DESCRIPTION)
    try:
        return image_python.read_description(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InfrastructureError(
            f"the layer with the requirements is damaged: {path}: {error}", hint="delete the cache"
        ) from None


async def _stage_guest(
    runner: ImageRunner, wanted: Wanted, place: InImage, interpreter: Interpreter, mount_point: str
) -> Path:
    """Return a directory with the guest compiled by the image's interpreter, in a container; no other image uses it."""
    target = guest_files.place(wanted.cache_root, interpreter, mount_point, compiled_by=place.layer)
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="new-", ignore_cleanup_errors=True) as scratch:
            fresh = guest_files.write_sources(Path(scratch))
            container = image_python.tests_container(
                place.name, (StoredLayer(place.layer),), {}, directory="/", virtual=place.virtual
            )
            mounts = (*SEALED_MOUNTS, BindMount(image_python.NEW_GUEST, str(fresh)))
            spec = JobSpec(
                container=msgspec.structs.replace(container, mounts=mounts),
                program=interpreter.executable,
                arguments=(
                    *("-I", "-c", guest_files.COMPILE),
                    *(image_python.NEW_GUEST, mount_point, *guest_files.MODULES),
                ),
            )
            outcome = await _run(runner, spec, b"")
            if not isinstance(outcome, Exited) or outcome.code:
                _judge(outcome, wanted, Requirements())
            guest_files.publish(fresh, target)
    except OSError as error:
        raise guest_files.not_written(target, error) from error
    return target


@asynccontextmanager
async def _locked(directory: Path, key: str) -> AsyncIterator[None]:
    """Keep other processes from making the same; there are 256 locks, and nobody holds two."""
    lock = _open_lock(directory, key)
    try:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            await asyncio.sleep(_PAUSE)
        yield
    finally:
        os.close(lock)


def _open_lock(directory: Path, key: str) -> int:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return os.open(directory / f"{key[:2]}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _not_written(directory, error) from None


def _not_written(path: Path, error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"failed to write below {path}: {error.strerror or error}", hint="give --cache-root a writable directory"
    )


def _size(directory: Path) -> int:
    """Return what a tree takes on disk, in bytes."""
    return sum(status.st_blocks * 512 for _, status in _files(directory))


def prune(directory: Path, limit: int) -> None:
    """Delete the files of a cache that have not been changed for longest, until no more than `limit` bytes are left."""
    files = sorted(_files(directory), key=lambda each: each[1].st_mtime)
    size = sum(status.st_blocks * 512 for _, status in files)
    for path, status in files:
        if size <= limit:
            break
        if not path.endswith(".lock"):
            with contextlib.suppress(OSError):
                os.unlink(path)
                size -= status.st_blocks * 512


def _files(directory: Path) -> Iterator[tuple[str, os.stat_result]]:
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError):
                yield path, os.lstat(path)
