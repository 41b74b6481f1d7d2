"""One pool member's short way, for tests: its launcher is a function of the test; its ring is real, with both ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import msgspec

from maelstrom_container.native import ffi as launcher_ffi
from maelstrom_container.native import lib as launcher_lib
from maelstrom_container.request import Request
from maelstrom_worker.messages import Answer
from maelstrom_worker.repeat import Repeater
from maelstrom_worker.ring import Line, create_memory, ffi

REQUEST = Request(
    sequence=1,
    arguments=("one",),
    variables=("OWN=1",),
    container=b"container",
    program="/bin/program",
    environment=("A=b",),
    working_directory="/",
    timeout=2.5,
    stdin=b"",
    inline_limit=1000,
    result_limit=1000,
)
encode = msgspec.msgpack.encode
replace = msgspec.structs.replace


class FakeLauncher:
    """Has a launch and a landing, and a function that notes what was launched."""

    def __init__(self) -> None:
        self.launch = launcher_ffi.new("struct launch *")
        self.landing = launcher_ffi.new("struct landing *")
        self.program = launcher_ffi.from_buffer(b"/bin/program\0")
        self.launch.arguments, self.launch.argument_count = self.program, 1
        self.launch.repeats = 1000
        self.kept = launcher_ffi.new("struct kept *")
        self.written = False
        """Whether a job has written to the root that it shares with others."""
        self.launched: list[tuple[int, tuple[bytes, ...]]] = []
        self.variables: list[bytes] = []
        self.land: Callable[[Any], None] = exited
        self.resting: Callable[[], object] = lambda: None
        self.watched_sockets = -1, (b"", b"")
        self.ahead: list[bool] = []
        """Of each launch, whether the container of the next one was to be made."""
        self.dismissed: list[int] = []
        """After how many launches."""
        self._keep = (
            ffi.callback("int(void *, void *)", self._run),
            ffi.callback("void(void)", self._rest),
            ffi.callback("void(void)", lambda: self.dismissed.append(len(self.launched))),
            ffi.callback("int(void *)", lambda _kept: not self.written),
        )

    def pointers(self) -> tuple[int, ...]:
        ends = (launcher_ffi.cast("uintptr_t", end) for end in (self.launch, self.landing))
        functions = (ffi.cast("uintptr_t", function) for function in self._keep)
        return tuple(map(int, (*ends, *functions)))

    def _run(self, *_: object) -> int:
        arguments = self._strings(self.launch.arguments, self.launch.argument_count)
        self.launched.append((self.launch.sequence, tuple(arguments)))
        self.variables = self._strings(self.launch.variables, self.launch.variable_count)
        self.ahead.append(self.launch.ahead > 0)
        self.land(self.landing)
        return 0

    def _strings(self, packed: Any, count: int) -> list[bytes]:
        strings: list[bytes] = []
        for _index in range(count):
            strings.append(launcher_ffi.string(packed))  # type: ignore[attr-defined]
            packed += len(strings[-1]) + 1
        return strings

    def _rest(self) -> None:
        self.resting()


def exited(landing: Any, code: int = 0) -> None:
    landing.phase, landing.exited, landing.status = launcher_lib.PHASE_NONE, 1, code


class ShortWay:
    """One member's short way, and the supervisor's end of its line."""

    def __init__(self) -> None:
        memory = create_memory()
        self.supervisor, line = Line(memory, supervisor=True), Line(memory, supervisor=False)
        self.supervisor.set_hint(1)
        os.close(memory)
        self.launcher = FakeLauncher()
        self.bells = [os.eventfd(0), os.eventfd(0)]
        launcher: Any = self.launcher
        self.repeater = Repeater(line, launcher, own_bell=self.bells[0], supervisor_bell=self.bells[1])

    def close(self) -> None:
        for bell in self.bells:
            os.close(bell)

    def serve(self, *requests: Request | bytes, repeatable: bool = True) -> int:
        for request in requests:
            assert self.supervisor.send(request if isinstance(request, bytes) else encode(request))
        return self.repeater.serve(repeatable=repeatable)

    def answers(self) -> list[Answer]:
        return [msgspec.msgpack.decode(message, type=Answer) for message in self.supervisor.receive()]


OTHER = replace(REQUEST, sequence=99, program="/bin/other")
