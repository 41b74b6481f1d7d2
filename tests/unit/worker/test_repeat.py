"""The short way of a member: what it repeats, what it leaves to Python, and that its answers are those of Python.

The launcher is a function of the test; requests and answers go through real rings.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.spec import Grace
from maelstrom_worker.repeat import lib
from maelstrom_worker.ring import BUFFER
from tests.support.short_way import OTHER, REQUEST, ShortWay, encode, exited, replace


@pytest.fixture
def member() -> Iterator[ShortWay]:
    member = ShortWay()
    assert member.serve(REQUEST, repeatable=False) == lib.REPEAT_MESSAGE
    assert member.repeater.message == encode(REQUEST)
    yield member
    member.close()


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
