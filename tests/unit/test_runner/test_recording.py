"""A run as a file, and what is told of files that are none."""

from __future__ import annotations

import json

import pytest

from maelstrom_core.errors import UserError
from maelstrom_test_runner.displays.simple import SimpleDisplay
from maelstrom_test_runner.recording import Recorder, read
from maelstrom_test_runner.reports.junit import JUnitReport
from maelstrom_test_runner.stream import replay
from tests.unit.test_runner.runs import begun, finished, shown, whole_run


def record(path, events):
    replay(events, [Recorder(path)])
    return path


def test_what_was_written_is_read_again(tmp_path):
    assert list(read(record(tmp_path / "r", whole_run()))) == whole_run()


def test_a_recorded_run_looks_the_same_again(tmp_path):
    events = list(read(record(tmp_path / "r", whole_run())))
    for options in ({}, {"terminal": True}, {"terminal": True, "colour": True}, {"quiet": True}):
        assert shown(events, **options) == shown(whole_run(), **options)


def test_its_junit_report_is_the_same_again(tmp_path):
    replay(whole_run(), [JUnitReport(tmp_path / "a.xml")])
    replay(read(record(tmp_path / "r", whole_run())), [JUnitReport(tmp_path / "b.xml")])
    assert (tmp_path / "a.xml").read_bytes() == (tmp_path / "b.xml").read_bytes()


def test_each_line_is_in_the_file_at_once(tmp_path):
    recorder = Recorder(tmp_path / "r")
    recorder.take(begun(), None)
    assert json.loads((tmp_path / "r").read_text())["event"] == "begun"
    recorder.close()


def test_halves_of_characters_become_question_marks(tmp_path):
    path = record(tmp_path / "r", [begun(), finished(1, "a\udc80b")])
    assert list(read(path))[1].test.name == "a?b"


def test_a_line_that_was_cut_off_is_passed_over(tmp_path):
    path = record(tmp_path / "r", whole_run())
    path.write_bytes(path.read_bytes()[:-5])
    assert list(read(path)) == whole_run()[:-1]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ('{"at":0,"event":"note","text":"x"}\n', "does not begin as the report of a run does"),
        ("<xml/>\n", "line 1: this is no event of a run"),
        ('{"event":"finished"}\n', "line 1: this is no event"),
    ],
)
def test_what_is_no_recorded_run_is_refused(tmp_path, contents, message):
    (tmp_path / "r").write_text(contents)
    with pytest.raises(UserError, match=message):
        list(read(tmp_path / "r"))


def test_another_format_is_refused(tmp_path):
    path = record(tmp_path / "r", [begun(format=99)])
    with pytest.raises(UserError, match="has format 99 of events") as caught:
        list(read(path))
    assert caught.value.hint == "it was written by maelstrom-pytest 1"


def test_a_file_that_cannot_be_written_is_the_users_to_mend(tmp_path):
    with pytest.raises(UserError, match=r"failed to write the report .*No such file"):
        Recorder(tmp_path / "none" / "r")


def test_a_full_disk_is_told_once_and_for_all():
    from pathlib import Path

    recorder = Recorder(Path("/dev/full"))
    with pytest.raises(UserError, match="No space left on device"):
        recorder.take(begun(), None)


def test_the_display_is_told_nothing_that_the_file_does_not_hold(tmp_path):
    """What a display writes depends on events alone: two displays of one run write the same."""
    from io import StringIO

    streams = StringIO(), StringIO()
    replay(whole_run(), [SimpleDisplay(each, terminal=True, width=40, colour=True) for each in streams])
    assert streams[0].getvalue() == streams[1].getvalue()
