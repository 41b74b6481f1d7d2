"""maelstrom-go-test: tests of a package that share a process get the verdicts that they get alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.go import go_variables, needs_go
from tests.support.programs import GO_TEST, Done, Programs, write_project

pytestmark = needs_go

FEW = """package few

import (
	"fmt"
	"testing"
)

func Sign(number int) int {
	if number < 0 {
		return -1
	}
	return 1
}

var count int

func TestLeaks(t *testing.T) {
	count++
	if count != 1 {
		t.Fatal("not the first")
	}
}

func TestIsLeakedTo(t *testing.T) { TestLeaks(t) }
func TestParallel(t *testing.T)   { t.Parallel(); Sign(1) }
func TestSkips(t *testing.T)      { t.Skip("later") }

func TestParts(t *testing.T) {
	fmt.Println("--- FAIL: TestParallel (0.00s)")
	t.Run("good", func(t *testing.T) {})
	t.Run("bad", func(t *testing.T) { t.Error("this is bad") })
}

func ExampleSign() {
	fmt.Println(Sign(-1))
	// Output: -1
}
"""
DIES = """package dies

import (
	"os"
	"testing"
)

func TestFirst(t *testing.T) {}
func TestExits(t *testing.T) { os.Exit(3) }
func TestLast(t *testing.T)  {}
"""
MODULE = {
    "go.mod": "module example.com/m\n\ngo 1.21\n",
    "few/few.go": FEW.partition("var count")[0].replace('import (\n\t"fmt"\n\t"testing"\n)\n', ""),
    "few/few_test.go": FEW.partition("func Sign")[0] + "var count" + FEW.partition("var count")[2],
    "dies/dies_test.go": DIES,
}
VERDICTS = {
    "few TestLeaks": "OK",
    "few TestIsLeakedTo": "OK",
    "few TestParallel": "OK",
    "few TestSkips": "IGNORED",
    "few TestParts": "FAIL",
    "few ExampleSign": "OK",
    "dies TestFirst": "OK",
    "dies TestExits": "FAIL",
    "dies TestLast": "OK",
}


class Ran(NamedTuple):
    """A run: what it printed, its verdicts, and how many tests each of its jobs had."""

    done: Done
    verdicts: dict[str, str]
    jobs: list[int]


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("company"), MODULE)


def run(programs: Programs, module: Path, *arguments: str) -> Ran:
    report = module.parent / "report.jsonl"
    own = ("--cache-root", str(module.parent / "cache"), "--report", str(report))
    done = programs.run(GO_TEST, *own, *arguments, cwd=module, env=go_variables())
    events = [json.loads(line) for line in report.read_text().splitlines()]
    verdicts = {
        event["test"]["name"].removeprefix("example.com/m/"): event["status"]
        for event in events
        if event["event"] == "finished"
    }
    return Ran(done, verdicts, sorted(len(event["tests"]) for event in events if event["event"] == "started"))


def test_company_changes_no_verdict(programs: Programs, module: Path):
    ran = run(programs, module, "--isolation=auto")
    assert ran.verdicts == VERDICTS
    assert ran.jobs == [1, 1, 1, 1, 1, 3, 6]  # two that failed, and all that died together
    assert "TestIsLeakedTo failed after 1 other tests in its process and passed alone" in ran.done.out
    ran = run(programs, module, "--isolation=package", "-run=Leak|Parts/bad", "./few")
    assert ran.verdicts == {"few TestLeaks": "OK", "few TestIsLeakedTo": "FAIL", "few TestParts": "FAIL"}
    assert ran.jobs == [1, 2]  # what failed the last time is alone


def test_where_each_is_looked_at_it_is_alone(programs: Programs, module: Path):
    assert set(run(programs, module, "--isolation=package", "--cache", "./dies").jobs) == {1}
