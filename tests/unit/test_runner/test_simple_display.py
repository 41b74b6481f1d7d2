"""What the simple display writes of a run."""

from __future__ import annotations

import pytest

from maelstrom_test_runner.displays.text import progress_text, spoken
from maelstrom_test_runner.events import Busy, Collected, Ended, Message, Resized
from maelstrom_test_runner.lines import plain
from maelstrom_test_runner.state import RunState
from tests.unit.test_runner.runs import begun, finished, shown, started, whole_run


def test_a_whole_run():
    lines = shown(whole_run()).splitlines()
    assert lines[0] == "downloaded an image"
    assert [line.strip(".") for line in lines[1:5]] == [
        "test_s.py" + "." * (50 - 9 - 7) + "IGNORED", "ImportError: nothing", "words of pytest", "note: something"
    ]  # fmt: skip
    assert lines[5] == "t::a" + "." * 44 + "OK   0.250s"
    assert lines[7:9] == ["____ t::b ____", "E   assert 1 == 2"]
    assert lines[6].endswith("FAIL   0.250s")
    assert lines[9].endswith("ERR   0.250s")
    assert lines[10:13] == ["killed", "  hint: look there", "stderr: out of memory"]
    assert lines[13:15] == ["", "======================= Test Summary ======================="]
    assert lines[-3:] == ["Tests Not Run   : 1", "    t::d: was running", lines[-1]]
    assert lines[-1] == "as pytest counts: 1 failed, 1 passed, 1 skipped, 1 deselected, 1 error"


def test_quiet_passes_over_what_did_not_fail():
    text = shown(whole_run(), quiet=True)
    assert "t::a" not in text
    assert "test_s.py....." not in text
    assert "E   assert 1 == 2" in text
    assert "Test Summary" in text


def test_colours_only_where_there_are_colours():
    assert "\x1b" not in shown(whole_run())
    coloured = shown(whole_run(), colour=True)
    assert "\x1b[31m____ t::b" in coloured
    assert plain(coloured) == shown(whole_run())


def test_a_terminal_shows_how_far_it_is():
    text = shown(whole_run(), terminal=True)
    assert "\r\x1b[Kcollecting the tests" in text
    assert "\r\x1b[K2 of 5 done, 2 running" in text
    assert "downloaded an image" not in text


def test_the_summary_comes_once():
    assert shown(whole_run()).count("Test Summary") == 1


def test_a_run_of_words_has_no_summary():
    assert shown([begun(), Message(at=0, text="usage"), Ended(at=1, code=2)]) == "usage\n"


def test_lines_fit_the_terminal_as_it_is_now():
    text = shown([Resized(at=0, columns=40, rows=20), finished(1, "t" * 100)])
    assert len(text.splitlines()[0]) == 39


def test_progress_before_and_after_it_is_known_what_there_is():
    state = RunState()
    state.take(Busy(at=0, text="reading"))
    assert progress_text(state, 0) == "reading"
    state.take(Collected(at=0, tests=10))
    for event in (started(0, "a"), finished(10, "a"), started(10, "b\n")):
        state.take(event)
    assert progress_text(state, 10) == "1 of 10 done, 1 running, 1:30 left  b\\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (3599, "59:59"), (3725, "1:02:05")]
)
def test_times_as_people_say_them(seconds, text):
    assert spoken(seconds) == text
