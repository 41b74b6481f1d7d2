"""Lines of the simple user interface, and the progress line below them."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_test_runner.lines import cells, cut_left, plain, prefixed_lines, printable, shown_line, status_line
from maelstrom_test_runner.progress import CLEAR, ProgressLine
from maelstrom_test_runner.status import Status

statuses = st.sampled_from(list(Status))


def test_py1_a_line_is_name_dots_status_and_seconds():
    line = status_line("test_foo.py::test_noop", Status.PASSED, 0.1234, width=60, colour=False)
    assert line == "test_foo.py::test_noop..........................OK   0.123s"
    assert len(line) == 59


def test_a_name_too_long_is_cut_at_the_left():
    line = status_line("a" * 50 + "::test_end", Status.TIMEOUT, 1.0, width=40, colour=False)
    assert line.startswith("<aaa")
    assert "::test_endTIMEOUT" in line
    assert len(line) == 39


@given(st.text(), statuses, st.none() | st.floats(0, 9999), st.integers(30, 200))
def test_a_line_is_one_line_that_fits_the_terminal(name, status, seconds, width):
    line = status_line(name, status, seconds, width=width, colour=False)
    assert line.isprintable()
    assert cells(line) < width + 1


@given(st.text(), statuses)
def test_colour_adds_nothing_but_colour(name, status):
    coloured = status_line(name, status, 1.0, width=80, colour=True)
    assert plain(coloured) == status_line(name, status, 1.0, width=80, colour=False)
    assert "\x1b[" in coloured


@given(st.text(), st.integers(1, 30))
def test_a_cut_text_fits(text, width):
    assert cells(cut_left(text, width)) <= max(width, 0)


def test_control_characters_become_visible():
    assert printable("a\nb\x1b[31m") == "a\\nb\\x1b[31m"


def test_ap15_lines_of_an_output():
    assert prefixed_lines("a\n") == ["a"]
    assert prefixed_lines("a\nb\n\n", "stderr: ") == ["stderr: a", "stderr: b", "stderr: "]
    assert prefixed_lines("") == []


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_no_terminal_no_escape_sequence():
    stream = io.StringIO()
    progress = ProgressLine(stream, active=False, width=80, clock=Clock())
    progress.update(lambda: "1 of 2")
    progress.print_lines(["one"])
    progress.close()
    assert stream.getvalue() == "one\n"


def test_the_progress_line_gives_way_to_lines_and_leaves_nothing_behind():
    stream = io.StringIO()
    progress = ProgressLine(stream, active=True, width=80, clock=Clock())
    progress.update(lambda: "1 of 2")
    progress.print_lines(["one"])
    progress.close()
    assert stream.getvalue() == f"{CLEAR}1 of 2{CLEAR}one\n{CLEAR}1 of 2{CLEAR}"


def test_the_progress_line_is_redrawn_at_a_bounded_rate():
    stream, clock = io.StringIO(), Clock()
    progress = ProgressLine(stream, active=True, width=80, clock=clock)
    made = []
    for number in range(100):
        progress.update(lambda number=number: made.append(number) or str(number))
        clock.now += 0.01
    assert 9 <= stream.getvalue().count(CLEAR) <= 11
    assert len(made) == stream.getvalue().count(CLEAR)


def test_the_progress_line_never_wraps():
    stream = io.StringIO()
    ProgressLine(stream, active=True, width=10, clock=Clock()).update(lambda: "x" * 50)
    assert len(stream.getvalue().removeprefix(CLEAR)) < 10


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain", "plain"),
        ("a\tb", "a\tb"),
        ("10 %\r20 %\rdone", "done"),
        ("ended by\r", "ended by"),
        ("bell\x07 and \x1b[2J", "bell\\x07 and \\x1b[2J"),
        ("\x1b[31mred", "\x1b[31mred\x1b[0m"),
        ("\x1b[31mred\x1b[0m no more\x07", "\x1b[31mred\x1b[0m no more\\x07\x1b[0m"),
    ],
)
def test_foreign_lines_move_no_cursor(line, shown):
    assert shown_line(line, colour=True) == shown
    assert shown_line(line, colour=False) == plain(shown)
