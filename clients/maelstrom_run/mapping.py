"""One command over many inputs: from texts to jobs that differ in arguments and variables only.

Everything else of these jobs is the same object, so that what comes after need not compare it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from maelstrom_core.spec import JobSpec
from maelstrom_run.inputs import InputStream
from maelstrom_run.substitution import CommandPattern
from maelstrom_run.task import Task, digest_of


def read_inputs(chunks: Iterable[bytes], *, null: bool) -> Iterator[str]:
    """Yield the inputs in pieces of data, each as soon as it is whole. Raises SpecError."""
    stream = InputStream(null=null)
    for chunk in chunks:
        yield from stream.feed(chunk)
    yield from stream.finish()


def map_tasks(
    inputs: Iterable[str], base: JobSpec, pattern: CommandPattern, *, context: bytes | None
) -> Iterator[Task]:
    """Yield a job for each input: the command of the pattern, everything else as in `base`.

    Jobs can be known again, unless `context` is None: by command, input, and `context`, which says where they run.
    """
    for number, text in enumerate(inputs, 1):
        program, *arguments = pattern.words(text, number)
        spec = msgspec.structs.replace(base, program=program, arguments=tuple(arguments))
        digest = (
            0 if context is None else digest_of(context, text.encode(), *(w.encode() for w in (program, *arguments)))
        )
        yield Task(number, spec, digest, text)
