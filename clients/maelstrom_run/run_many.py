"""Puts a run of many jobs together: where they come from, where what becomes of them goes to."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maelstrom_core.errors import UserError
from maelstrom_run.backend import Backend, Client
from maelstrom_run.config import RunConfig
from maelstrom_run.options import Choices
from maelstrom_run.source import open_source, read, read_chunks
from maelstrom_worker.blocking import BlockingLoop

if TYPE_CHECKING:
    from maelstrom_run.log_file import JobLog
    from maelstrom_run.many import ManyJobs
    from maelstrom_run.present import Shown
    from maelstrom_run.progress import Progress
    from maelstrom_run.task import Task

TICK = 1.0
"""Seconds after which the progress line is drawn again, though nothing has happened."""
COUNTED = 1 << 30
"""Bytes of a file of inputs up to which they are counted for the progress line."""


def run_many(config: RunConfig, backend: Backend, choices: Choices) -> int:
    """Run the jobs that the options ask for; return the exit code."""
    import gc

    numbers = _range(choices)
    with ExitStack() as stack:
        loop = BlockingLoop()
        source = _open_source(stack, choices)

        def tell(text: str) -> None:
            shown.note(text)

        opened = backend.open_client(config, Path.cwd(), loop, tell)  # forks: before there is more to copy

        from maelstrom_run.interrupt import orderly_interrupts
        from maelstrom_run.many import BACKLOG, ManyJobs, ManyOptions

        # What is here stays. A backlog has many objects and no cycles: looking for some at every 700 costs 2 %.
        gc.freeze()
        gc.set_threshold(50_000)
        gc.enable()
        progress = _progress(stack, config, source)
        shown = _shown(stack, choices, progress)
        log = _log(stack, choices, shown)
        options = ManyOptions(
            timeout=config.timeout,
            inline_limit=config.inline_limit,
            backlog=max(16, 2 * config.slots) if choices.map and config.broker is None else BACKLOG,
            retries=config.retries,
            stop_after=config.stop_after,
            keep_order=choices.keep_order,
        )
        stack.enter_context(orderly_interrupts(loop))
        client = stack.enter_context(opened)
        watch = None if progress is None else progress.update
        jobs = ManyJobs(client, shown, options, loop.run_once, log=log, watch=watch)
        if progress is not None:
            loop.call_every(TICK, partial(progress.update, jobs.counts))
        digests = log is not None or choices.results is not None or choices.jobs is not None
        if choices.map:
            inputs = _inputs(jobs, loop, choices, source, numbers, count=progress is not None)
            return jobs.run(_mapped(backend, client, choices, inputs, digests=digests))

        from maelstrom_run.stream import stream_tasks

        assert source is not None  # noqa: S101 - only a range of numbers has none
        return jobs.run(stream_tasks(read_chunks(source, loop), client.add_container, digests=digests))


def _range(choices: Choices) -> range | None:
    if choices.range is None:
        return None
    from maelstrom_run.inputs import parse_range

    try:
        return parse_range(choices.range)
    except ValueError as error:
        raise click.UsageError(f"--range: {error}") from None


def _open_source(stack: ExitStack, choices: Choices) -> int | None:
    """Return a descriptor of the jobs or inputs; None if there is nothing to be read."""
    if choices.range is not None:
        return None
    if choices.map:
        return stack.enter_context(open_source(choices.inputs, "inputs"))
    return stack.enter_context(open_source(choices.jobs if choices.jobs is not None else choices.file))


def _progress(stack: ExitStack, config: RunConfig, source: int | None) -> Progress | None:
    """Return the progress line, if there is a place for it: not where somebody types the jobs."""
    if not config.progress or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    if source is not None and os.isatty(source):
        return None
    import time

    from maelstrom_run.progress import Progress

    width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
    progress = Progress(sys.stderr, width=width, slots=config.slots, clock=time.monotonic)
    stack.callback(progress.close)
    return progress


def _shown(stack: ExitStack, choices: Choices, progress: Progress | None) -> Shown:
    from maelstrom_run.present import Printer, Recorder

    before = (lambda: None) if progress is None else progress.clear
    terminal = sys.stdout.isatty()
    printer = Printer(sys.stdout.buffer, sys.stderr.buffer, terminal=terminal, tag=choices.tag, before=before)
    path = choices.results if choices.results is not None else "-" if choices.jobs is not None else None
    if path is None:
        return printer
    if path == "-":
        return Recorder(printer, partial(_write_line, before if terminal else lambda: None))
    from maelstrom_run.appended import AppendedFile

    file = AppendedFile(path, "file of results", resume=choices.resume or choices.resume_failed)
    stack.callback(file.close)
    file.mend()
    return Recorder(printer, file.append)


def _write_line(before: Callable[[], object], line: bytes) -> None:
    before()
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _log(stack: ExitStack, choices: Choices, shown: Shown) -> JobLog | None:
    if choices.joblog is None:
        return None
    from maelstrom_run.log_file import JobLog

    again = choices.resume or choices.resume_failed
    log = JobLog(choices.joblog, resume=again, failed=choices.resume_failed)
    stack.callback(log.close)
    for text in log.describe():
        shown.note(text)
    return log


def _inputs(
    jobs: ManyJobs, loop: BlockingLoop, choices: Choices, source: int | None, numbers: range | None, *, count: bool
) -> Iterable[str]:
    from maelstrom_run.mapping import read_inputs

    if numbers is not None:
        jobs.counts.total = len(numbers)
        return map(str, numbers)
    assert source is not None  # noqa: S101 - it is a range, or something is read
    if count:
        jobs.counts.total = _count(source, b"\0" if choices.null else b"\n")
    return read_inputs(read_chunks(source, loop, "inputs"), null=choices.null)


def _count(source: int, separator: bytes) -> int | None:
    """Return about how many inputs a file holds, None where that cannot be known without reading them away."""
    try:
        status = os.fstat(source)
        position = os.lseek(source, 0, os.SEEK_CUR)
        if not stat.S_ISREG(status.st_mode) or status.st_size > COUNTED:
            return None
        count, last = 0, separator
        while data := os.pread(source, 1 << 20, position):
            count += data.count(separator)
            position += len(data)
            last = data[-1:]
        return count + (last != separator)
    except OSError:
        return None


def _mapped(
    backend: Backend, client: Client, choices: Choices, inputs: Iterable[str], *, digests: bool
) -> Iterator[Task]:
    from maelstrom_core.spec import JobSpec
    from maelstrom_run.mapping import map_tasks
    from maelstrom_run.one import bounded
    from maelstrom_run.substitution import INPUT, CommandPattern

    context = b"sealed"
    command = choices.command
    if choices.file is not None:
        job = _first_job(client, choices.file)
        base, context = job.spec, job.digest.to_bytes(8, "big")
    elif choices.image is not None:
        base = JobSpec(container=backend.image_container(choices.image), program=command[0])
        context = b"image " + choices.image.encode()
    else:
        base = JobSpec(container=backend.default_container(Path.cwd()), program=command[0])
    base = bounded(base, choices.bounds)
    words = command or (base.program, *base.arguments)
    pattern = CommandPattern(words, choices.replace or INPUT)
    return map_tasks(inputs, base, pattern, context=context if digests else None)


def _first_job(client: Client, file: str) -> Task:
    """Return the first job of a file; the containers before it are made known. Raises UserError."""
    from maelstrom_run.stream import stream_tasks

    with open_source(file) as descriptor:
        chunks = iter(partial(read, descriptor), b"")
        job = next(stream_tasks(chunks, client.add_container, digests=True), None)
    if job is None:
        raise UserError(f"no job was given in {file}", hint="--map --file takes everything but the command from one")
    return job
