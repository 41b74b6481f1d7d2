"""maelstrom-go-test as a user runs it: a workspace with all kinds of tests, and packages that cannot be built."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.go import GO, go_variables, needs_go
from tests.support.programs import GO_TEST, Done, Programs, write_project

pytestmark = needs_go

KINDS = """
package kinds

import (
	_ "embed"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
)

//go:embed testdata/text.txt
var embedded string

var prepared bool

func TestMain(m *testing.M) {
	fmt.Println("setting up")
	prepared = true
	os.Exit(m.Run())
}

func TestPasses(t *testing.T) {
	text, err := os.ReadFile("testdata/text.txt")
	if err != nil || string(text) != embedded || !prepared {
		t.Fatal(string(text), err)
	}
}

func TestListens(t *testing.T) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if connection, err := listener.Accept(); err == nil {
			connection.Close()
		}
	}()
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.ReadAll(connection)
}

func TestFails(t *testing.T) {
	t.Run("well", func(t *testing.T) { t.Log("all is well") })
	t.Run("badly", func(t *testing.T) { t.Error("this is bad") })
}

func TestSkips(t *testing.T) { t.Skip("no database") }
func TestPanics(t *testing.T) { panic("oh no") }
func TestExits(t *testing.T) { os.Exit(0) }
func TestVanishes(t *testing.T) { os.Exit(7) }

func TestMoves(t *testing.T) {
	if _, err := os.Stat("left"); err == nil || os.Chdir("/") != nil {
		t.Fatal("moved already")
	}
}

func TestWrites(t *testing.T) {
	if err := os.WriteFile("left", nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func ExamplePasses() {
	fmt.Println("hi")
	// Output: hi
}

func Example_fails() {
	fmt.Println("hi")
	// Output: ho
}

func FuzzSeeds(f *testing.F) {
	f.Add(1)
	f.Fuzz(func(t *testing.T, number int) {
		if number == 2 {
			t.Error("it is two")
		}
	})
}

func BenchmarkNothing(b *testing.B) {
	for i := 0; i < b.N; i++ {
	}
}
"""
WORKSPACE = {
    "go.work": "go 1.21\n\nuse (\n\t./one\n\t./two\n)\n",
    "one/go.mod": "module example.com/one\n\ngo 1.21\n",
    "one/kinds/kinds.go": "package kinds\n\nfunc Passes() {}\n",
    "one/kinds/kinds_test.go": KINDS,
    "one/kinds/testdata/text.txt": "text\n",
    "one/kinds/testdata/fuzz/FuzzSeeds/two": "go test fuzz v1\nint(2)\n",
    "one/broken/broken_test.go": 'package broken\n\nimport "testing"\n\nfunc TestX(t *testing.T) { missing() }\n',
    "one/vetted/vetted_test.go": (
        'package vetted\n\nimport (\n\t"fmt"\n\t"testing"\n)\n\nfunc TestX(t *testing.T) { fmt.Printf("%d", "text") }\n'
    ),
    "two/go.mod": "module example.com/two\n\ngo 1.21\n",
    "two/kinds/a.go": (
        "package kinds\n\nfunc Sign(number int) int {\n\tif number < 0 {\n\t\treturn -1\n\t}\n\treturn 1\n}\n\n"
        "func Unused() int { return 3 }\n"
    ),
    "two/untested/b.go": "package untested\n\nfunc B() int { return 1 }\n",
    "two/kinds/a_test.go": (
        'package kinds\n\nimport "testing"\n\nfunc TestMinus(t *testing.T) { Sign(-1) }\n\n'
        "func TestPlus(t *testing.T) { Sign(1) }\n"
    ),
    "two/kinds/tagged_test.go": (
        '//go:build special\n\npackage kinds\n\nimport "testing"\n\n'
        'func TestTagged(t *testing.T) {\n\tif !testing.Short() {\n\t\tt.Error("long")\n\t}\n}\n'
    ),
}


class Ran(NamedTuple):
    """A run of the whole workspace."""

    done: Done
    finished: Mapping[str, Mapping[str, object]]
    """The events of its tests, by name."""


def go_test(programs: Programs, *arguments: str, cwd: Path) -> Done:
    own = ("--cache-root", str(programs.cache))
    return programs.run(GO_TEST, *own, *arguments, cwd=cwd, env=go_variables())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("go"), WORKSPACE)


@pytest.fixture(scope="module")
def ran(programs: Programs, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    report = tmp_path_factory.mktemp("report") / "events.jsonl"
    done = go_test(programs, "--report", str(report), cwd=workspace)
    events = [json.loads(line) for line in report.read_text().splitlines()]
    return Ran(done, {event["test"]["name"]: event for event in events if event["event"] == "finished"})


def test_rg6_all_kinds_of_tests_run_with_the_verdicts_of_go_test(ran: Ran):
    kinds = {
        "TestPasses": "OK",
        "TestListens": "OK",
        "TestFails": "FAIL",
        "TestSkips": "IGNORED",
        "TestPanics": "FAIL",
        "TestExits": "FAIL",
        "TestVanishes": "FAIL",
        "TestMoves": "OK",
        "TestWrites": "OK",
        "ExamplePasses": "OK",
        "Example_fails": "FAIL",
        "FuzzSeeds": "FAIL",
    }
    wanted = {f"example.com/one/kinds {name}": status for name, status in kinds.items()}
    wanted |= {"example.com/two/kinds TestMinus": "OK", "example.com/two/kinds TestPlus": "OK"}
    ran.done.check(1)
    assert {name: event["status"] for name, event in ran.finished.items()} == wanted


def test_rg6_a_failure_shows_what_the_test_itself_has_said(ran: Ran):
    def shown(name: str) -> str:
        texts = ran.finished[f"example.com/one/kinds {name}"]["texts"]
        assert isinstance(texts, list)
        return "".join(texts)

    assert shown("TestFails").startswith("    --- FAIL: TestFails/badly (0.00s)\n        kinds_test.go:")
    assert shown("TestFails").endswith(": this is bad\n")
    assert shown("Example_fails") == "got:\nhi\nwant:\nho\n"
    assert "FAIL: FuzzSeeds/two" in shown("FuzzSeeds")
    assert "panic: oh no" in shown("TestPanics")
    assert "unexpected call to os.Exit(0)" in shown("TestExits")
    assert ran.finished["example.com/one/kinds TestVanishes"]["detail"] == (
        "its process ended with exit code 7 before it was over"
    )
    assert not any("setting up" in shown(name) for name in ("TestFails", "TestPanics", "Example_fails", "FuzzSeeds"))


def test_packages_that_cannot_be_built_say_why_as_go_test_does(ran: Ran):
    assert (
        "broken/broken_test.go:5:28: undefined: missing\nFAIL\texample.com/one/broken [build failed]\n" in ran.done.out
    )
    assert ": fmt.Printf format %d has arg " in ran.done.out
    assert "FAIL\texample.com/one/vetted [build failed]\n" in ran.done.out


def test_a_test_leaves_nothing_behind(ran: Ran, workspace: Path):
    ran.done.check(1)
    assert sorted(path.name for path in (workspace / "one" / "kinds").iterdir()) == [
        "kinds.go",
        "kinds_test.go",
        "testdata",
    ]


def test_selection_tags_and_flags_are_those_of_go_test(programs: Programs, workspace: Path):
    two = workspace / "two"
    done = go_test(programs, "-tags", "special", "-short", "-run=Tagged|Minus", "-count=2", "./...", cwd=two).check(0)
    assert done.out.count("example.com/two/kinds TestTagged") == 2
    assert "Successful Tests: 4" in done.out
    assert go_test(programs, "--list", "-x", "name.ends_with(Plus)", cwd=two).check(0).out == (
        "example.com/two/kinds TestMinus\n"
    )


def test_a_profile_of_coverage_is_that_of_go_test(programs: Programs, workspace: Path, tmp_path: Path):
    assert GO is not None
    ours, native = tmp_path / "ours", tmp_path / "native"
    two = workspace / "two"
    for mode, more, own in (("set", (), "test"), ("count", (), "package"), ("set", ("-coverpkg=./...",), "test")):
        options = (f"-covermode={mode}", *more, "./...")
        done = go_test(programs, f"--isolation={own}", *options, f"-coverprofile={ours}", cwd=two).check(0)
        environment = programs.environment(go_variables())
        subprocess.run([GO, "test", *options, f"-coverprofile={native}"], cwd=two, env=environment, check=True)
        assert sorted(ours.read_text().splitlines()) == sorted(native.read_text().splitlines())
        assert f"example.com/two/kinds: coverage: {'60.0' if more else '75.0'}% of statements" in done.out
        assert "example.com/two/untested: coverage: 0.0% of statements" in done.out


def test_a_test_whose_time_is_up_says_where_it_is(programs: Programs, project: Path):
    slow = 'package slow\n\nimport "testing"\n\nfunc TestSlow(t *testing.T) { select {} }\n'
    write_project(project, {"go.mod": "module example.com/slow\n\ngo 1.21\n", "slow_test.go": slow})
    slow = slow.replace("select {}", "for { time.Sleep(time.Hour) }").replace('"testing"', '"testing"\nimport "time"')
    (project / "slow_test.go").write_text(slow)
    done = go_test(programs, "--timeout", "0.5", cwd=project).check(1)
    assert "example.com/slow TestSlow: timeout" in done.out
    assert "example.com/slow.TestSlow(" in done.out
    done = go_test(programs, "-timeout=500ms", cwd=project).check(1)
    assert "test timed out after 500ms" in done.out
    assert "example.com/slow TestSlow: timeout" in done.out


LOUD = """package loud

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

func loud() {
	for i := 0; i < 2000; i++ {
		fmt.Println("a line of some length")
	}
}

func TestPasses(t *testing.T) { loud() }
func TestLeaves(t *testing.T) { loud(); syscall.Exit(0) }
func TestSaysWhich(t *testing.T) { fmt.Fprintln(os.Stdout, "so it is") }
"""


def test_of_a_test_that_prints_more_than_is_kept_its_own_result_counts(programs: Programs, project: Path):
    write_project(project, {"go.mod": "module example.com/loud\n\ngo 1.21\n", "loud_test.go": LOUD})
    done = go_test(programs, "--output-limit", "1000", cwd=project).check(1)
    assert "Successful Tests: 2" in done.out
    assert "example.com/loud TestLeaves: did not end" in done.out
    done = go_test(programs, "--show-output", "-run", "TestSaysWhich", cwd=project).check(0)
    assert "so it is\n" in done.out
    assert "\x16" not in done.out
    assert "===" not in done.out.partition("Test Summary")[0].rstrip("= \n")


def test_outside_of_a_module_and_without_go_the_message_says_so(programs: Programs, project: Path):
    done = go_test(programs, cwd=project).check(2)
    assert f"failed to find packages below {project}: " in done.single_message
    assert "does not contain" in done.err
    assert "go.mod" in done.err
    environment = {**go_variables(), "PATH": "/nowhere"}
    done = programs.run(GO_TEST, cwd=project, env=environment).check(2)
    assert done.single_message.startswith("maelstrom-go-test: failed to find `go`")
