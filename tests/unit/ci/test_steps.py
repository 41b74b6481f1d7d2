"""What one run only covered is explained by tests that run alone, or said not to be."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.comparison import coverage
from ci.comparison.agreement import Agreement
from ci.comparison.steps import TIMES, Stray, explanation, read, strays, told

STEPS = st.dictionaries(
    st.sampled_from(["a.py", "b.py"]),
    st.dictionaries(st.tuples(st.integers(1, 4), st.integers(1, 4)), st.frozensets(st.sampled_from("tuv")), max_size=5),
)


def runs(**tests):
    """Give what a test covers of a.py when it runs for the n-th time; the last time's from then on."""

    def alone(test, time):
        covered = tests.get(test)
        if covered is None:
            return {}
        return {"a.py": dict.fromkeys(covered[min(time, len(covered) - 1)], frozenset({test}))}

    return alone


@given(STEPS)
def test_a_run_strays_nowhere_from_itself(steps):
    assert strays(steps, steps) == []


@given(STEPS, STEPS)
def test_who_strays_is_told_the_other_way_round_when_the_runs_are_exchanged(one, other):
    there = {(stray.file, stray.step, stray.native) for stray in strays(one, other)}
    back = {(stray.file, stray.step, not stray.native) for stray in strays(other, one)}
    assert there == back


def test_a_step_has_the_tests_that_went_it():
    native = {"a.py": {(1, 2): frozenset({"t"}), (2, 3): frozenset({"t", "u"})}}
    assert strays(native, {"a.py": {(2, 3): frozenset({"v"})}}) == [Stray("a.py", (1, 2), native=True, tests=("t",))]


@pytest.mark.parametrize(
    ("native", "tests", "alone", "said"),
    [
        (True, ("t", "u"), runs(t=[[(7, 8)]], u=[[]]), "no test has to go it alone"),
        (True, ("t", "u"), runs(t=[[(7, 8)]], u=[[(1, 2)]]), None),
        (True, ("t",), runs(t=[[(1, 2)], [(1, 2)], [(7, 8)]]), "no test has to go it alone"),
        (True, ("t",), runs(t=[[(1, 2)], [(1, 2), (7, 8)]]), "no test has to go it alone"),
        (True, ("t",), runs(), None),
        (True, tuple("tuvwx"), runs(t=[[]], u=[[]], v=[[]], w=[[]], x=[[]]), None),
        (False, ("t",), runs(t=[[(1, 2)]]), "t goes it alone"),
        (False, ("t", "u"), runs(t=[[(7, 8)]], u=[[(1, 2)]]), "u goes it alone"),
        (False, ("t",), runs(t=[[(7, 8)]]), None),
        (False, ("t",), runs(t=[[(7, 8)], [(8, 9)]]), "t goes other ways each time"),
        (False, ("t",), runs(), None),
        (False, ("",), runs(), None),
        (False, (), runs(), None),
    ],
)
def test_a_step_is_explained_by_what_its_tests_do_alone(native, tests, alone, said):
    assert explanation(Stray("a.py", (1, 2), native, tests), alone, limit=4) == said


def test_what_draws_lots_is_asked_more_than_once():
    asked = []

    def alone(test, time):
        asked.append(time)
        return {"a.py": {(7, 8): frozenset({test})}}

    explanation(Stray("a.py", (1, 2), native=False, tests=("t",)), alone, limit=4)
    assert asked == list(range(TIMES))


def test_a_step_is_told_with_its_reason():
    stray = Stray("a.py", (1, 2), native=True, tests=("t",))
    assert told([(stray, None), (stray, "because")]) == [
        "coverage: a.py: from line 1 to 2 only natively: not explained",
        "coverage: a.py: from line 1 to 2 only natively: because",
    ]


def test_the_data_of_lines_and_of_ways_between_them_are_read(tmp_path):
    data = tmp_path / "data"
    with closing(sqlite3.connect(data)) as database, database:
        database.execute("create table file (id integer, path text)")
        database.execute("create table context (id integer, context text)")
        database.execute("create table arc (file_id integer, context_id integer, fromno integer, tono integer)")
        database.execute("create table line_bits (file_id integer, context_id integer, numbits blob)")
        database.executemany("insert into file values (?, ?)", [(1, "/p/a.py"), (2, "/p/b.py"), (3, "/p/c.py")])
        database.executemany("insert into context values (?, ?)", [(1, ""), (2, "x.py::t[a|b]|run")])
        database.executemany("insert into arc values (?, ?, ?, ?)", [(1, 1, -1, 1), (1, 2, 1, 3), (3, 2, 1, 1)])
        database.execute("insert into line_bits values (2, 2, ?)", (bytes([0b10, 0b1]),))
    assert read(data, "/p", {"a.py", "b.py"}) == {
        "a.py": {(-1, 1): frozenset({""}), (1, 3): frozenset({"x.py::t[a|b]"})},
        "b.py": {(1, 1): frozenset({"x.py::t[a|b]"}), (8, 8): frozenset({"x.py::t[a|b]"})},
    }


def test_what_is_no_data_is_refused(tmp_path):
    (tmp_path / "data").write_text("nothing of the kind, and long enough to be looked at" * 20)
    with pytest.raises(ValueError, match=r"data is no data of coverage\.py"):
        read(tmp_path / "data", "/p", {"a.py"})


def test_only_the_files_that_differ_are_looked_into():
    tables = {"src/a.py": ("1", "0", "100%"), "TOTAL": ("1", "0", "100%")}, {"TOTAL": ("1", "1", "0%")}
    assert coverage.files(coverage.differing(*tables)) == {"src/a.py"}


@pytest.mark.parametrize(
    ("agreement", "equal", "cell"),
    [
        (Agreement((), (), ()), True, "same"),
        (Agreement((), (), ("a", "b"), explained=True), True, "2 explained"),
        (Agreement((), (), ("a", "b")), False, "2"),
        (Agreement(("c",), (), ("a",), explained=True), False, "1 explained"),
        (Agreement(), True, ""),
    ],
)
def test_what_is_explained_is_no_difference(agreement, equal, cell):
    assert (agreement.equal, agreement.cells[-1]) == (equal, cell)
