"""The incubator: a process that keeps templates and gives pool members runners of them.

    member: "a runner of this template, please"  -->  incubator: starts it, and the stages on the way, if need be
    member  <--  the control socket of a runner, a fork of the template's that serves nobody else

The nursery forks it when a member asks for the first time, and another if it dies. `template_tree` decides, this
module carries out. Single-threaded, one poll loop, no asyncio.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import NoReturn

import msgspec

from maelstrom_container.launcher import Launcher, LaunchError
from maelstrom_container.outer import Outer
from maelstrom_container.prepare import Prepared
from maelstrom_container.request import TemplateRequest
from maelstrom_container.templates import (
    RUNNER,
    STAGE,
    Failed,
    Ready,
    Refused,
    explain,
    fork_plan,
    receive_answer,
    send_request,
)
from maelstrom_core.errors import SpecError
from maelstrom_core.job import Container, NotForked
from maelstrom_core.spec import Network, ProcMount
from maelstrom_worker.template_tree import Close, Effect, Lease, Path, Reject, Serve, Start, TemplateTree

OUTPUT_LIMIT = 4096
"""Bytes kept of what a template prints while it loads: the last ones."""
REQUEST_LIMIT = 64 * 1024 * 1024
SCARCE = 8
"""Unused templates are let go when less than this part of the machine's memory is available."""


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """The answer to a member; without a reason it comes with the control socket of a runner."""

    reason: str = ""
    accident: bool = False


def ask_for_runner(desk: socket.socket, template: bytes) -> socket.socket:
    """Ask for a runner of a packed `TemplateRequest`; the reply will come through the socket that is returned.

    That socket is the lease: the template is kept as long as it is open. Raises OSError.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    from maelstrom_container.syscalls import memory_file

    body = memory_file(template)  # environments are larger than a message may be
    try:
        socket.send_fds(desk, [b"want"], [body, theirs.fileno()])
    except OSError:
        ours.close()
        raise
    finally:
        os.close(body)
        theirs.close()
    return ours


def read_reply(lease: socket.socket) -> socket.socket | NotForked:
    """Return the control socket of a runner, or why there is none. Raises EOFError where the incubator died."""
    message, fds, _, _ = socket.recv_fds(lease, OUTPUT_LIMIT * 8, 1)
    if not message:
        raise EOFError
    if fds:
        return socket.socket(fileno=fds[0])
    reply = msgspec.msgpack.decode(message, type=Reply)
    return NotForked(reply.reason, reply.accident)


class _Ends:
    """The two ends of everything between a template and us."""

    def __init__(self) -> None:
        self.control, self._their_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setblocking(False)
        pipes = [os.pipe(), os.pipe()]
        self.outputs = [read_end for read_end, _ in pipes]
        self._their_outputs = [write_end for _, write_end in pipes]
        for output in self.outputs:
            os.set_blocking(output, False)

    @property
    def theirs(self) -> tuple[int, int, int]:
        """Its output, its error output, its control socket."""
        first, second = self._their_outputs
        return first, second, self._their_control.fileno()

    def close_theirs(self) -> None:
        self._their_control.close()
        for output in self._their_outputs:
            os.close(output)

    def close_ours(self) -> None:
        self.control.close()
        for output in self.outputs:
            os.close(output)


class _Template(msgspec.Struct):
    """A template that was started, as seen from here."""

    path: Path
    prepared: Prepared
    control: socket.socket
    outputs: list[int]
    """Where what it prints while it loads comes out: two, since a program may look whether they are one."""
    said: bytes = b""


class _Runner(msgspec.Struct):
    """A runner that is being made."""

    lease: Lease
    path: Path
    control: socket.socket


class Incubator:
    """The process; `run` serves until the desk is closed."""

    def __init__(self, outer: Outer, desk: socket.socket, *, memory: int) -> None:
        self._desk = desk
        self._memory = memory
        self._launcher = Launcher(outer, host_network=False, memory=memory, templates=True)
        self._tree = TemplateTree()
        self._templates: dict[Path, _Template] = {}
        self._requests: dict[bytes, TemplateRequest] = {}
        self._leases: dict[Lease, socket.socket] = {}
        self._last_lease = 0
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._watch(desk.fileno(), self._on_desk)

    def run(self) -> NoReturn:
        """Serve for ever."""
        while True:
            for fd, handler in [(fd, self._handlers[fd]) for fd, _ in self._poll.poll()]:
                if self._handlers.get(fd) is handler:  # else one before it closed the descriptor, or it is another now
                    handler()
            self._reap()
            if _memory_is_scarce():
                self._apply(self._tree.shrink(0))

    def _watch(self, fd: int, handler: Callable[[], None]) -> None:
        self._handlers[fd] = handler
        self._poll.register(fd, select.POLLIN)

    def _unwatch(self, fd: int) -> None:
        del self._handlers[fd]
        self._poll.unregister(fd)

    def _on_desk(self) -> None:
        _, fds, _, _ = socket.recv_fds(self._desk, 16, 2)
        if len(fds) != 2:
            for fd in fds:
                os.close(fd)
            return
        body, reply = fds
        with open(body, "rb") as file:
            template = file.read(REQUEST_LIMIT)
        lease = Lease(self._last_lease + 1)
        self._last_lease = lease
        connection = socket.socket(fileno=reply)
        self._leases[lease] = connection
        self._watch(reply, lambda: self._on_lease_end(lease))
        request = msgspec.msgpack.decode(template, type=TemplateRequest)
        base = msgspec.msgpack.encode(msgspec.structs.replace(request, stages=()))
        self._requests.setdefault(base, request)
        self._apply(self._tree.want((base, *request.stages), lease))

    def _on_lease_end(self, lease: Lease) -> None:
        self._end_lease(lease)
        self._apply(self._tree.release(lease))

    def _end_lease(self, lease: Lease) -> None:
        connection = self._leases.pop(lease)
        self._unwatch(connection.fileno())
        connection.close()

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Start(path=path):
                    self._start(path)
                case Serve(path=path, lease=lease):
                    self._serve(path, lease)
                case Reject(lease=lease, reason=reason):
                    self._reply(lease, reason)
                case Close(path=path):
                    self._close(path)

    def _start(self, path: Path) -> None:
        if path in self._templates:  # it died while it loaded, and gets another try
            self._close(path)
        try:
            self._templates[path] = template = self._stage(path) if len(path) > 1 else self._first(path)
        except SpecError as error:
            self._apply(self._tree.refused(path, error.message))
        except LaunchError as error:
            self._apply(self._tree.refused(path, error.outcome.message))
        except OSError as error:
            self._apply(self._tree.died(path, f"it could not be started: {error}"))
        else:
            self._watch(template.control.fileno(), lambda: self._on_template(template))
            for output in template.outputs:
                self._watch(output, lambda: self._on_output(template))

    def _first(self, path: Path) -> _Template:
        request = self._requests[path[0]]
        _check(msgspec.msgpack.decode(request.container, type=Container))
        ends = _Ends()
        try:
            prepared, pidfd = self._launcher.start_template(request, ends.theirs)
        except BaseException:
            ends.close_ours()
            raise
        finally:
            ends.close_theirs()
        os.close(pidfd)  # that it is gone is seen from its control socket
        return _Template(path, prepared, ends.control, ends.outputs)

    def _stage(self, path: Path) -> _Template:
        parent = self._templates[path[:-1]]
        plan = fork_plan(parent.prepared, memory=self._memory, depth=len(path) - 1, stage=True)
        ends = _Ends()
        try:
            send_request(parent.control, STAGE, plan, path[-1], list(ends.theirs))
        except BaseException:
            ends.close_ours()
            raise
        finally:
            ends.close_theirs()
        return _Template(path, parent.prepared, ends.control, ends.outputs)

    def _on_template(self, template: _Template) -> None:
        try:
            answer = receive_answer(template.control)
        except EOFError:
            self._on_output(template)
            self._forget(template)
            reason = f"it ended before it was ready{_quoted(template.said)}"
            self._apply(self._tree.died(template.path, reason))
            return
        if isinstance(answer, Ready):
            self._on_output(template)
            self._stop_listening(template)
            self._apply(self._tree.ready(template.path))
        elif isinstance(answer, Refused):
            self._forget(template)
            self._apply(self._tree.refused(template.path, answer.reason))
        elif isinstance(answer, Failed):
            what = explain(answer, template.prepared, memory=self._memory, depth=len(template.path) - 1)
            self._forget(template)
            self._apply(self._tree.refused(template.path, f"failed to {what}"))

    def _on_output(self, template: _Template) -> None:
        for output in list(template.outputs):
            with contextlib.suppress(BlockingIOError):
                while data := os.read(output, 1 << 16):
                    template.said = (template.said + data)[-OUTPUT_LIMIT:]
                self._close_output(template, output)

    def _close_output(self, template: _Template, output: int) -> None:
        template.outputs.remove(output)
        self._unwatch(output)
        os.close(output)

    def _stop_listening(self, template: _Template) -> None:
        for output in list(template.outputs):
            self._close_output(template, output)

    def _serve(self, path: Path, lease: Lease) -> None:
        template = self._templates[path]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        runner = _Runner(lease, path, ours)
        try:
            plan = fork_plan(template.prepared, memory=self._memory, depth=len(path))
            send_request(template.control, RUNNER, plan, b"", [theirs.fileno()])
        except SpecError as error:
            ours.close()
            self._reply(lease, error.message)
        except OSError as error:
            ours.close()
            self._reply(lease, f"it could not be forked: {error.strerror}", accident=True)
        else:
            ours.setblocking(False)
            self._watch(ours.fileno(), lambda: self._on_runner(runner))
        finally:
            theirs.close()

    def _on_runner(self, runner: _Runner) -> None:
        self._unwatch(runner.control.fileno())
        try:
            answer = receive_answer(runner.control)
        except EOFError:
            self._reply(runner.lease, "it died when it was to be forked", accident=True)
        else:
            if isinstance(answer, Ready):
                self._reply(runner.lease, "", runner.control)
            else:
                reason = answer.reason if isinstance(answer, Refused) else f"it could not be forked ({answer})"
                self._reply(runner.lease, reason)
        runner.control.close()

    def _reply(
        self, lease: Lease, reason: str, control: socket.socket | None = None, *, accident: bool = False
    ) -> None:
        connection = self._leases.get(lease)
        if connection is None:
            return  # the member thought better of it
        message = msgspec.msgpack.encode(Reply(reason, accident))
        with contextlib.suppress(OSError):  # as above
            if control is not None:
                control.setblocking(True)
                socket.send_fds(connection, [message], [control.fileno()])
            else:
                connection.send(message)

    def _forget(self, template: _Template) -> None:
        self._stop_listening(template)
        self._unwatch(template.control.fileno())
        template.control.close()
        del self._templates[template.path]

    def _close(self, path: Path) -> None:
        if path in self._templates:
            self._forget(self._templates[path])  # a template ends when its control socket does

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _check(container: Container) -> None:
    """Raise SpecError for a container that can have no template."""
    if container.network is Network.LOCAL:
        raise SpecError("jobs in the network `local` cannot be forked from a template")
    if not any(isinstance(mount, ProcMount) for mount in container.mounts):
        raise SpecError("jobs in a container without a proc mount cannot be forked from a template")


def _quoted(said: bytes) -> str:
    text = said.decode(errors="replace").strip()
    return f":\n{text}" if text else ""


def _memory_is_scarce() -> bool:
    values: dict[str, int] = {}
    for line in FilePath("/proc/meminfo").read_text().splitlines()[:3]:  # MemTotal, MemFree, MemAvailable
        name, _, rest = line.partition(":")
        values[name] = int(rest.split()[0])
    return values["MemAvailable"] < values["MemTotal"] // SCARCE
