"""Which collected tests run: filters, what failed last time, shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from maelstrom_core.errors import UserError
from maelstrom_pytest.plan import Isolation
from maelstrom_pytest.rules import LANGUAGE
from maelstrom_pytest.selecting import choose, likely
from maelstrom_test_runner.history import History
from maelstrom_test_runner.selecting import Selection, read_selection
from tests.unit.pytest_runner.builders import item

ITEMS = [item(f"{file}.py::t{number}") for file in "ab" for number in range(3)]


@pytest.fixture
def history(tmp_path: Path):
    with History(tmp_path / "history.jsonl") as history:
        yield history


def chosen(selection, history, isolation=Isolation.TEST):
    found = choose(selection, ITEMS, history, isolation)
    assert found.deselected == len(ITEMS) - len(found.items)
    return [each.nodeid for each in found.items], " ".join(found.notes)


def test_everything_unless_something_is_said(history):
    assert choose(Selection(), ITEMS, history, Isolation.TEST).items == tuple(ITEMS)


def test_included_and_not_excluded_in_the_order_of_the_collection(history):
    selection = read_selection(["name.equals(t2)", "file.equals(a.py)"], ["node_id.ends_with(a.py::t1)"], LANGUAGE)
    assert chosen(selection, history)[0] == ["a.py::t0", "a.py::t2", "b.py::t2"]


def test_a_wrong_filter_names_its_option():
    with pytest.raises(UserError, match=r"\A--exclude: unknown selector `nmae`") as caught:
        read_selection([], ["all", "nmae.equals(x)"], LANGUAGE)
    assert caught.value.hint == "did you mean `name`?"


def test_what_failed_when_it_ran_last(history):
    history.add("a.py::t0", 0, seconds=1.0, failed=True)
    history.add("b.py::t0", 0, seconds=1.0, failed=True)
    history.add("b.py::t0", 0, seconds=1.0, failed=False)
    names, notes = chosen(Selection(last_failed=True), history)
    assert names == ["a.py::t0"]
    assert "1 of 6 tests failed" in notes
    assert [each.nodeid for each in likely(Selection(last_failed=True), history)(ITEMS)] == names


def test_everything_and_a_word_where_nothing_failed(history):
    names, notes = chosen(Selection(last_failed=True), history)
    assert len(names) == 6
    assert "none of these tests failed" in notes


@pytest.mark.parametrize(("isolation", "whole_files"), [(Isolation.TEST, False), (Isolation.MODULE, True)])
def test_every_test_is_in_one_shard_and_what_shares_a_process_stays_together(history, isolation, whole_files):
    history.add("a.py::t0", 0, seconds=5.0, failed=True)
    shards = [chosen(read_selection([], [], LANGUAGE, shard=f"{number}/2"), history, isolation)[0] for number in (1, 2)]
    assert sorted(shards[0] + shards[1]) == sorted(each.nodeid for each in ITEMS)
    assert all(len({name[0] for name in shard}) == 1 for shard in shards) is whole_files
    assert likely(read_selection([], [], LANGUAGE, shard="1/2"), history)(ITEMS) == ()


def test_the_run_of_a_shard_changes_no_duration(tmp_path):
    def history(**more):
        return History(tmp_path / "history.jsonl", **more)

    with history() as whole:
        whole.add("a.py::t0", 0, seconds=5.0, failed=True)
    with history(keep_seconds=True) as part:
        part.add("a.py::t0", 0, seconds=1.0, failed=False)
        part.add("a.py::t1", 0, seconds=1.0, failed=True)
    with history() as later:
        first, second = later.get("a.py::t0", 0), later.get("a.py::t1", 0)
    assert (first.seconds, first.failed) == (5.0, False)
    assert (second.seconds, second.failed) == (None, True)
