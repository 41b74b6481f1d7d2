"""The output of a test as the events of go test -json, and a whole run of them."""

import io
import json

from maelstrom_go_test.json_display import GoJson
from maelstrom_go_test.json_events import converted
from maelstrom_test_runner.events import Begun, Collected, CollectionError, Ended, Finished, Note, Started, Test
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.stream import replay

V = "\x16"
OUTPUT = (
    f"setting up\n{V}=== RUN   TestA\n    a_test.go:3: hi\nno end{V}=== RUN   TestA/x\n{V}=== PAUSE TestA/x\n"
    f"{V}=== NAME  TestA\n{V}=== CONT  TestA/x\n    a_test.go:4: bad\n{V}--- FAIL: TestA/x (0.25s)\n"
    f"{V}=== NAME  TestA\n{V}=== ATTR  TestA key some value\n"
    f"{V}--- FAIL: TestA (0.50s)\nlate\n{V}=== NAME  \n{V}FAIL\ncoverage: 1.0% of statements\n"
)


def test_output_belongs_to_the_test_that_wrote_it():
    found = [(each["Action"], each.get("Test", ""), each.get("Output", "")) for each in converted("TestA", OUTPUT)]
    assert found == [
        ("output", "", "setting up\n"),
        ("output", "TestA", "=== RUN   TestA\n"),
        ("output", "TestA", "    a_test.go:3: hi\n"),
        ("output", "TestA", "no end"),
        ("run", "TestA/x", ""),
        ("output", "TestA/x", "=== RUN   TestA/x\n"),
        ("output", "TestA/x", "=== PAUSE TestA/x\n"),
        ("pause", "TestA/x", ""),
        ("cont", "TestA/x", ""),
        ("output", "TestA/x", "=== CONT  TestA/x\n"),
        ("output", "TestA/x", "    a_test.go:4: bad\n"),
        ("output", "TestA/x", "--- FAIL: TestA/x (0.25s)\n"),
        ("fail", "TestA/x", ""),
        ("attr", "TestA", ""),
        ("output", "TestA", "=== ATTR  TestA key some value\n"),
        ("output", "TestA", "--- FAIL: TestA (0.50s)\n"),
        ("output", "TestA", "late\n"),
    ]


def test_a_run_has_its_packages_and_each_of_their_tests_once():
    out, words = io.StringIO(), io.StringIO()
    one, two = Test("m/a TestA"), Test("m/a TestB")
    begun = Begun(
        at=0,
        runner="r",
        native="go test",
        version="1",
        directory="/",
        slots=1,
        time="2026-01-02T03:04:05+00:00",
        host="h",
    )
    told = [
        begun,
        CollectionError(at=1, name="m/b", text="# m/b [m/b.test]\nb.go:1:1: no\nFAIL\tm/b [build failed]\n"),
        Collected(at=1, tests=2, suites={"m/a": 2}),
        Note(at=1, text="by the way"),
        Started(at=1, tests=(one,)),
        Finished(at=2, test=one, status=Status.FAILED, seconds=0.5, output=OUTPUT),
        Finished(at=2, test=two, status=Status.SKIPPED, reason="not here"),
        Ended(at=3, code=1),
    ]
    replay(told, [GoJson(out, words)])
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert words.getvalue() == "by the way\n"
    short = [(each["Action"], each.get("Package", each.get("ImportPath")), each.get("Test")) for each in events]
    assert [each for each in short if each[0] != "output"] == [
        ("build-output", "m/b [m/b.test]", None),
        ("build-output", "m/b [m/b.test]", None),
        ("build-fail", "m/b [m/b.test]", None),
        ("start", "m/b", None),
        ("fail", "m/b", None),
        ("start", "m/a", None),
        ("run", "m/a", "TestA"),
        ("run", "m/a", "TestA/x"),
        ("pause", "m/a", "TestA/x"),
        ("cont", "m/a", "TestA/x"),
        ("fail", "m/a", "TestA/x"),
        ("attr", "m/a", "TestA"),
        ("fail", "m/a", "TestA"),
        ("run", "m/a", "TestB"),
        ("skip", "m/a", "TestB"),
        ("fail", "m/a", None),
    ]
    assert [each["Output"] for each in events if "Output" in each][-2:] == ["FAIL\n", "FAIL\tm/a\t1.000s\n"]
