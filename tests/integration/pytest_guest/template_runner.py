"""Runs the jobs of a run as forks of templates, by plain forks: a base, a stage for each file, jobs of those."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

import msgspec

from maelstrom_core.job import Effects, Exited, Outcome, Output, Signaled, TimedOut
from maelstrom_core.spec import JobSpec
from maelstrom_pytest.guest.channel import encode
from maelstrom_pytest.records import Ended, parse
from maelstrom_pytest.verdict import with_end
from tests.integration.pytest_guest.subprocess_runner import SubprocessRunner

PROGRAM = Path(__file__).with_name("fake_forks.py")
PATIENCE = 120.0


class DiedError(Exception):
    """A template went without a word."""


class Template:
    """A process that serves, seen from outside."""

    def __init__(self, control: socket.socket, outputs) -> None:
        self.control = control
        self.outputs = outputs
        self.buffer = b""
        self.lock = threading.Lock()  # it serves one at a time
        control.settimeout(PATIENCE)

    def close(self) -> None:
        self.control.close()
        self.outputs.close()

    def said(self) -> dict:
        while b"\n" not in self.buffer:
            data = self.control.recv(1 << 16)
            if not data:
                raise DiedError(self.output())
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def output(self) -> str:
        self.outputs.seek(0)
        return self.outputs.read().decode(errors="replace")

    def fork(self, kind: str, payload: bytes, descriptors: list[int]) -> int:
        message = json.dumps({"kind": kind, "payload": payload.decode()}).encode()
        socket.send_fds(self.control, [message], descriptors)
        return self.said()["pid"]

    def stage(self, request: dict) -> tuple[Template, int, dict]:
        ours, theirs = socket.socketpair()
        outputs = tempfile.TemporaryFile()  # noqa: SIM115 as long as the template
        with self.lock, theirs, tempfile.TemporaryFile() as errors:
            pid = self.fork("stage", json.dumps(request).encode(), [outputs.fileno(), errors.fileno(), theirs.fileno()])
        template = Template(ours, outputs)
        return template, pid, template.said()


def start_base(spec: JobSpec, guest: str, request: dict, environment: dict[str, str]) -> tuple[Template, int, dict]:
    """Start a base template; return it, its process id and the first it says."""
    import subprocess

    ours, theirs = socket.socketpair()
    outputs = tempfile.TemporaryFile()  # noqa: SIM115 as long as the template
    with theirs, tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as errors:
        stdin.write(json.dumps(request).encode())
        stdin.seek(0)
        process = subprocess.Popen(
            [spec.program, str(PROGRAM), guest, str(theirs.fileno())],
            stdin=stdin,
            stdout=outputs,
            stderr=errors,
            pass_fds=(theirs.fileno(),),
            env=environment,
            cwd=spec.container.working_directory,
            start_new_session=True,
        )
    process.returncode = 0  # not waited for by subprocess: it is killed at the end
    template = Template(ours, outputs)
    return template, process.pid, template.said()


class TemplateRunner(SubprocessRunner):
    """A `session.Runner` by templates; what they refuse runs as in its base class."""

    def __init__(self, *, stages: bool = True) -> None:
        super().__init__()
        self.stages = stages
        self.templates: dict[str | None, Template] = {}
        self.refused: set[str | None] = set()
        self.refusals: list[str] = []
        self.processes: list[int] = []
        self.warm = 0
        self.usage: list[dict] = []

    async def __aexit__(self, *_: object) -> None:
        for template in self.templates.values():
            template.close()
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, 0)  # noqa: ASYNC222 it is dead

    async def _run(self, spec: JobSpec, stdin: bytes) -> Outcome:
        request = json.loads(stdin)
        if request["mode"] != "run" or not request.get("prune", True):
            return await super()._run(spec, stdin)
        (file,) = {file for _nodeid, _occurrence, file in request["select"]}
        template = self.template(spec, request, file)
        if template is None:
            return await super()._run(spec, stdin)
        self.warm += 1
        job = {"mode": "run", "select": request["select"]}
        outcome = await asyncio.to_thread(self.job, template, job, spec.timeout)
        transcript = parse(outcome.effects.result.data)
        ended = with_end(transcript, outcome).last(Ended)
        if ended is None:
            return outcome
        if ended.channel_lost:
            return await super()._run(spec, stdin)
        # as the guest's own reaper would have said it, for a session that knows nothing of templates
        record = encode({"type": "ended", "code": ended.code, "signal": ended.signal, "channel_lost": False})
        result = Output(outcome.effects.result.data + record)
        return msgspec.structs.replace(outcome, effects=msgspec.structs.replace(outcome.effects, result=result))

    def template(self, spec: JobSpec, request: dict, file: str) -> Template | None:
        if None not in self.templates:
            (element,) = spec.container.environment
            environment = {name: value.replace("$$", "$") for name, value in element.vars.items()}
            first = {key: request[key] for key in ("args", "markup", "width")}
            guest = spec.arguments[-1]
            base, process, said = start_base(
                spec, guest, {"mode": "template", "private": [], "forks": 1000, **first}, environment
            )
            self.processes.append(process)
            self.add(None, base, said)
        base = self.templates[None]
        if None in self.refused or not self.stages:
            return None if None in self.refused else base
        if file not in self.templates:
            stage, process, said = base.stage({"mode": "stage", "files": [file], "prune": True})
            self.processes.append(process)
            self.add(file, stage, said)
        return None if file in self.refused else self.templates[file]

    def add(self, file: str | None, template: Template, said: dict) -> None:
        refused = said.get("refused")
        if refused is not None:
            self.refusals.append(refused)
            self.refused.add(file)
        self.templates[file] = template

    def job(self, template: Template, request: dict, timeout: float | None) -> Outcome:
        with (
            template.lock,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            tempfile.TemporaryFile() as result,
        ):
            files = [out, err, result]
            pid = template.fork("job", json.dumps(request).encode(), [file.fileno() for file in files])
            template.control.settimeout(timeout or PATIENCE)
            timed_out = False
            try:
                said = template.said()
            except TimeoutError:
                timed_out = True
                os.killpg(pid, signal.SIGKILL)
                template.control.settimeout(PATIENCE)
                said = template.said()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            template.control.settimeout(PATIENCE)
            for file in files:
                file.seek(0)
            effects = Effects(stdout=Output(out.read()), stderr=Output(err.read()), result=Output(result.read()))
        self.usage.append(said)
        if timed_out:
            return TimedOut(effects)
        code = os.waitstatus_to_exitcode(said["status"])
        return Signaled(-code, effects) if code < 0 else Exited(code, effects)


assert sys.platform == "linux"
