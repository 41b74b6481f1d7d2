"""Which tests run, and how often: filters, what failed last, shards, retries, repetitions; through the program."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.e2e.test_pytest import SELECTABLE, names, verdicts
from tests.support.programs import PATIENCE, PYTEST, RUN, Done, Programs, write_project

MARKED = {
    "pytest.ini": "[pytest]\nmarkers =\n    slow\n    db\n",
    "test_one.py": "import pytest\n\ndef test_a(): pass\n\n@pytest.mark.slow\ndef test_b(): pass\n",
    "sub/test_two.py": """
import pytest
pytestmark = pytest.mark.db

@pytest.mark.slow
class TestGroup:
    def test_c(self): pass
    @pytest.mark.parametrize("text", ["x", "(y]"])
    def test_d(self, text): pass
""",
}
ALL = {"test_a", "test_b", "test_c", "test_d[x]", "test_d[(y]]"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-i", "markers.contains(slow)"], ALL - {"test_a"}),
        (["-i", "m.c(slow) && m.c(db)"], {"test_c", "test_d[x]", "test_d[(y]]"}),
        (["-x", "m.c(db)"], {"test_a", "test_b"}),
        (["-i", "name.eq(test_a)", "-i", "name.ends_with(test_c)"], {"test_a", "test_c"}),
        (["--include", "name.equals<TestGroup.test_d[(y]]>"], {"test_d[(y]]"}),
        (["--include", "package.equals(sub)", "--exclude", "name.matches/\\[/"], {"test_c"}),
        (["-i", "file.globs(*two.py)", "-k", "test_c or test_a"], {"test_c"}),
        (["-i", "node_id.starts_with(test_one.py::)", "test_one.py::test_a", "sub"], {"test_a"}),
    ],
)
def test_ap18_filters_choose_from_what_pytest_selects(
    programs: Programs, project: Path, options: list[str], expected: set[str]
):
    write_project(project, MARKED)
    done = programs.run(PYTEST, *options, cwd=project).check(0)
    assert names(done) == expected
    listed = programs.run(PYTEST, "--list", *options, cwd=project).check(0).out.splitlines()
    assert {name.rpartition("::")[2] for name in listed} == expected


def test_deselected_tests_are_counted_as_pytest_counts_them(programs: Programs, project: Path):
    write_project(project, MARKED)
    done = programs.run(PYTEST, "-m", "not slow", "-x", "none", "-i", "all", cwd=project).check(0)
    assert "as pytest counts: 1 passed, 4 deselected" in done.out
    done = programs.run(PYTEST, "-m", "slow", "-x", "m.c(db)", cwd=project).check(0)
    assert "as pytest counts: 1 passed, 4 deselected" in done.out
    assert "5 deselected" in programs.run(PYTEST, "-i", "none", cwd=project).check(5).out


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (["-i", "nmae.equals(x)"], ["--include: unknown selector `nmae`", "    nmae.equals(x)", "    ^^^^", "`name`?"]),
        (["-x", "name.equals(x"], ["--exclude: there is no `)`", "    name.equals(x", "               ^"]),
        (["-i", "name.matches(*)"], ["--include: this is no regular expression", "    name.matches(*)"]),
        (["--shard", "4/3"], ["--shard: `4/3` is no shard", "hint: "]),
        (["--retries", "-1"], ["--retries", "too small"]),
    ],
)
def test_bad_input_is_one_message(programs: Programs, project: Path, options: list[str], lines: list[str]):
    write_project(project, SELECTABLE)
    done = programs.run(PYTEST, *options, cwd=project).check(2)
    assert done.err.startswith("maelstrom-pytest: ")
    assert done.out == ""
    for line in lines:
        assert line in done.err
    assert len(done.err.splitlines()) <= 4


SOME_FAIL = {
    "test_it.py": "import os\n"
    "def test_good(): pass\n"
    "def test_bad(): assert os.path.exists('mended')\n"
    "def test_worse(): assert os.path.exists('mended')\n"
}


def test_last_failed(programs: Programs, project: Path):
    write_project(project, SOME_FAIL)
    first = programs.run(PYTEST, "--last-failed", cwd=project).check(1)
    assert "none of these tests failed when it ran last, so all of them run" in first.out
    assert len(names(first)) == 3
    second = programs.run(PYTEST, "--last-failed", cwd=project).check(1)
    assert names(second) == {"test_bad", "test_worse"}
    assert "2 failed, 1 deselected" in second.out
    (project / "mended").touch()
    assert names(programs.run(PYTEST, "--lf", "-x", "name.eq(test_worse)", cwd=project).check(0)) == {"test_bad"}
    assert names(programs.run(PYTEST, "--lf", cwd=project).check(0)) == {"test_worse"}
    assert len(names(programs.run(PYTEST, "--lf", cwd=project).check(0))) == 3


def shard_of(done: Done) -> tuple[set[str], str]:
    (fingerprint,) = re.findall(r"all shards say (\w+)", done.out)
    return names(done), fingerprint


def test_shards_hold_every_test_once_whether_durations_are_known_or_not(programs: Programs, project: Path):
    files = {f"test_{name}.py": "def test_x(): pass\ndef test_y(): pass\n".replace("_", f"_{name}") for name in "abc"}
    write_project(project, files)
    for _known in (False, True):
        shards = [shard_of(programs.run(PYTEST, "--shard", f"{n}/3", cwd=project).check(0)) for n in (1, 2, 3)]
        assert sum(len(found) for found, _ in shards) == 6
        assert len(set.union(*(found for found, _ in shards))) == 6
        assert len({fingerprint for _, fingerprint in shards}) == 1
        programs.run(PYTEST, cwd=project).check(0)
    empty = [programs.run(PYTEST, "-k", "ax", "--shard", f"{n}/2", cwd=project).check(0) for n in (1, 2)]
    assert sorted(len(names(done)) for done in empty) == [0, 1]


FLAKY = """
import os, pathlib

def test_flaky():
    counter = pathlib.Path(os.environ["COUNTER"])
    with counter.open("a") as file:
        file.write("x")
    print("attempt", counter.stat().st_size)
    assert counter.stat().st_size >= 3, "too early"

def test_bad(): assert 0, "always"
def test_good(): pass
"""


@pytest.mark.parametrize("options", [(), ("--isolation", "module"), ("--isolation", "auto")])
def test_retries_tell_flaky_tests_from_bad_ones(programs: Programs, project: Path, options: tuple[str, ...]):
    memory = project.parent / "memory"
    memory.mkdir()
    mount = f'[[directives]]\nadded_mounts = [{{ type = "bind", mount_point = "/memory", local_path = "{memory}" }}]\n'
    write_project(project, {"test_it.py": FLAKY, "maelstrom-pytest.toml": mount})
    env = {"COUNTER": "/memory/count"}
    reports = ("--junit-xml", "r.xml", "--report", "r.json")
    done = programs.run(PYTEST, "--retries", "3", *reports, *options, cwd=project, env=env).check(1)
    assert {name.rpartition("::")[2]: word for name, word in verdicts(done).items()} == {
        "test_flaky": "FLAKY",
        "test_bad": "FAIL",
        "test_good": "OK",
    }
    assert "of them FLAKY   : 1\n    test_it.py::test_flaky: flaky\n" in done.out
    assert "as pytest counts: 1 failed, 2 passed" in done.out
    lines = [json.loads(line) for line in (project / "r.json").read_text().splitlines()]
    outcomes = {
        line["test"]["name"].rpartition("::")[2]: (line["status"], len(line.get("attempts", [])))
        for line in lines
        if line["event"] == "finished"
    }
    assert outcomes["test_bad"] == ("FAIL", 3)
    assert outcomes["test_good"] == ("OK", 0)
    assert outcomes["test_flaky"][0] == "FLAKY"
    cases = {case.get("name"): case for case in ET.parse(project / "r.xml").iter("testcase")}
    assert {mark.tag for mark in cases["test_flaky"]} == {"flakyFailure"}
    assert "too early" in (cases["test_flaky"][0].findtext("stackTrace") or "")
    assert [mark.tag for mark in cases["test_bad"]] == ["failure", *["rerunFailure"] * 3]


def test_flaky_tests_fail_the_run_only_if_asked_to(programs: Programs, project: Path):
    memory = project.parent / "memory"
    mount = f'[[directives]]\nadded_mounts = [{{ type = "bind", mount_point = "/memory", local_path = "{memory}" }}]\n'
    write_project(project, {"test_it.py": FLAKY, "maelstrom-pytest.toml": mount + "[[directives]]\nslots = 1\n"})
    for options, code in (((), 0), (("--fail-flaky",), 1)):
        memory.mkdir(exist_ok=True)
        (memory / "count").unlink(missing_ok=True)
        words = ("--retries", "3", "-k", "flaky", *options)
        done = programs.run(PYTEST, *words, cwd=project, env={"COUNTER": "/memory/count"}).check(code)
        assert list(verdicts(done).values()) == ["FLAKY"]


def test_repeat(programs: Programs, project: Path):
    write_project(project, {"test_it.py": "def test_a(): pass\ndef test_b(): pass\n"})
    done = programs.run(PYTEST, "--repeat", "3", "--isolation", "session", cwd=project).check(0)
    assert [done.out.count(f"test_it.py::test_{name}.") for name in "ab"] == [3, 3]
    assert "as pytest counts: 6 passed" in done.out


def test_dry_run_prints_jobs_that_maelstrom_run_runs(programs: Programs, project: Path):
    text = '[[directives]]\nfilter = "name.eq(test_b)"\nadded_environment = { SET = "yes" }\ntimeout = 30\n'
    suite = "import os\ndef test_a(): assert os.environ['CALLER'] == 'a$b'\ndef test_b(): assert os.environ['SET']\n"
    more = "def test_c(): assert 0\n"
    write_project(project, {"test_it.py": suite + more, "maelstrom-pytest.toml": text})
    env = {"CALLER": "a$b", "SECRET": "unseen"}
    done = programs.run(PYTEST, "--dry-run", "-x", "na.eq(test_c)", cwd=project, env=env).check(0)
    objects = [json.loads(line) for line in done.out.splitlines()]
    assert ["containers" in each for each in objects] == [True, False, True, False]
    assert [each.get("timeout") for each in objects] == [None, None, None, 30.0]
    assert "unseen" not in done.out
    ran = programs.run(RUN, "--cache-root", str(programs.cache), cwd=project, stdin=done.out.encode(), env=env)
    assert ran.check(0).out.count("1 passed") == 2
    done = programs.run(PYTEST, "--dry-run", "-i", "na.eq(test_c)", cwd=project, env=env).check(0)
    ran = programs.run(RUN, cwd=project, stdin=done.out.encode(), env=env)
    assert "1 failed" in ran.check(1).out


def test_tests_that_take_long_are_named(programs: Programs, project: Path):
    # it ends when it has been named, so whatever is slow here cannot make it fail
    suite = "import os, time\ndef test_long():\n    while not os.path.exists('/memory/named'): time.sleep(0.01)\n"
    memory = project.parent / "memory"
    memory.mkdir()
    mount = f'[[directives]]\nadded_mounts = [{{ type = "bind", mount_point = "/memory", local_path = "{memory}" }}]\n'
    write_project(project, {"test_it.py": suite, "maelstrom-pytest.toml": mount})
    with programs.start(PYTEST, "--slow-after", "0.1", cwd=project) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        (memory / "named").touch()
        rest, _err = process.communicate(timeout=PATIENCE)
    assert re.fullmatch(r"note: test_it.py::test_long has been running for 0\.\d+ s\n", line)
    assert b"1 passed" in rest
