"""Where an item begins, and which marks it has, is told as pytest tells it, whatever kind of item it is."""

from __future__ import annotations

import json
import subprocess
import sys

from maelstrom_pytest.guest_files import SOURCE
from tests.integration.pytest_guest.harness import environment, make

COMPARE = """
import json, sys
sys.path.insert(0, sys.argv.pop(1))
import pytest
from reports import describe_item

class Compare:
    def pytest_collection_modifyitems(self, items):
        items[-1].add_marker("late")
        items[-1].parent.add_marker("later")
        told = [describe_item(item, 0) for item in items]
        print(json.dumps([[item.name, each["line"], item.location[1]] for item, each in zip(items, told)]))
        marks = [sorted({mark.name for mark in item.iter_markers()}) for item in items]
        print(json.dumps([[item.nodeid, each["markers"], those] for item, each, those in zip(items, told, marks)]))

pytest.main(["-qq", "-p", "no:cacheprovider", "--collect-only", "--doctest-modules"], plugins=[Compare()])
"""

TESTS = '''
"""
>>> 1
1
"""
import functools
import unittest
import pytest

def wrapping(function):
    @functools.wraps(function)
    def inner(*arguments):
        return function(*arguments)
    return inner

def test_plain():
    pass

@pytest.mark.skip
@pytest.mark.parametrize("number", [1, 2])
def test_marked(number):
    pass

@wrapping
def test_wrapped():
    pass

def standing_for():
    pass

def test_stands_for_another():
    pass

test_stands_for_another.place_as = standing_for
test_partial = functools.partial(standing_for)

@pytest.mark.filterwarnings("error")
class TestClass:
    def test_method(self):
        pass

    @staticmethod
    def test_static():
        pass

    @classmethod
    def test_of_class(cls):
        pass

class TestInherited(TestClass):
    pass

class Case(unittest.TestCase):
    def test_case(self):
        pass
'''


def test_lines_are_those_of_pytest(tmp_path):
    project = make(tmp_path, test_a_py=TESTS)
    command = [sys.executable, "-c", COMPARE, str(SOURCE)]
    done = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[0])
    assert {name for name, _, _ in found} >= {"test_plain", "test_marked[2]", "test_wrapped", "test_case", "test_a"}
    assert [(name, line) for name, line, _ in found] == [(name, line) for name, _, line in found]
    marked = {nodeid: told for nodeid, told, _ in json.loads(done.stdout.splitlines()[1])}
    assert marked == {nodeid: marks for nodeid, _, marks in json.loads(done.stdout.splitlines()[1])}
    assert marked["test_a.py::TestInherited::test_static"] == ["filterwarnings"]
    assert marked["test_a.py::test_marked[1]"] == ["parametrize", "skip"]
    assert marked["test_a.py::Case::test_case"] == ["late", "later"]
