"""What the fancy display leaves on a terminal: an emulated one reads what it writes.

The screens of docs/screens are compared with what is drawn now; `MAELSTROM_WRITE_SCREENS=1` writes them anew.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_test_runner.displays.fancy import FancyDisplay
from maelstrom_test_runner.displays.region import _stretches, region
from maelstrom_test_runner.events import Busy, Collected, Ended, Interrupted, Requeued, Resized, Test
from maelstrom_test_runner.lines import cells
from maelstrom_test_runner.state import RunState
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.stream import replay
from tests.unit.test_runner.runs import begun, finished, started

SCREENS = Path(__file__).parents[3] / "docs" / "screens"


class Terminal(io.StringIO):
    """A stream with a terminal at its other end, that keeps all it scrolled away."""

    encoding = "utf-8"

    def __init__(self, width, height):
        super().__init__()
        self.screen = pyte.HistoryScreen(width, height, history=10_000, ratio=0.5)
        self._reader = pyte.Stream(self.screen)
        self.size = 0

    def write(self, text):
        self.size += len(text)
        self._reader.feed(text.replace("\n", "\r\n"))
        return len(text)

    def rows(self):
        """What is on the screen, and before it what has scrolled away."""
        width = self.screen.columns
        gone = ["".join(line[x].data for x in range(width)).rstrip() for line in self.screen.history.top]
        return [*gone, *(row.rstrip() for row in self.screen.display)]

    @property
    def text(self):
        return "\n".join(self.rows()).rstrip()


def show(events, width=80, height=24, *, colour=True, close=True):
    terminal = Terminal(width, height)
    display = FancyDisplay(terminal, width=width, height=height, colour=colour)
    consumers = [display] if close else [_Open(display)]
    replay(events, consumers)
    return terminal


class _Open:
    """A display that is not closed: what it shows in the middle of a run is still there."""

    def __init__(self, display):
        self.take, self.tick = display.take, display.tick

    def close(self):
        pass


def middle_of_a_run():
    """Ten seconds into a run of a thousand tests in many scripts, some of which have failed."""
    failure = (
        "____ test_math.py::test_add ____\n\n    def test_add():\n>       assert 1 + 1 == 3\nE       assert 2 == 3\n"
    )
    return [
        begun(slots=4),
        Busy(at=0.0, text="collecting the tests"),
        Collected(at=0.4, tests=1000, seconds=180.0, deselected=3),
        started(0.5, "tests/test_slow.py::test_an_hour_of_work[with-a-rather-long-parameter-that-does-not-fit]"),
        started(0.5, "tests/test_漢字.py::test_全角文字[ÄÖÜ]"),
        *(finished(1.0 + i / 100, f"t::p{i}", seconds=0.05) for i in range(700)),
        started(8.5, "tests/test_db.py::test_transaction"),
        finished(9.0, "test_math.py::test_add", Status.FAILED, texts=(failure,), seconds=0.013),
        finished(9.1, "t::s", Status.SKIPPED),
        started(9.5, "tests/test_db.py::test_rollback"),
        finished(10.05, "t::last", seconds=0.02),
    ]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
def test_screens_in_the_docs_are_those_that_are_drawn(width, height):
    text = show(middle_of_a_run(), width, height, close=False).text + "\n"
    path = SCREENS / f"fancy-{width}x{height}.txt"
    if os.environ.get("MAELSTROM_WRITE_SCREENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_ap22_what_runs_is_shown_with_its_time_until_it_has_ended():
    """It begins, waits again without its time when its job ended without it, begins anew, and goes."""
    events = [begun(), Collected(at=0, tests=2), started(1, "t::a"), started(2, "t::b")]
    assert running_at(7, events) == ["     6 s t::a", "     5 s t::b", "2 running"]
    events.append(Requeued(at=8, tests=(Test("t::a"),)))
    assert running_at(9, events) == ["     7 s t::b", "1 running", "1 waiting"]
    events.append(started(10, "t::a"))
    assert running_at(12, events) == ["    10 s t::b", "     2 s t::a", "2 running"]
    events.append(finished(13, "t::b"))
    assert running_at(14, events) == ["     4 s t::a", "1 ok", "1 running"]
    events.append(finished(15, "t::a", Status.FAILED))
    assert running_at(16, events) == ["1 ok", "1 failed"]


def running_at(at, events):
    """Return what a terminal shows below what scrolls: the tests that run, and how many there are of each kind."""
    terminal = show([*events, Collected(at=at, tests=0)], close=False)
    rows = terminal.text.splitlines()
    bar = next(number for number, row in enumerate(rows) if "━" in row or "─" in row)
    kinds = ("ok", "failed", "running", "waiting")
    counts = [part for part in rows[bar + 1].split("  ") if part.endswith(kinds)]
    return [row for row in rows[:bar] if re.match(r" +\d+ s ", row)] + counts


def test_nothing_of_the_lower_part_is_left_at_the_end():
    terminal = show([*middle_of_a_run(), Interrupted(at=10.2), Ended(at=10.2, code=130)])
    assert "waiting" not in terminal.text
    assert "━" not in terminal.text
    assert terminal.text.count("Test Summary") == 1
    assert "test_rollback: was running" in terminal.text
    assert not terminal.screen.cursor.hidden


def test_no_write_leaves_half_a_picture():
    """What a terminal shows between two writes has the counts, once: there is nothing to flicker."""
    terminal = Terminal(80, 24)
    display = FancyDisplay(terminal, width=80, height=24, colour=True)
    shown = []
    write = terminal.write

    def watched(text):
        written = write(text)
        shown.append(sum(" of 1000 " in row for row in terminal.screen.display))
        return written

    terminal.write = watched
    failures = [finished(10 + i / 7, f"f{i}", Status.FAILED, texts=(f"____ f{i} ____\n" * 9,)) for i in range(60)]
    replay([*middle_of_a_run(), *failures], [_Open(display)])
    drawn = shown[shown.index(1) :]
    assert len(drawn) > 100
    assert set(drawn) == {1}


def test_failures_stay_whole_above_it():
    rows = show(middle_of_a_run(), close=False).rows()
    start = rows.index("____ test_math.py::test_add ____")
    assert rows[start + 1 : start + 4] == ["", "    def test_add():", ">       assert 1 + 1 == 3"]
    assert rows[start - 1].startswith("test_math.py::test_add.....")


def test_what_passes_leaves_no_line():
    assert "t::p1" not in show(middle_of_a_run(), close=False).text


def test_a_thousand_failures_leave_one_copy_of_each():
    events = [begun(), Collected(at=0, tests=1000), started(0, "slow")]
    names = [f"f{i}" for i in range(1000)]
    events += [finished(1 + i / 50, n, Status.FAILED, texts=(f"____ {n} ____\n",)) for i, n in enumerate(names)]
    text = show(events, close=False).text
    assert [text.count(f"____ f{i} ____") for i in (0, 1, 500, 999)] == [1, 1, 1, 1]
    assert text.count(" of 1000") == 1


def test_nothing_is_written_while_nothing_changes():
    quiet = [begun(), Collected(at=0, tests=2), started(0.05, "a"), finished(0.06, "b")]
    short = show([*quiet, Collected(at=0.5, tests=0)], close=False, colour=False)
    state = RunState()
    for event in quiet:
        state.take(event)
    assert region(state, 0.5, width=80, height=24)[0] == region(state, 0.6, width=80, height=24)[0]
    assert short.size < 2000


def test_without_colours_there_are_none():
    stream = io.StringIO()
    replay(middle_of_a_run(), [FancyDisplay(stream, width=80, height=24, colour=False)])
    assert "\x1b[3" not in stream.getvalue()


def test_it_fits_the_terminal_as_it_is_now():
    events = [*middle_of_a_run(), Resized(at=10.1, columns=40, rows=24), Collected(at=10.5, tests=0)]
    rows = region(_after(events), 10.5, width=40, height=24)
    assert max(sum(cells(text) for text, _ in row) for row in rows) < 40


def _after(events):
    state = RunState()
    for event in events:
        state.take(event)
    return state


@given(
    st.integers(20, 300),
    st.integers(1, 100),
    st.lists(st.text(min_size=1, max_size=60), max_size=40),
    st.integers(0, 10**6),
    st.integers(0, 30),
)
def test_no_row_is_ever_wider_than_the_terminal_and_there_are_few(width, height, names, expected, done):
    events = [begun(), Collected(at=0, tests=expected), *(finished(0.1, f"d{i}") for i in range(done))]
    events += [started(0.2, *names)] if names else []
    rows = region(_after(events), 3.0, width=width, height=height)
    assert all(sum(cells(text) for text, _ in row) < width for row in rows)
    assert len(rows) <= max(4, height // 4)


@given(st.lists(st.integers(0, 10**6), min_size=5, max_size=5).filter(any), st.integers(5, 300))
def test_the_bar_is_full_and_shows_whatever_there_is(numbers, width):
    sizes = _stretches(numbers, sum(numbers), width)
    assert sum(sizes) == width
    assert all((size > 0) == (number > 0) for size, number in zip(sizes, numbers, strict=True))
