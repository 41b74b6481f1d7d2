"""maelstrom-go-test beside go test: its events, reports, kept results; and what becomes of it when it is stopped."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.go import GO, go_variables, needs_go
from tests.support.images import Image, tar, write_layout
from tests.support.interrupting import interrupt
from tests.support.programs import (
    GO_TEST,
    PATIENCE,
    Done,
    Programs,
    alive,
    descendants,
    eventually,
    sleepers,
    write_project,
)

pytestmark = needs_go

WAYS = """package ways

import (
	"fmt"
	"os"
	"testing"
)

func TestReads(t *testing.T) {
	text, err := os.ReadFile("testdata/text.txt")
	if err != nil || string(text) == "bad" {
		t.Fatal(string(text), err)
	}
	fmt.Println("read it")
}

func TestParts(t *testing.T) {
	t.Run("good", func(t *testing.T) { t.Log("all is well") })
	t.Run("bad", func(t *testing.T) { t.Parallel(); t.Log("almost"); t.Error("this is bad") })
	t.Run("later", func(t *testing.T) { t.Skip("not now") })
}

func TestSkips(t *testing.T) { t.Skip("no database") }

func Example_hello() {
	fmt.Println("hi")
	// Output: ho
}
"""
MODULE = {
    "go.mod": "module example.com/ways\n\ngo 1.21\n",
    "ways_test.go": WAYS,
    "testdata/text.txt": "text\n",
    "broken/broken_test.go": 'package broken\n\nimport "testing"\n\nfunc TestX(t *testing.T) { missing() }\n',
}
SECONDS = re.compile(r"\d+\.\d+s")


def go_test(programs: Programs, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
    own = ("--cache-root", str(programs.cache))
    return programs.run(GO_TEST, *own, *arguments, cwd=cwd, env={**go_variables(), **(env or {})})


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("ways"), MODULE)


def told(lines: Iterable[str]) -> tuple[Counter[tuple[str, str, str]], dict[str, str]]:
    """Return how often each thing has happened, and what each test has written, without times."""
    events = [json.loads(line) for line in lines]
    happened = Counter(
        (e["Action"], e.get("Package", ""), e.get("Test", "")) for e in events if e["Action"] != "output"
    )
    output: dict[str, str] = {}
    for event in events:
        if event["Action"] == "output" and "Test" in event:
            name = f"{event['Package']} {event['Test']}"
            output[name] = output.get(name, "") + SECONDS.sub("0.00s", event["Output"])
    return happened, output


def test_the_events_are_those_of_go_test(programs: Programs, module: Path):
    assert GO is not None
    environment = programs.environment(go_variables())
    command = [GO, "test", "-count=1", "-json", "./..."]
    native = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
    done = go_test(programs, "-json", "./...", cwd=module).check(1)
    happened, output = told(native.stdout.splitlines())
    ours, our_output = told(done.out.splitlines())
    if any(action == "build-fail" for action, _, _ in happened):  # go 1.24
        assert ours == happened
    assert our_output == output


def test_subtests_are_cases_of_reports(programs: Programs, module: Path, tmp_path: Path):
    junit, report = tmp_path / "junit.xml", tmp_path / "events.jsonl"
    done = go_test(programs, "--junit-xml", str(junit), "--report", str(report), ".", cwd=module).check(1)
    assert "Successful Tests: 1\nFailed Tests    : 2" in done.out
    cases = {
        case.attrib["name"]: [(mark.tag, mark.attrib["message"]) for mark in case]
        for case in ET.parse(junit).iter("testcase")
    }
    assert cases == {
        "TestReads": [],
        "TestParts": [("failure", "ways_test.go:19: this is bad")],
        "TestParts/good": [],
        "TestParts/bad": [("failure", "ways_test.go:19: this is bad")],
        "TestParts/later": [("skipped", "not now")],
        "TestSkips": [("skipped", "no database")],
        "Example_hello": [("failure", "got:\nhi\nwant:\nho")],
    }
    (parts,) = [
        event["subtests"]
        for event in map(json.loads, report.read_text().splitlines())
        if event["event"] == "finished" and event["test"]["name"].endswith("TestParts")
    ]
    assert [(part["name"], part["status"]) for part in parts] == [
        ("TestParts/good", "OK"),
        ("TestParts/bad", "FAIL"),
        ("TestParts/later", "IGNORED"),
    ]
    again = go_test(programs, "-run", "TestParts/good", ".", cwd=module).check(0)
    assert "TestParts" in again.out
    listed = go_test(programs, "--last-failed", "--list", ".", cwd=module).check(0)
    assert listed.out == "example.com/ways TestParts\nexample.com/ways Example_hello\n"


def test_what_has_passed_is_not_run_again_until_something_changes(programs: Programs, module: Path, tmp_path: Path):
    def cached(*arguments: str, code: int = 1) -> list[str]:
        done = go_test(programs, "--cache", *arguments, ".", cwd=module).check(code)
        return re.findall(r"^\S+ (\w+)\.+OK +\(cached\)$", done.out, re.MULTILINE)

    assert cached() == []
    junit = tmp_path / "junit.xml"
    assert cached("--junit-xml", str(junit)) == ["TestReads"]
    assert [
        case.attrib["name"] for case in ET.parse(junit).iter("testcase") if case.find("properties") is not None
    ] == ["TestReads"]
    assert cached("-count=1") == []
    assert cached("-short") == []
    (module / "testdata/text.txt").write_text("bad")
    assert cached() == []
    (module / "testdata/text.txt").write_text("text\n")


SLOW_COMPILER = """#!/bin/sh
case "$*" in *-V=full*) ;; *compile*) sleep 55555 ;; esac
exec "$@"
"""
SLEEPS = """package sleeps

import (
	"os/exec"
	"testing"
)

func TestQuick(t *testing.T) {}

func TestSleeps(t *testing.T) { exec.Command("sleep", "54321").Run() }
"""


@pytest.fixture
def sleeping(project: Path) -> Path:
    write_project(project, {"go.mod": "module example.com/sleeps\n\ngo 1.21\n", "sleeps_test.go": SLEEPS})
    compiler = project.parent / "slow"
    compiler.write_text(SLOW_COMPILER)
    compiler.chmod(0o755)
    return project


@pytest.mark.parametrize("moment", ["building", "running"])
def test_ctrl_c_ends_all_of_it_with_a_summary(programs: Programs, sleeping: Path, moment: str):
    seconds = "55555" if moment == "building" else "54321"
    slow = (f"-toolexec={sleeping.parent}/slow",) if moment == "building" else ()
    words = ("--cache-root", str(programs.cache), "--ui", "simple", "--slots", "1", *slow)
    # of a test that has just ended one may not know yet when the next one sleeps
    shown = "OK" if moment == "running" else ""
    screen = interrupt(programs, GO_TEST, *words, sleeper=seconds, shown=shown, cwd=sleeping, env=go_variables())
    if moment == "running":
        assert "    example.com/sleeps TestSleeps: was running" in screen
        assert "Successful Tests: 1" in screen


def test_kill_9_ends_the_compilers(programs: Programs, sleeping: Path):
    words = ("--cache-root", str(programs.cache), f"-toolexec={sleeping.parent}/slow")
    with programs.start(GO_TEST, *words, cwd=sleeping, env=go_variables()) as process:
        assert eventually(lambda: sleepers(process.pid, "55555"))
        below = descendants(process.pid)
        process.kill()
        process.communicate(timeout=PATIENCE)
    assert eventually(lambda: not any(alive(pid) for pid in below), 20)


INSIDE = """package inside

import (
	"os"
	"testing"
)

func TestInside(t *testing.T) {
	text, err := os.ReadFile("/etc/about")
	if err != nil || string(text) != "of the image" || os.Getenv("COLOUR") != "green" {
		t.Fatal(string(text), err, os.Getenv("COLOUR"))
	}
	if _, err := os.Stat("/usr/bin/env"); err == nil {
		t.Fatal("this is the machine")
	}
	if _, err := os.Stat("inside_test.go"); err != nil {
		t.Fatal(err)
	}
}
"""


def test_tests_run_in_an_image(programs: Programs, project: Path):
    files = {
        "go.mod": "module example.com/inside\n\ngo 1.21\n",
        "inside_test.go": INSIDE,
        "maelstrom-go-test.toml": '[[directives]]\nimage = "oci:image"\n',
    }
    write_project(project, files)
    image = Image(layers=(tar({"etc/": None, "etc/about": "of the image"}),), config={"Env": ["COLOUR=green"]})
    write_layout(project / "image", {"": image})
    done = go_test(programs, cwd=project, env={"CGO_ENABLED": "0"}).check(0)
    assert "Successful Tests: 1" in done.out
