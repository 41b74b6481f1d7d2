"""A suite in which much happens that a report tells of, and its reports as values that can be compared."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

FILES = {
    "pytest.ini": "[pytest]\njunit_family = xunit1\njunit_logging = all\nmarkers =\n    slow: takes its time\n"
    "asyncio_default_fixture_loop_scope = function\n",
    "pkg/__init__.py": """
def add(a, b):
    if a > 100:
        return 0
    return a + b

def never():
    return 1
""",
    "pkg/unused.py": "def f():\n    return 1\n",
    "pkg/branches.py": """
def choose(number):
    answer = "no"
    if number:
        answer = "yes"
    return answer

def loop(count):
    for index in range(count):
        if index > 2:
            break
    return count
""",
    "test_outcomes.py": """
import logging
import warnings

import pytest

from pkg import add

def test_passes():
    print("printed")
    assert add(1, 2) == 3

def test_fails():
    print("printed")
    logging.getLogger().warning("logged")
    assert [1, 2] == [1, 3]

@pytest.mark.skip(reason="not today")
def test_skipped(): pass

def test_skips_itself(): pytest.skip("on second thoughts")

@pytest.mark.xfail(reason="known")
def test_xfails(): assert False

@pytest.mark.xfail
def test_xpasses(): pass

@pytest.mark.xfail(strict=True, reason="should fail")
def test_xpasses_strictly(): pass

@pytest.fixture
def broken(): raise RuntimeError("broken fixture")

def test_error_in_setup(broken): pass

@pytest.fixture
def leaky():
    yield
    raise RuntimeError("broken teardown")

def test_error_in_teardown(leaky): pass

def test_fails_twice(leaky): assert False

@pytest.mark.parametrize("text", ["a b", "x[y]", "ü", "a::b"])
def test_parameters(text): assert text

def test_warns():
    warnings.warn("careful", DeprecationWarning)
    warnings.warn("careful")

def test_properties(record_property):
    record_property("key", "value")
    record_property("number", 3)

def test_attributes(record_xml_attribute, record_testsuite_property):
    record_xml_attribute("assertions", "7")
    record_testsuite_property("architecture", "PDP-11")
""",
    "test_groups.py": """
import unittest

from pkg.branches import choose, loop

class TestGroup(unittest.TestCase):
    def test_one(self):
        self.assertEqual(choose(1), "yes")

    def test_parts(self):
        for index in range(3):
            with self.subTest(index=index):
                self.assertNotEqual(index, 1)

    @unittest.skip("why not")
    def test_skipped(self): pass

class TestPlain:
    def test_method(self):
        assert loop(0) == 0
""",
    "test_plugins.py": """
import asyncio
import random
import time

import pytest
from hypothesis import given, strategies

@pytest.mark.asyncio
async def test_asynchronous():
    await asyncio.sleep(0)

@given(strategies.integers())
def test_law(number):
    assert number + 0 == number

@given(strategies.integers())
def test_no_law(number):
    assert number < 100

@pytest.mark.timeout(0.2)
def test_times_out():
    time.sleep(60)

attempts = []

@pytest.mark.flaky(reruns=2)
def test_flaky():
    attempts.append(1)
    assert len(attempts) == 2

@pytest.mark.flaky(reruns=1)
def test_fails_again(): assert False

def test_random(record_property):
    record_property("drawn", random.random())
""",
    "conftest.py": """
import pytest

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and "parameters" in item.name:
        report.extras = [{"name": "Text", "format_type": "text", "content": item.name, "mime_type": "text/plain",
                          "extension": "txt"}]
""",
}
ARGUMENTS = (
    *("-p", "no:cacheprovider", "-p", "no:sugar", "-p", "no:randomly", "--tb=short"),
    *("--cov=pkg", "--cov-branch", "--cov-report=term", "--self-contained-html"),
)


def reports(name: str) -> tuple[str, ...]:
    """Return the options for reports of which the files are called so."""
    return f"--junitxml={name}.xml", f"--html={name}.html", f"--cov-report=json:{name}.json"


def junit(path: Path) -> Counter[str]:
    """Return what a JUnit report says, but for its times: the suite's own properties, and each test case."""
    suite = next(ET.parse(path).getroot().iter("testsuite"))
    found = Counter(_plain(element) for element in suite)
    found[str({name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")})] += 1
    return found


def drawn(path: Path) -> list[str | None]:
    """Return the random numbers that tests have drawn."""
    return [each.get("value") for each in ET.parse(path).getroot().iter("property") if each.get("name") == "drawn"]


def _plain(element: ET.Element) -> str:
    for each in element.iter():
        each.attrib.pop("time", None)
        if each.get("name", "").startswith("hypothesis-statistics"):  # how long things took
            each.attrib.pop("value")
        if each.get("name") == "drawn":  # by a seed of each run
            each.attrib.pop("value")
    for parent in list(element.iter("properties")):
        parent[:] = sorted(parent, key=lambda each: each.get("name", ""))
    # addresses of objects, and times that a test's own text has
    text = re.sub(r"0x[0-9a-f]+", "0x", ET.tostring(element, encoding="unicode"))
    text = text.replace("Out ---------------------------------\nu\n", "Out ---------------------------------\n\n")
    return re.sub(r"\d+\.\d+ ?m?s\b", "s", text)


def html_rows(path: Path) -> Counter[str]:
    """Return the rows of a report of pytest-html, but for their times."""
    blob = re.search(r'data-jsonblob="([^"]*)"', path.read_text())
    assert blob is not None
    tests = json.loads(html.unescape(blob[1]))["tests"]
    found: Counter[str] = Counter()
    for rows in tests.values():
        for row in rows:
            log = re.sub(r"0x[0-9a-f]+|\d+\.\d+ ?m?s\b", "", row["log"])
            if row["testId"].endswith("test_parts"):  # pytest's own letter for a part, as if the test had printed it
                log = ""
            found[str((row["testId"], row["result"], row["extras"], log))] += 1
    return found


def coverage(path: Path) -> dict[str, dict[str, object]]:
    """Return what a report of coverage has measured."""
    told = json.loads(path.read_text())
    return {"totals": told["totals"], "files": told["files"]}


def last_line(text: str) -> str:
    """Return the counts in pytest's last line."""
    return re.sub(r" in [\d.]+s.*", "", text.rstrip().rpartition("\n")[2]).strip("= ")
