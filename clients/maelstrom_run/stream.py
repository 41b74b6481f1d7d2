"""A stream of jobs as JSON: each comes out as soon as its object is complete. Knows not where the stream comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from maelstrom_core.errors import SpecError
from maelstrom_core.json_stream import Document, JsonStream
from maelstrom_core.run_input import RunInput
from maelstrom_core.spec import ContainerSpec, JobSpec
from maelstrom_run.task import Task, digest_of


def stream_tasks(
    chunks: Iterable[bytes], add_container: Callable[[str, ContainerSpec], object], *, digests: bool
) -> Iterator[Task]:
    """Yield the jobs of a stream; `add_container` is told of the containers between them.

    With `digests` jobs can be known again: by what was written, that of the containers before them included. Raises
    SpecError at the first object that is wrong.
    """
    parser, items = JsonStream(), RunInput()
    number = 0
    encode = msgspec.msgpack.Encoder(order="sorted").encode
    context = b""

    def take(document: Document) -> JobSpec | dict[str, ContainerSpec]:
        try:
            return items.parse(document.value)
        except SpecError as error:
            raise SpecError(f"object at line {document.line}: {error.message}", hint=error.hint) from None

    for chunk in chunks:
        for document in parser.feed(chunk):
            item = take(document)
            if isinstance(item, JobSpec):
                number += 1
                yield Task(number, item, digest_of(context, encode(document.value)) if digests else 0)
                continue
            if digests:
                context = digest_of(context, encode(document.value)).to_bytes(8, "big")
            for name, container in item.items():
                add_container(name, container)
    parser.finish()
