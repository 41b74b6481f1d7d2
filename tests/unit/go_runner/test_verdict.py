"""What outcomes mean: the testing package decides, and silence is no success."""

import pytest

from maelstrom_core.job import Effects, Exited, Output, Signaled, TimedOut
from maelstrom_go_test.verdict import judge, judge_shared
from maelstrom_test_runner.status import Status

V = "\x16"
PASSED = f"{V}=== RUN   TestA\n{V}--- PASS: TestA (0.00s)\n{V}=== NAME  \n{V}PASS\n"
SKIPPED = f"{V}=== RUN   TestA\n    a_test.go:5: not today\n{V}--- SKIP: TestA (0.00s)\n{V}=== NAME  \n{V}PASS\n"
FAILED = (
    f"before\n{V}=== RUN   TestA\n    a_test.go:5: bad\n{V}--- FAIL: TestA (0.00s)\n{V}=== NAME  \n{V}FAIL\nafter\n"
)
CUT = f"{V}=== RUN   TestA\n"
ALARM = "panic: test timed out after 1s\n\trunning tests:\n\t\tTestA (1s)\n"


def effects(stdout, stderr="", lost=0):
    return Effects(stdout=Output(stdout.encode(), lost), stderr=Output(stderr.encode()), duration=0.5)


def exited(stdout, code=0, **others):
    return Exited(code, effects(stdout, **others))


@pytest.mark.parametrize(
    ("outcome", "status", "detail"),
    [
        (exited(PASSED), Status.PASSED, ""),
        (exited(PASSED, 1), Status.FAILED, "its process ended with exit code 1, though it has passed"),
        (exited(SKIPPED), Status.SKIPPED, ""),
        (exited(FAILED, 1), Status.FAILED, ""),
        (exited(FAILED, 0), Status.FAILED, ""),
        (exited(""), Status.ERR, "its process ended with exit code 0, and has not run it"),
        (
            exited("testing: warning: no tests to run\nPASS\n"),
            Status.ERR,
            "its process ended with exit code 0, and has not run it",
        ),
        (exited("", 3), Status.FAILED, "its process ended with exit code 3, and has not run it"),
        (exited(CUT), Status.ERR, "its process ended with exit code 0 before it was over"),
        (exited(CUT, 3), Status.FAILED, "its process ended with exit code 3 before it was over"),
        (exited(CUT, lost=100), Status.ERR, "its process ended with exit code 0 before it was over"),
        (exited(CUT, 2, stderr=ALARM), Status.TIMEOUT, "test timed out after 1s"),
        (Signaled(9, effects(CUT)), Status.FAILED, "its process was killed by SIGKILL"),
        (TimedOut(effects(CUT)), Status.TIMEOUT, "its time was up"),
    ],
)
def test_a_status_and_why(outcome, status, detail):
    verdict = judge("TestA", outcome)
    assert (verdict.status, verdict.detail, verdict.seconds) == (status, detail, 0.5)


def test_rg7_only_the_test_s_own_result_says_that_it_was_skipped():
    """Not that of another test, nor words without the mark, nor nothing, nor a failure."""
    other = SKIPPED.replace("TestA", "TestB")
    plain = SKIPPED.replace(V, "")
    assert judge("TestA", exited(SKIPPED)).reason == "not today"
    for text in (other, plain, "", FAILED):
        assert judge("TestA", exited(text)).status is not Status.SKIPPED


def test_rg6_a_failure_shows_what_the_test_itself_has_said():
    verdict = judge("TestA", exited(FAILED, 1, stderr="to stderr\n"), directory="/m/p")
    assert verdict.text == "    a_test.go:5: bad\nstderr: to stderr\n"
    assert verdict.message == "a_test.go:5: bad"
    assert (verdict.file, verdict.line) == ("/m/p/a_test.go", 5)


def test_a_process_that_died_shows_all_that_it_has_said():
    assert judge("TestA", exited("set-up failed\n", 1)).text == "set-up failed\n"
    panic = judge("TestA", exited(CUT, 2, stderr="panic: oh\n\ngoroutine 1\n"))
    assert panic.text == "stderr: panic: oh\nstderr:\nstderr: goroutine 1\n"
    assert panic.message == "panic: oh"


def test_of_a_test_whose_result_was_cut_off_nothing_is_known():
    assert judge("TestA", exited(CUT, lost=100)).unheard
    assert not any(
        judge("TestA", each).unheard for each in (exited(CUT), exited(CUT, 3, lost=100), exited(PASSED, lost=1))
    )


def test_output_that_was_cut_says_so():
    assert judge("TestA", exited(FAILED, 1, lost=7)).text.endswith("7 bytes more were lost (see --output-limit)\n")


def test_a_benchmark_shows_its_figures():
    text = f"goos: linux\n{V}=== RUN   BenchmarkX\nBenchmarkX\nBenchmarkX-2   \t1000\t  3.001 ns/op\n"
    text += f"{V}=== NAME  \n{V}PASS\n"
    verdict = judge("BenchmarkX", exited(text))
    assert (verdict.status, verdict.text) == (Status.PASSED, "BenchmarkX-2   \t1000\t  3.001 ns/op\n")
    assert judge("BenchmarkX", exited(f"{V}PASS\n")).status is Status.ERR
    text = (
        f"{V}=== RUN   BenchmarkX\n{V}=== RUN   BenchmarkX/y\nBenchmarkX/y\nBenchmarkX/y-2  \t10\t 3.1 ns/op\n{V}PASS\n"
    )
    assert judge("BenchmarkX", exited(text)).text == "BenchmarkX/y-2  \t10\t 3.1 ns/op\n"


COMPANY = (
    f"{V}=== RUN   TestA\n{V}=== PAUSE TestA\n{V}=== RUN   TestB\n    a_test.go:9: bad\n{V}--- FAIL: TestB (0.10s)\n"
    f"{V}=== CONT  TestA\n{V}--- PASS: TestA (0.20s)\n{V}=== NAME  \n{V}FAIL\n"
)


def test_each_of_a_company_has_its_own_result_and_its_share_of_the_time():
    first, second = judge_shared(["TestA", "TestB"], exited(COMPANY, 1, stderr="x\n"), directory="/m")
    assert (first.status, first.text, round(first.seconds, 3)) == (Status.PASSED, "", 0.3)
    assert (second.status, second.message, round(second.seconds, 3)) == (Status.FAILED, "a_test.go:9: bad", 0.2)
    assert second.text == "    a_test.go:9: bad\nstderr: x\n"


@pytest.mark.parametrize(
    "outcome",
    [
        exited(COMPANY),
        exited(COMPANY, 2),
        exited(COMPANY, 1, lost=1),
        exited(COMPANY.replace(f"{V}FAIL", "FAIL"), 1),
        exited(COMPANY.replace(f"{V}FAIL", f"{V}PASS"), 1),
        exited(COMPANY.replace(f"{V}--- PASS: TestA", "--- PASS: TestA"), 1),
        Signaled(9, effects(COMPANY)),
        TimedOut(effects(COMPANY)),
    ],
)
def test_where_not_all_is_as_it_should_be_nothing_is_known_of_a_company(outcome):
    assert judge_shared(["TestA", "TestB"], outcome) == [None, None]


def test_what_passes_is_shown_on_request():
    text = f"{V}=== RUN   TestA\nhi\n{V}=== RUN   TestA/b\nho\n{V}--- PASS: TestA/b (0.00s)\n"
    text += f"{V}--- PASS: TestA (0.00s)\n{V}PASS\n"
    assert judge("TestA", exited(text)).text == ""
    assert judge("TestA", exited(text), verbose=True).text == "hi\n    --- PASS: TestA/b (0.00s)\nho\n"
