"""JUnit reports are what Jenkins reads: valid by the schema of its xUnit plugin, which pytest's sources carry."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import xmlschema

from tests.support.programs import PYTEST, Programs, write_project

DOWNLOAD_TIME = 200
"""Seconds after which an index counts as one that cannot be reached."""
SCHEMA = "junit-10.xsd"

TESTS = """
import pytest

def test_passes(record_property):
    record_property("key", "value")

def test_fails():
    print("\\x1b[31mred\\x1b[0m")
    assert "<&>\\x00" == "\\ud800"

def test_dies():
    import os
    os._exit(3)

@pytest.mark.skip(reason="not today")
def test_skipped(): pass

@pytest.mark.xfail(reason="known")
def test_xfails(): assert False

@pytest.mark.xfail(strict=True)
def test_xpasses(): pass

@pytest.fixture
def broken(): raise RuntimeError("broken fixture")
def test_setup_fails(broken): pass

@pytest.fixture
def breaking():
    yield
    raise RuntimeError("breaking fixture")
def test_fails_twice(breaking): assert False

@pytest.mark.parametrize("text", ["<tag attribute='1'>", "\\u00e4", "a\\nb"])
def test_names(text): pass
"""


@pytest.fixture
def schema(tmp_path: Path) -> xmlschema.XMLSchema:
    """Return the schema; skip the test where pip cannot download the sources of pytest."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "1"]
    command += ["--no-deps", "--no-binary", "pytest", "--dest", str(tmp_path), f"pytest=={pytest.__version__}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIME, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"pip downloaded nothing for {DOWNLOAD_TIME} seconds")
    if done.returncode:
        pytest.skip(f"pip cannot download the sources of pytest here: {done.stderr.strip().rpartition(chr(10))[2]}")
    with tarfile.open(next(tmp_path.glob("pytest-*.tar.gz"))) as archive:
        names = [name for name in archive.getnames() if name.endswith(f"/{SCHEMA}")]
        if not names:
            pytest.skip(f"the sources of pytest {pytest.__version__} have no {SCHEMA}")
        member = archive.extractfile(names[0])
        assert member is not None
        return xmlschema.XMLSchema(member.read().decode())


@pytest.mark.timeout(600)  # of which most is for pip
def test_reports_are_valid(programs: Programs, project: Path, schema: xmlschema.XMLSchema):
    write_project(project, {"test_all.py": TESTS, "test_module.py": "import pytest\npytest.skip('all', True)\n"})
    programs.run(PYTEST, "--retries", "1", "--junit-xml", "junit.xml", cwd=project).check(1)
    root = ET.parse(project / "junit.xml").getroot()
    tags = {element.tag for element in root.iter()}
    assert {"failure", "error", "skipped", "rerunFailure", "rerunError", "properties"} <= tags
    # the schema knows properties of a suite only; that test cases have some is pytest's own idea, which others read
    for case in root.iter("testcase"):
        for properties in case.findall("properties"):
            case.remove(properties)
    schema.validate(ET.tostring(root, encoding="unicode"))
