"""What is remembered of tests: across runs, across crashes, by two runs at once."""

from __future__ import annotations

from maelstrom_test_runner.history import History, Past


def test_db8_db10_the_last_result_of_a_test_counts(tmp_path):
    path = tmp_path / "deep" / "history"
    for seconds in (1.0, 2.0):
        with History(path) as history:
            history.add("a.py::t", 0, seconds=seconds, failed=seconds > 1)
            history.add("a.py::t", 1, seconds=0.5, failed=False)
    with History(path) as history:
        assert history.get("a.py::t", 0) == Past(2.0, failed=True)
        assert history.get("a.py::t", 1) == Past(0.5, failed=False)
        assert history.get("b.py::t", 0) is None


def test_a_failure_is_on_disk_at_once(tmp_path):
    path = tmp_path / "history"
    with History(path) as history:
        history.add("a.py::t", 0, seconds=1.0, failed=True)
        assert path.read_text() == '["a.py::t",0,1.0,true]\n'


def test_db9_what_is_no_line_is_passed_over(tmp_path):
    path = tmp_path / "history"
    path.write_bytes(b'garbage\n["a",0,1.0,false]\n{}\n\xff\xfe\n["b",0,"x",false]\n["c",0,2.0,tr')
    with History(path) as history:
        assert len(history) == 1
        assert history.get("a", 0) == Past(1.0, failed=False)


def test_two_runs_may_write_at_once(tmp_path):
    path = tmp_path / "history"
    with History(path) as first, History(path) as second:
        for number in range(2000):
            first.add(f"first{number}", 0, seconds=1.0, failed=False)
            second.add(f"second{number}", 0, seconds=1.0, failed=False)
    with History(path) as history:
        assert len(history) == 4000


def test_the_file_does_not_grow_for_ever(tmp_path):
    path = tmp_path / "history"
    for _ in range(20):
        with History(path) as history:
            for number in range(200):
                history.add(f"t{number}", 0, seconds=1.0, failed=False)
    assert len(path.read_bytes().splitlines()) < 2500
    with History(path) as history:
        assert len(history) == 200
    assert [each.name for each in tmp_path.iterdir()] == ["history"]


def test_names_of_half_characters_do_no_harm(tmp_path):
    with History(tmp_path / "history") as history:
        history.add("a[\udc80]", 0, seconds=1.0, failed=False)
    with History(tmp_path / "history") as history:
        assert len(history) == 1


def test_db9_where_nothing_can_be_written_there_is_no_past(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with History(blocked / "history") as history:
        history.add("t", 0, seconds=1.0, failed=True)
        assert history.get("t", 0) == Past(1.0, failed=True)
