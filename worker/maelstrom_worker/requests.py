"""Jobs as requests for pool members: what many of them share is packed once. Imports the vocabulary only."""

from __future__ import annotations

import msgspec

from maelstrom_container.request import PASSED_NOTHING, PASSED_STREAMS, PASSED_TERMINAL, Request, TemplateRequest
from maelstrom_core.bounded import Bounded
from maelstrom_core.job import Container, Job
from maelstrom_core.spec import TemplateSpec
from maelstrom_worker.job_queue import JobId

REMEMBERED = 1000
"""Containers, and templates, whose packed form is kept: a stream of jobs may have a new one in each."""


class Requests:
    """Makes them. `rest` bounds the output beyond the inline limit, of each stream, that a job may leave in a file."""

    def __init__(self, rest: int | None) -> None:
        """With None there is no such file, and all that is to be kept is inline."""
        self._rest = rest
        self._packed: Bounded[Container, bytes] = Bounded(REMEMBERED)
        self._last_packed: tuple[Container | None, bytes] = (None, b"")
        self._templates: Bounded[tuple[bytes, TemplateSpec, tuple[str, ...], str], bytes] = Bounded(REMEMBERED)
        self._encode = msgspec.msgpack.Encoder().encode

    def rest_limit(self, job: Job) -> int:
        """Return how many bytes of each stream a job may leave in its member's file."""
        return 0 if self._rest is None else max(0, min(job.output_limit - job.inline_limit, self._rest))

    def request(self, identity: JobId, job: Job, *, passes: bool) -> bytes:
        """Return the request for a job, packed; `passes`: a descriptor goes beside it."""
        passed = PASSED_TERMINAL if job.allocate_tty is not None else PASSED_STREAMS
        container = self._pack(job.container)
        request = Request(
            sequence=identity,
            arguments=job.arguments if job.template is None else (),
            variables=job.variables if job.template is None else (),
            container=container,
            program=job.program,
            environment=job.environment if job.template is None else (),
            working_directory=job.working_directory,
            timeout=job.timeout,
            stdin=job.stdin,
            inline_limit=max(job.inline_limit, job.output_limit) if self._rest is None else job.inline_limit,
            result_limit=job.result_limit,
            template=self._template(container, job),
            passed=passed if passes else PASSED_NOTHING,
            capture=job.capture,
            grace=job.grace,
            rest_limit=self.rest_limit(job),
        )
        return self._encode(request)

    def _pack(self, container: Container) -> bytes:
        """Return a container as it travels; that of the last job is not looked for, which takes a hash of all of it."""
        last, packed = self._last_packed
        if container is not last:
            known = self._packed.get(container)
            packed = self._packed[container] = self._encode(container) if known is None else known
            self._last_packed = container, packed
        return packed

    def _template(self, container: bytes, job: Job) -> bytes:
        """Return what the job is to be forked from, packed: equal templates are packed once."""
        template = job.template
        if template is None:
            return b""
        key = (container, template, job.environment, job.working_directory)
        packed = self._templates.get(key)
        if packed is None:
            request = TemplateRequest(
                container=container,
                program=template.program,
                arguments=template.arguments,
                environment=job.environment,
                working_directory=job.working_directory,
                request=template.request,
                stages=template.stages,
            )
            packed = self._templates[key] = self._encode(request)
        return packed
