"""Files that a job leaves: where they are kept while it runs, and what becomes of them when it has ended.

`keep` before a job, `take_up` after it; in between the job runs with the capture. May be called from any thread.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from maelstrom_container.places import mount_point_of, under
from maelstrom_container.store import LayerStore
from maelstrom_core.errors import InfrastructureError, MaelstromError, SpecError, UserError
from maelstrom_core.job import Capture, Captured, Container, Exited, Files, HostTree, Outcome, Signaled, TimedOut
from maelstrom_core.spec import BindMount, JobSpec

T = TypeVar("T")

_SHOWN = 10
"""Files that were left out, by name."""


class Keeping(msgspec.Struct, frozen=True):
    """What is to be kept of one job. `out` is a directory, `archive` a file, both absolute."""

    capture: Capture
    out: Path | None
    archive: Path | None


def lost(spec: JobSpec) -> str:
    """Say what is not kept of a job that was stopped."""
    out = f"nothing is brought back to {spec.out.directory}" if spec.out is not None else ""
    archive = f"{spec.capture} is not written" if spec.capture is not None else ""
    return " and ".join(filter(None, (out, archive)))


def keep(spec: JobSpec, container: Container, working_directory: str, store: LayerStore, project: Path) -> Keeping:
    """Make a place for what a job leaves. Raises SpecError where nothing can be kept of it, InfrastructureError."""
    if spec.template is not None:
        raise SpecError("nothing can be kept of a job that is forked from a template")
    if not container.writable:
        raise SpecError(
            "failed to keep what the job leaves: its file system is read-only", hint="set `enable_writable_file_system`"
        )
    path = working_directory
    if spec.out is not None:
        path = posixpath.normpath(posixpath.join(working_directory, spec.out.path or "."))
        check_place(path, container)
    return Keeping(
        capture=Capture(str(store.scratch()), trees=spec.capture is None, path=path),
        out=project / spec.out.directory if spec.out is not None else None,
        archive=project / spec.capture if spec.capture is not None else None,
    )


def check_place(path: str, container: Container) -> None:
    """Raise SpecError where what a job writes at `path` goes to a mount, which is none of its root."""
    trees = [layer.target for layer in container.layers if isinstance(layer, HostTree) and under(path, layer.target)]
    mounts = [mount for mount in container.mounts if under(path, mount_point_of(mount))]
    mount = max(mounts, key=lambda each: len(mount_point_of(each)), default=None)
    if mount is None or any(len(tree) >= len(mount_point_of(mount)) for tree in trees):
        return
    point = mount_point_of(mount)
    if isinstance(mount, BindMount):
        raise SpecError(
            f"nothing can be brought back from {path}: {point} is bound to {mount.local_path}",
            hint="what the job writes there is there already",
        )
    raise SpecError(
        f"nothing can be brought back from {path}: what is mounted at {point} goes with the job",
        hint="have the job write somewhere else, or leave out the mount",
    )


def take_up(keeping: Keeping, outcome: Outcome) -> Outcome:
    """Bring back what there is to bring back; returns the outcome with what is to be said of that. Never raises."""
    if not isinstance(outcome, Exited | Signaled | TimedOut) or outcome.effects.captured is None:
        return outcome
    captured, notes = outcome.effects.captured, list[str]()
    errors: list[MaelstromError] = []
    if keeping.archive is not None:
        if isinstance(outcome, Exited) and outcome.code == 0:
            _try(lambda: _write_archive(keeping, notes), f"write {keeping.archive}", errors)
        else:
            notes.append(f"{keeping.archive} is not written, as the job failed")
    if keeping.out is not None:
        out = keeping.out
        what = f"bring back the files of the job to {out}"
        _try(lambda: _bring_back(keeping, captured, out, notes), what, errors)
    first = errors[0] if errors else None
    notes += [error.message for error in errors[1:]]
    files = Files(tuple(notes), first.message if first else None, first.hint if first else None)
    effects = msgspec.structs.replace(outcome.effects, files=files)
    return msgspec.structs.replace(outcome, effects=effects)


def _write_archive(keeping: Keeping, notes: list[str]) -> None:
    from maelstrom_container.captured.archive import write_archive
    from maelstrom_container.manifest import show

    assert keeping.archive is not None  # noqa: S101 - for the type checker
    left_out = write_archive(keeping.capture, keeping.archive)
    _note([f"/{show(path)} is no file" for path in left_out], notes)


def _bring_back(keeping: Keeping, captured: Captured, out: Path, notes: list[str]) -> None:
    from maelstrom_container.captured.bring_back import bring_back

    _note(bring_back(keeping.capture, captured, out), notes)


def _note(left_out: list[str] | tuple[str, ...], notes: list[str]) -> None:
    notes += [f"left out: {each}" for each in left_out[:_SHOWN]]
    if len(left_out) > _SHOWN:
        notes.append(f"left out: {len(left_out) - _SHOWN} more")


def _try(act: Callable[[], None], what: str, errors: list[MaelstromError]) -> None:
    try:
        act()
    except UserError as error:
        errors.append(UserError(f"failed to {what}: {error.message}", hint=error.hint))
    except MaelstromError as error:
        errors.append(InfrastructureError(f"failed to {what}: {error.message}", hint=error.hint))
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = "nothing was changed there: make room, and run the job again" if full else None
        errors.append(InfrastructureError(f"failed to {what}: {reason}", hint=hint))
