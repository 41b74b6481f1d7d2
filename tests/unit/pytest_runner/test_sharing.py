"""What shares a job, and what shares a template."""

from __future__ import annotations

from maelstrom_pytest import plan as planning
from maelstrom_pytest.plan import Isolation
from maelstrom_pytest.records import NO_TEMPLATE
from maelstrom_test_runner.companies import ROUNDS
from tests.unit.pytest_runner.builders import item


def items(file, count, **more):
    return [item(f"{file}::t{number}", **more) for number in range(count)]


def sizes(groups):
    return [len(members) for members in groups]


def auto(tests, seconds, slots=2):
    return planning.group(tests, Isolation.AUTO, lambda each: seconds(each) if callable(seconds) else seconds, slots)


def test_cheap_tests_share_a_job_until_it_is_worth_a_fork():
    assert sizes(auto(items("a.py", 100), 0.001)) == [50, 50]


def test_dear_tests_are_alone():
    assert sizes(auto(items("a.py", 3), 5.0)) == [1, 1, 1]


def test_more_share_a_job_where_there_is_more_to_do():
    few, many = auto(items("a.py", 100), 0.02), auto(items("a.py", 5000), 0.02)
    assert max(sizes(few)) < max(sizes(many))
    assert len(many) >= ROUNDS * 2


def test_tests_that_have_not_run_yet_share_too():
    assert len(auto(items("a.py", 100), None)) < 20


def test_tests_of_different_files_share_nothing():
    groups = auto([*items("a.py", 10), *items("b.py", 10)], 0.001)
    assert [{each.file for each in members} for members in groups] == [{"/project/a.py"}, {"/project/b.py"}]


def test_small_files_share_jobs_with_their_like():
    tests = [*items("a.py", 1), *items("a.txt", 1), *items("b.py", 1), *items("b.txt", 1)]
    groups = auto(tests, 0.001)
    assert [{each.module for each in members} for members in groups] == [{"a.py", "b.py"}, {"a.txt", "b.txt"}]


def test_who_asks_for_an_interpreter_shares_with_nobody():
    tests = items("a.py", 5)
    tests[2] = tests[2].__class__(
        **{**{f: getattr(tests[2], f) for f in tests[2].__struct_fields__}, "markers": (NO_TEMPLATE,)}
    )
    assert sorted(sizes(auto(tests, 0.001))) == [1, 4]


def test_no_test_is_lost_or_runs_twice():
    tests = [*items("a.py", 700), *items("b.py", 2), *items("c.txt", 1)]
    members = [each for group in auto(tests, lambda each: 0.3 if each.nodeid.endswith("7") else None) for each in group]
    assert sorted(each.nodeid for each in members) == sorted(each.nodeid for each in tests)


def test_files_have_templates_when_it_pays():
    found = planning.stages([*items("a.py", 10), *items("b.py", 1), *items("c.txt", 1), *items("d.txt", 3)])
    data = ("/project/c.txt", "/project/d.txt")
    assert found == {
        "/project/a.py": ("/project/a.py",),
        "/project/b.py": (),
        "/project/c.txt": data,
        "/project/d.txt": data,
    }


def test_new_and_long_tests_are_begun_first():
    tests = [item("short.py::t"), item("long.py::t"), item("new.py::t"), item("long.py::u")]
    seconds = {"short.py::t": 1.0, "long.py::t": 0.5, "long.py::u": 9.0}
    groups = planning.in_order([(each,) for each in tests], lambda each: seconds.get(each.nodeid))
    assert [each.nodeid for (each,) in groups] == ["new.py::t", "long.py::t", "long.py::u", "short.py::t"]


def test_the_first_jobs_are_of_as_many_files_as_there_are_slots():
    tests = [item(f"{file}.py::{name}") for file in "abc" for name in "xyz"]
    groups = planning.in_order([(each,) for each in tests], lambda _: 1.0, 2)
    names = [each.nodeid for (each,) in groups]
    assert names[:2] == ["a.py::x", "b.py::x"]
    assert names[2:] == ["a.py::y", "a.py::z", "b.py::y", "b.py::z", "c.py::x", "c.py::y", "c.py::z"]
