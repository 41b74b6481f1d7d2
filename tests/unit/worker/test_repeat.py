"""The short way of a member: what it repeats, what it leaves to Python, and that its answers are those of Python.

The launcher is a function of the test; requests and answers go through real rings.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container.native import ffi as launcher_ffi
from maelstrom_container.native import lib as launcher_lib
from maelstrom_container.request import Request
from maelstrom_core.job import Effects, Exited, NotForked, Outcome, Output
from maelstrom_core.spec import Grace
from maelstrom_worker.member import Member
from maelstrom_worker.messages import Answer, MemberFds
from maelstrom_worker.repeat import Repeater, lib
from maelstrom_worker.ring import BUFFER, CAPACITY, Line, create_memory, ffi

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


@pytest.fixture
def member() -> Iterator[ShortWay]:
    member = ShortWay()
    assert member.serve(REQUEST, repeatable=False) == lib.REPEAT_MESSAGE
    assert member.repeater.message == encode(REQUEST)
    yield member
    member.close()


OTHER = replace(REQUEST, sequence=99, program="/bin/other")


def test_equal_requests_are_launched_with_their_own_arguments(member: ShortWay) -> None:
    given = {2: ("",), 300: ("x" * 31, "y" * 32, "z" * 300), 70_000: ("ü" * 30_000,), 2**40: (), 5: ("a",) * 100}
    requests = [replace(REQUEST, sequence=number, arguments=arguments) for number, arguments in given.items()]
    assert member.serve(*requests, OTHER) == lib.REPEAT_MESSAGE
    assert member.launcher.launched == [
        (number, (b"/bin/program", *(argument.encode() for argument in arguments)))
        for number, arguments in given.items()
    ]
    assert [answer.sequence for answer in member.answers()] == list(given)
    assert os.eventfd_read(member.bells[1]) == len(given)


@pytest.mark.parametrize("variables", [(), ("OWN=2",), ("A=", "B=" + "x" * 1000, "C=ü")])
@pytest.mark.parametrize("arguments", [(), ("a", "")])
def test_equal_requests_are_launched_with_their_own_variables(
    member: ShortWay, variables: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    request = replace(REQUEST, arguments=arguments, variables=variables)
    assert member.serve(request, OTHER) == lib.REPEAT_MESSAGE
    assert member.launcher.launched == [(1, (b"/bin/program", *(argument.encode() for argument in arguments)))]
    assert member.launcher.variables == [variable.encode() for variable in variables]


def test_what_differs_in_anything_else_is_left_to_python(member: ShortWay) -> None:
    different: dict[str, Any] = {
        "container": b"containeR",
        "program": "/bin/programme",
        "environment": ("A=c",),
        "working_directory": "/tmp",
        "timeout": None,
        "grace": Grace(1.0, 15),
        "stdin": b"x",
        "inline_limit": 1001,
        "result_limit": 1,
        "rest_limit": 1,
        "template": b"t",
    }
    for field, value in different.items():
        assert member.serve(REQUEST, replace(REQUEST, **{field: value})) == lib.REPEAT_MESSAGE
        assert member.repeater.message == encode(replace(REQUEST, **{field: value}))
        assert member.serve(REQUEST, repeatable=False) == lib.REPEAT_MESSAGE
    assert len(member.launcher.launched) == len(different)


def test_nothing_is_repeated_that_must_not_be(member: ShortWay) -> None:
    assert member.serve(REQUEST, repeatable=False) == lib.REPEAT_MESSAGE
    assert member.launcher.launched == []


def test_a_root_that_a_job_has_written_to_is_left_to_python(member: ShortWay) -> None:
    member.launcher.written = True
    assert member.serve(REQUEST, OTHER) == lib.REPEAT_MESSAGE  # the jobs have roots of their own
    assert len(member.launcher.launched) == 1
    assert member.serve(REQUEST, repeatable=False) == lib.REPEAT_MESSAGE
    member.launcher.launch.kept = member.launcher.kept
    assert member.serve(REQUEST) == lib.REPEAT_MESSAGE
    assert member.serve() == lib.REPEAT_WRITTEN  # and does not sleep
    assert len(member.launcher.launched) == 1


def test_after_so_many_repetitions_python_is_asked_again(member: ShortWay) -> None:
    member.launcher.launch.repeats = 2
    assert member.serve(*[REQUEST] * 3) == lib.REPEAT_MESSAGE
    assert len(member.launcher.launched) == 2


CLEAN = "sockets: used 0\nTCP: inuse 0 orphan 7 tw 0 alloc 5 mem 1\nUDP: inuse 0 mem 0\n"


@pytest.mark.parametrize(
    "left",
    [
        CLEAN.replace("used 0", "used 1"),
        CLEAN.replace("used 0", "used 01"),
        CLEAN.replace("inuse 0 orphan", "inuse 1 orphan"),
        CLEAN.replace("tw 0", "tw 10"),
        CLEAN.replace("tw 0", "tw 01"),
        "",
        CLEAN[:30],
    ],
)
def test_a_network_that_is_not_clean_is_left_to_python(member: ShortWay, tmp_path: Path, left: str) -> None:
    count = tmp_path / "sockstat"
    count.write_text(CLEAN)
    sockets = os.open(count, os.O_RDONLY)
    member.launcher.watched_sockets = sockets, (b"sockets: used 0\nTCP: inuse 0 orphan ", b" tw 0 alloc ")

    def leave(landing: Any) -> None:
        exited(landing)
        count.write_text(left)

    assert member.serve(REQUEST, replace(REQUEST, sequence=2), OTHER) == lib.REPEAT_MESSAGE
    assert len(member.launcher.launched) == 2
    assert member.serve(REQUEST, repeatable=False) == lib.REPEAT_MESSAGE
    member.launcher.land = leave
    assert member.serve(replace(REQUEST, sequence=3), replace(REQUEST, sequence=4)) == lib.REPEAT_MESSAGE
    assert [sequence for sequence, _ in member.launcher.launched] == [1, 2, 3]
    assert member.repeater.message == encode(replace(REQUEST, sequence=4))
    os.close(sockets)


@pytest.mark.parametrize("orphans", ["0", "12", "300"])
def test_orphans_of_the_rest_of_the_machine_count_for_nothing(member: ShortWay, tmp_path: Path, orphans: str) -> None:
    count = tmp_path / "sockstat"
    count.write_text(CLEAN.replace("orphan 7", f"orphan {orphans}"))
    sockets = os.open(count, os.O_RDONLY)
    member.launcher.watched_sockets = sockets, (b"sockets: used 0\nTCP: inuse 0 orphan ", b" tw 0 alloc ")
    assert member.serve(REQUEST, OTHER) == lib.REPEAT_MESSAGE
    assert len(member.launcher.launched) == 1
    os.close(sockets)


@pytest.mark.parametrize("argument", ["a\0b", "\0"])
def test_an_argument_that_holds_nul_is_left_to_python(member: ShortWay, argument: str) -> None:
    assert member.serve(replace(REQUEST, arguments=("a", argument))) == lib.REPEAT_MESSAGE
    assert member.serve(REQUEST, repeatable=False) == lib.REPEAT_MESSAGE
    assert member.serve(replace(REQUEST, variables=("A=b", argument))) == lib.REPEAT_MESSAGE
    assert member.launcher.launched == []


@given(st.binary(min_size=1, max_size=60), st.integers(0, 300))
def test_no_bytes_do_harm(noise: bytes, cut: int) -> None:
    member = ShortWay()
    member.serve(REQUEST, repeatable=False)
    whole = encode(REQUEST)
    for message in (noise, whole[: cut % len(whole) or 1], whole[: cut % len(whole)] + noise):
        need = member.serve(message, OTHER, repeatable=True)
        assert need == lib.REPEAT_MESSAGE
        while member.repeater.message != encode(OTHER):
            assert member.serve(repeatable=True) == lib.REPEAT_MESSAGE
        member.serve(REQUEST, repeatable=False)
    member.close()


def test_larger_messages_come_in_pieces(member: ShortWay) -> None:
    assert member.serve(replace(REQUEST, arguments=("x" * BUFFER,))) == lib.REPEAT_PIECES


def test_it_rests_before_it_sleeps(member: ShortWay) -> None:
    os.eventfd_write(member.bells[0], 1)  # or this would sleep
    member.launcher.resting = lambda: member.supervisor.send(encode(OTHER))
    assert member.serve(REQUEST) == lib.REPEAT_MESSAGE
    assert member.repeater.message == encode(OTHER)
    assert len(member.launcher.launched) == 1


def test_where_short_jobs_are_repeated_the_container_of_the_next_one_is_made(member: ShortWay) -> None:
    durations = iter([0, 99, 150, 1, 1, 1])

    def land(landing: Any) -> None:
        exited(landing)
        landing.duration = next(durations) * 1_000_000

    member.launcher.dismissed.clear()
    member.launcher.land = land
    assert member.serve(*[REQUEST] * 6, OTHER) == lib.REPEAT_MESSAGE
    assert member.launcher.ahead == [False, True, True, False, True, True]
    assert member.launcher.dismissed == [6]  # before Python does anything
    assert member.launcher.launch.ahead == 0


def test_none_is_made_where_all_processors_have_something_to_do(member: ShortWay) -> None:
    member.supervisor.set_hint(0)
    assert member.serve(*[REQUEST] * 3, OTHER) == lib.REPEAT_MESSAGE
    assert member.launcher.ahead == [False] * 3


def test_one_that_nobody_calls_does_not_stay(member: ShortWay) -> None:
    later = iter([replace(REQUEST, sequence=2), OTHER])

    def call() -> None:
        assert member.supervisor.send(encode(next(later)))
        os.eventfd_write(member.bells[0], 1)

    def rest() -> None:
        timers.append(threading.Timer(1.0, call))
        timers[-1].start()

    timers: list[threading.Timer] = []
    member.launcher.dismissed.clear()
    member.launcher.resting = rest
    assert member.serve(REQUEST) == lib.REPEAT_MESSAGE
    for timer in timers:
        timer.join()
    assert member.launcher.dismissed == [1, 2, 2]
    assert member.launcher.ahead == [False, False]


@pytest.mark.parametrize(("field", "value"), [("phase", -6), ("exited", 0), ("timed_out", 1), ("was_cancelled", 1)])
def test_landings_of_other_kinds_are_pythons_to_report(member: ShortWay, field: str, value: int) -> None:
    def land(landing: Any) -> None:
        exited(landing)
        setattr(landing, field, value)

    member.launcher.land = land
    assert member.serve(replace(REQUEST, sequence=5)) == lib.REPEAT_LANDED
    assert member.repeater.sequence == 5
    assert member.answers() == []


texts = st.binary(max_size=50)


@given(st.integers(0, 2**63), st.integers(0, 255), st.lists(texts, min_size=3, max_size=3), st.integers(0, 2**60))
def test_answers_are_what_python_would_say(sequence: int, code: int, streams: list[bytes], number: int) -> None:
    member = ShortWay()
    member.serve(REQUEST, repeatable=False)
    memories = [launcher_ffi.new("char[]", data + b"x") for data in streams]
    peak = 4000 + number % 2

    def land(landing: Any) -> None:
        exited(landing, code)
        for stream, memory in zip(landing.streams, memories, strict=True):
            stream.data, stream.kept, stream.lost = memory, len(memory) - 2, number % 100
        landing.duration, landing.cpu_user, landing.cpu_system = number, number // 2, 0
        landing.peak_memory, landing.own_peak = peak, 4000

    member.launcher.land = land
    assert member.serve(replace(REQUEST, sequence=sequence), OTHER) == lib.REPEAT_MESSAGE
    outputs = [Output(data, number % 100) for data in streams]
    effects = Effects(*outputs, number / 1e9, number // 2 / 1e9, 0.0, peak if peak > 4000 else None)
    assert member.answers() == [Answer(sequence, Exited(code, effects))]
    member.close()


@pytest.mark.parametrize("size", [BUFFER - 2000, BUFFER, 1_000_000])
def test_output_that_is_too_large_for_the_short_way_is_pythons(member: ShortWay, size: int) -> None:
    memory = launcher_ffi.new("char[]", size)

    def land(landing: Any) -> None:
        exited(landing)
        landing.streams[0].data, landing.streams[0].kept = memory, size

    member.launcher.land = land
    need = member.serve(REQUEST, OTHER)
    if size < BUFFER - 1024:
        assert need == lib.REPEAT_MESSAGE
        assert member.answers() == [Answer(1, Exited(0, Effects(stdout=Output(bytes(size)))))]
    else:
        assert need == lib.REPEAT_LANDED


def test_an_answer_for_which_there_is_no_room_is_pythons(member: ShortWay) -> None:
    full = bytes(60_000)
    memory = launcher_ffi.new("char[]", full)

    def land(landing: Any) -> None:
        exited(landing)
        landing.streams[0].data, landing.streams[0].kept = memory, len(full)

    member.launcher.land = land
    fits = CAPACITY // (len(full) + 100)
    assert member.serve(*[REQUEST] * (fits + 3)) == lib.REPEAT_LANDED
    assert len(member.answers()) >= fits - 1


class Said:
    """A launcher, or the runners of templates, that runs nothing."""

    repeatable = True

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def run(self, *_: object, **__: object) -> Outcome:
        return self.outcome


def test_a_job_that_was_to_be_forked_is_never_repeated_as_a_launch(member: ShortWay) -> None:
    """Not even if the launch before it could be."""
    memory = create_memory()
    line: Any = Line(memory, supervisor=False)
    launcher: Any = Said(Exited(0, Effects()))
    runners: Any = Said(NotForked("no"))
    whole = Member(line, launcher, runners, MemberFds(memory, *member.bells, -1))
    assert whole.handle(encode(REQUEST))
    assert not whole.handle(encode(replace(REQUEST, template=b"template")))
    os.close(memory)
