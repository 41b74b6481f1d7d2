"""What the short way of a member answers, and what it leaves to Python to answer: the answers are those of Python."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container.native import ffi as launcher_ffi
from maelstrom_core.job import Effects, Exited, NotForked, Outcome, Output
from maelstrom_worker.member import Member
from maelstrom_worker.messages import Answer, MemberFds
from maelstrom_worker.repeat import lib
from maelstrom_worker.ring import BUFFER, CAPACITY, Line, create_memory
from tests.support.short_way import OTHER, REQUEST, ShortWay, encode, exited, replace


@pytest.fixture
def member() -> Iterator[ShortWay]:
    member = ShortWay()
    assert member.serve(REQUEST, repeatable=False) == lib.REPEAT_MESSAGE
    assert member.repeater.message == encode(REQUEST)
    yield member
    member.close()


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
