"""One command over many inputs: what inputs are, where they go, and that nothing else differs between the jobs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.errors import SpecError
from maelstrom_core.spec import ContainerSpec, JobSpec
from maelstrom_run.inputs import MAXIMUM_INPUT, parse_range
from maelstrom_run.mapping import map_tasks, read_inputs
from maelstrom_run.substitution import CommandPattern

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
BASE = JobSpec(container=ContainerSpec(), program="p")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["sim", "{}"], ("sim", "a b")),
        (["sim"], ("sim", "a b")),
        (["sim", "{#}"], ("sim", "7")),
        (["sim", "--x={}", "{}/{#}.out", "last"], ("sim", "--x=a b", "a b/7.out", "last")),
        (["{}"], ("a b",)),
    ],
)
def test_marks_are_replaced_and_without_one_the_input_is_the_last_argument(words: list[str], found: tuple[str, ...]):
    assert CommandPattern(words).words("a b", 7) == found


def test_another_mark_leaves_braces_alone():
    assert CommandPattern(["awk", "{} X {#}"], "X").words("in", 2) == ("awk", "{} in 2")


@given(TEXTS, st.integers(1, 10**9))
def test_an_input_is_put_in_as_it_is(text: str, number: int):
    pattern = CommandPattern(["p", "<{}{#}{}>", "{}"])
    assert pattern.words(text, number) == ("p", f"<{text}{number}{text}>", text)


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="{}"))), TEXTS)
def test_words_without_marks_stay(words: list[str], text: str):
    assert CommandPattern(["p", *words]).words(text, 1) == ("p", *words, text)


@given(st.lists(TEXTS), st.lists(st.integers(0, 200)), st.booleans())
def test_inputs_are_the_same_however_they_are_cut(texts: list[str], cuts: list[int], null: bool):
    separator = "\0" if null else "\n"
    data = separator.join(texts).encode()
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    pieces = [data[start:end] for start, end in pairwise(places)]
    whole = separator.join(texts).split(separator)
    if not whole[-1]:
        whole.pop()  # what closes the last input begins no other
    expected = whole if null else [item for item in whole if item]
    assert list(read_inputs(pieces, null=null)) == expected


def test_empty_lines_are_no_inputs_and_empty_texts_between_nul_are():
    assert list(read_inputs([b"\n\na\n\nb"], null=False)) == ["a", "b"]
    assert list(read_inputs([b"a\0\0b\n\0"], null=True)) == ["a", "", "b\n"]


@pytest.mark.parametrize(
    ("data", "null", "message"),
    [
        (b"a\n\xff\n", False, "input at line 2: it is not UTF-8 text"),
        (b"a\n\nb\0c\n", False, "input at line 3: it holds a NUL character"),
        (b"a\0" + b"x" * (MAXIMUM_INPUT + 1), True, "input 2: it is longer than 131071 bytes"),
        (b"x" * (MAXIMUM_INPUT + 1), False, "input at line 1: it is longer than 131071 bytes"),
    ],
)
def test_what_cannot_be_an_argument_is_named(data: bytes, null: bool, message: str):
    with pytest.raises(SpecError, match=message):
        list(read_inputs([data], null=null))


def test_a_line_without_end_is_not_kept():
    pieces = 0

    def endless() -> Iterator[bytes]:
        nonlocal pieces
        while True:
            pieces += 1
            yield b"x" * 65536

    with pytest.raises(SpecError, match="longer"):
        list(read_inputs(endless(), null=False))
    assert pieces <= 3


@given(st.integers(-(10**6), 10**6), st.integers(0, 50), st.integers(1, 9), st.booleans())
def test_ranges_hold_both_ends(first: int, steps: int, step: int, down: bool):
    last = first - steps * step if down else first + steps * step
    numbers = list(parse_range(f"{first}..{last}..{step}"))
    assert (numbers[0], numbers[-1], len(numbers)) == (first, last, steps + 1)


@pytest.mark.parametrize("text", ["", "1", "1..", "..2", "1..2..", "1..2..0", "a..b", "1.5..2", "1..2..3..4", "1..2\n"])
def test_what_is_no_range_is_refused(text: str):
    with pytest.raises(ValueError, match=r"range|step"):
        parse_range(text)


def test_jobs_differ_in_arguments_and_variables_only():
    tasks = list(map_tasks(["a", "b"], BASE, CommandPattern(["p", "-x"]), context=None))
    assert [task.spec.arguments for task in tasks] == [("-x", "a"), ("-x", "b")]
    assert [task.variables for task in tasks] == [
        ("MAELSTROM_INPUT=a", "MAELSTROM_JOB=1"),
        ("MAELSTROM_INPUT=b", "MAELSTROM_JOB=2"),
    ]
    assert all(task.spec.container is BASE.container for task in tasks)


def test_digests_differ_with_input_command_and_container():
    def digest(text: str = "a", *words: str, context: bytes = b"c") -> int:
        return next(map_tasks([text], BASE, CommandPattern(words or ["p"]), context=context)).digest

    same = digest()
    assert same == digest()
    assert len({same, digest("b"), digest("a", "q"), digest("a", "p", "{#}"), digest(context=b"d"), 0}) == 6


def test_inputs_are_read_as_jobs_are_wanted():
    """A million of them costs no memory."""
    given: list[int] = []

    def numbers() -> Iterator[str]:
        for number in range(10**6):
            given.append(number)
            yield str(number)

    tasks = map_tasks(numbers(), BASE, CommandPattern(["p"]), context=None)
    assert next(tasks).input == "0"
    assert given == [0]
