"""What a test binary writes is read as the testing package means it, and shown as go test shows failures."""

from hypothesis import given
from hypothesis import strategies as st

from maelstrom_go_test.output import failure_text, parse, skip_reason, unmarked

V = "\x16"


def read(text):
    return parse(text.replace("^V", V).encode())


SUBTESTS = """\
setting up
^V=== RUN   TestSub
^V=== RUN   TestSub/one
    a_test.go:8: in one
printed by one
^V--- PASS: TestSub/one (0.00s)
^V=== NAME  TestSub
^V=== RUN   TestSub/two
    a_test.go:9: in two
no newline^V=== RUN   TestSub/two/deep
^V=== PAUSE TestSub/two/deep
^V=== NAME  TestSub/two
    a_test.go:9: failed two
^V=== CONT  TestSub/two/deep
    a_test.go:10: deep
^V--- FAIL: TestSub/two/deep (0.25s)
^V--- FAIL: TestSub/two (1.50s)
^V=== NAME  TestSub
    a_test.go:12: at last
^V--- FAIL: TestSub (1.75s)
^V=== NAME  \n^VFAIL
tearing down
"""


def test_results_times_and_output_belong_to_the_test_that_ran():
    report = read(SUBTESTS)
    assert [(node.name, node.result, node.seconds) for node in report.tests.values()] == [
        ("TestSub", "FAIL", 1.75),
        ("TestSub/one", "PASS", 0.0),
        ("TestSub/two", "FAIL", 1.5),
        ("TestSub/two/deep", "FAIL", 0.25),
    ]
    assert report.verdict == "FAIL"
    assert report.outside == "setting up\ntearing down\n"
    assert [node.name for node in report.tests["TestSub"].subtests()] == [
        "TestSub/one",
        "TestSub/two",
        "TestSub/two/deep",
    ]


def test_what_tests_have_written_is_shown_without_frames():
    assert unmarked(SUBTESTS.replace("^V", V)).splitlines() == [
        "setting up",
        "    a_test.go:8: in one",
        "printed by one",
        "    a_test.go:9: in two",
        "no newline    a_test.go:9: failed two",
        "    a_test.go:10: deep",
        "    a_test.go:12: at last",
        "tearing down",
    ]


def test_a_failure_is_shown_without_frames_and_without_what_passing_subtests_logged():
    assert failure_text(read(SUBTESTS).tests["TestSub"]) == (
        "    a_test.go:12: at last\n"
        "printed by one\n"
        "    --- FAIL: TestSub/two (1.50s)\n"
        "        a_test.go:9: in two\n"
        "no newline    a_test.go:9: failed two\n"
        "        --- FAIL: TestSub/two/deep (0.25s)\n"
        "            a_test.go:10: deep\n"
    )


def test_rg8_other_tests_before_and_after_are_not_shown():
    """Also what stands before the first RUN and after the last FAIL, as RG6 wants it."""
    report = read(
        "^V=== RUN   TestOther\nother\n^V--- PASS: TestOther (0.00s)\n"
        "^V=== RUN   TestMine\n--- FAIL: TestMine (0.00s)\nmine\n^V--- FAIL: TestMine (0.00s)\n"
        "^V=== RUN   TestLast\nlast\n^V--- PASS: TestLast (0.00s)\n^VFAIL\n"
    )
    assert failure_text(report.tests["TestMine"]) == "--- FAIL: TestMine (0.00s)\nmine\n"


def test_rg8_an_example_says_what_it_got_behind_its_result():
    report = read(
        "^V=== RUN   ExampleBad\n^V--- FAIL: ExampleBad (0.00s)\ngot:\nhi\nwant:\nho\n^V=== NAME   \n^VFAIL\n"
    )
    assert failure_text(report.tests["ExampleBad"]) == "got:\nhi\nwant:\nho\n"


def test_rg8_seeds_of_fuzzing_are_subtests():
    report = read(
        "^V=== RUN   FuzzBad\n^V=== RUN   FuzzBad/seed#0\n^V--- PASS: FuzzBad/seed#0 (0.00s)\n^V=== NAME  FuzzBad\n"
        "^V=== RUN   FuzzBad/seed#1\n    a_test.go:26: two\n^V--- FAIL: FuzzBad/seed#1 (0.00s)\n^V=== NAME  FuzzBad\n"
        "^V--- FAIL: FuzzBad (0.00s)\n^VFAIL\n"
    )
    assert failure_text(report.tests["FuzzBad"]) == "    --- FAIL: FuzzBad/seed#1 (0.00s)\n        a_test.go:26: two\n"


def test_what_a_test_prints_is_no_frame_without_the_mark():
    report = read("^V=== RUN   TestLiar\n--- PASS: TestLiar (0.00s)\nPASS\n")
    assert report.tests["TestLiar"].result == ""
    assert report.verdict == ""


def test_a_result_may_follow_a_line_without_an_end():
    node = read("^V=== RUN   TestA\nno end^V--- PASS: TestA (0.01s)\n").tests["TestA"]
    assert (node.result, node.text) == ("PASS", "no end")


def test_a_reason_is_what_was_logged_last():
    log = "^V=== RUN   TestA\n    a_test.go:4: first\n    a_test.go:5: no docker here,\n        none at all\n"
    assert skip_reason(read(log).tests["TestA"]) == "no docker here, none at all"
    assert skip_reason(read("^V=== RUN   TestA\n").tests["TestA"]) == ""
    assert skip_reason(read("^V=== RUN   TestA\n    no place\n").tests["TestA"]) == "no place"


@given(
    st.lists(st.sampled_from([V, "=== RUN   T", "=== NAME  ", "--- FAIL: T/a (0.00s)", "PASS", "\n", "/", " ", "\xff"]))
)
def test_any_output_is_read_and_nothing_of_it_gets_lost_but_frames(parts):
    text = "".join(parts)
    report = parse(text.encode())
    kept = report.outside + "".join(node.text for node in report.tests.values())
    lines = [
        line
        for line in text.replace(V, "\n").split("\n")
        if line.strip() and not line.strip().startswith(("=== ", "--- "))
    ]
    assert all(line in kept or line == "PASS" for line in lines)
