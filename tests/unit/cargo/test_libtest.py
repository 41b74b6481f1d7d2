"""Verdicts of libtest, and what is shown of a test."""

from __future__ import annotations

import pytest

from cargo_maelstrom.libtest import NOT_THERE, judge_program, judge_test, own_output, parse_listing, parse_reasons
from maelstrom_core.job import Effects, Exited, Output, Signaled, TimedOut
from maelstrom_test_runner.status import Status

RESULT = "\ntest result: {}. {} passed; {} failed; {} ignored; 0 measured; 7 filtered out; finished in 0.00s\n\n"
PASSED = RESULT.format("ok", 1, 0, 0)
FAILED = "\nfailures:\n\nfailures:\n    a::b\n" + RESULT.format("FAILED", 0, 1, 0)
PANIC = "\nthread 'a::b' (7) panicked at src/lib.rs:12:5:\nassertion failed: false\nnote: run with `RUST_BACKTRACE=1`\n"


def exited(code: int, stdout: str, stderr: str = "", *, lost: int = 0) -> Exited:
    return Exited(code, Effects(Output(stdout.encode(), lost), Output(stderr.encode()), duration=0.5))


def judge(outcome):
    return judge_test("a::b", outcome, "/w")


def test_a_listing_has_tests_and_benchmarks():
    listed = parse_listing("from a constructor\na::b: test\nc: benchmark\nd: something\n\n2 tests, 1 benchmarks\n")
    assert [(each.name, each.benchmark) for each in listed] == [("a::b", False), ("c", True)]


def test_reasons_of_what_is_ignored():
    text = "test a ... ignored, too slow\ntest b - should panic ... ignored, no, really\ntest c ... ignored\n"
    assert parse_reasons(text) == {"a": "too slow", "b": "no, really"}


def test_a_test_that_passes():
    verdict = judge(exited(0, "\nrunning 1 test\nhi\ntest a::b ... ok\n" + PASSED))
    assert (verdict.status, verdict.counts, verdict.seconds, verdict.text) == (Status.PASSED, {"passed": 1}, 0.5, "")


def test_rg3_a_failure_shows_what_the_test_said_and_nothing_of_the_frame():
    verdict = judge(exited(101, "\nrunning 1 test\nout\ntest a::b ... FAILED\n" + FAILED, PANIC))
    assert verdict.status is Status.FAILED
    assert verdict.text.splitlines()[:2] == ["out", "stderr: thread 'a::b' (7) panicked at src/lib.rs:12:5:"]
    assert "running" not in verdict.text
    assert "failures" not in verdict.text
    assert (verdict.message, verdict.file, verdict.line) == ("assertion failed: false", "/w/src/lib.rs", 12)


def test_panics_of_older_compilers():
    verdict = judge(exited(101, FAILED, "thread 'a::b' panicked at 'no luck', src/lib.rs:3:5\n"))
    assert (verdict.message, verdict.file, verdict.line) == ("no luck", "/w/src/lib.rs", 3)


@pytest.mark.parametrize(
    ("outcome", "status", "detail"),
    [
        (exited(0, ""), Status.ERR, "exit code 0 before libtest"),
        (exited(0, "\nrunning 1 test\nall fine\n"), Status.ERR, "exit code 0 before libtest"),
        (exited(7, "\nrunning 1 test\n"), Status.FAILED, "exit code 7 before libtest"),
        (exited(0, RESULT.format("ok", 0, 0, 0)), Status.ERR, NOT_THERE),
        (Signaled(6, Effects()), Status.FAILED, "killed by SIGABRT (signal 6)"),
        (TimedOut(Effects()), Status.TIMEOUT, "timed out"),
    ],
)
def test_silence_is_no_success(outcome, status, detail):
    verdict = judge(outcome)
    assert verdict.status is status
    assert detail in verdict.detail


def test_what_was_printed_does_not_count_as_a_result():
    verdict = judge(
        exited(101, "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n" + FAILED)
    )
    assert verdict.status is Status.FAILED


def test_the_last_line_of_another_program_is_no_success():
    verdict = judge(exited(0, "\nrunning 1 test\n\nrunning 1 test\ntest other ... ok\n" + PASSED))
    assert (verdict.status, "exit code 0 before libtest" in verdict.detail) == (Status.ERR, True)


def test_the_line_of_a_success_may_follow_what_has_no_end():
    for line in (
        "no end test a::b ... ok\n",
        "test a::b - should panic ... ok\n",
        "test a::b    ... bench: 1 ns/iter\n",
    ):
        assert judge(exited(0, f"\nrunning 1 test\n{line}{PASSED}")).status is Status.PASSED


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        ("", "was killed by SIGSEGV (signal 11), or ended itself by abort()"),
        (
            "\nthread 'x' has overflowed its stack\nfatal runtime error: stack overflow, aborting\n",
            "(SIGABRT, signal 6)",
        ),
        ("thread caused non-unwinding panic. aborting.\n", "(SIGABRT, signal 6)"),
        ("memory allocation of 9223372036854775807 bytes failed\n", "(SIGABRT, signal 6)"),
        ("x: x.c:3: main: Assertion `0' failed.\n", "(SIGABRT, signal 6)"),
        ("free(): invalid pointer\n", "(SIGABRT, signal 6)"),
        ("aborting is not what I want\n", "or ended itself by abort()"),
    ],
)
def test_abort_looks_like_a_fault_unless_something_is_said(stderr, said):
    assert judge(Signaled(11, Effects(stderr=Output(stderr.encode())))).detail.endswith(said)


def test_where_the_last_line_is_not_kept_nothing_is_known():
    cut = judge(exited(0, "\nrunning 1 test\nx\n", lost=5))
    assert (cut.status, cut.unheard) == (Status.ERR, True)
    printed = "x\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out"
    assert judge(exited(0, printed, lost=5)).unheard
    assert not judge(exited(101, "\nrunning 1 test\nx\n", lost=5)).unheard
    assert "5 more bytes" in judge(exited(101, "\nrunning 1 test\nx\n", lost=5)).text


def test_a_test_that_turns_out_to_be_ignored():
    assert judge(exited(0, "test a::b ... ignored\n" + RESULT.format("ok", 0, 0, 1))).status is Status.SKIPPED


@pytest.mark.parametrize(
    ("stdout", "shown"),
    [
        ("\nrunning 1 test\ntest a::b - should panic ... FAILED\n\nfailures:\n", ""),
        ("\nrunning 1 test\nx\n\ny\ntest a::b ... FAILED\n", "x\n\ny"),
        ("\nrunning 1 test\ntest a::b ... x\ny\nFAILED\n\nfailures:\n\n", "x\ny"),
        ("\nrunning 1 test\ntest a::b ... half a line", "half a line"),
        ("\nrunning 1 test\ntest other ... ok\ntest a::b ... FAILED\n", "test other ... ok"),
        ("before main\n\nrunning 1 test\ntest a::b ... FAILED\n", "before main\n\nrunning 1 test"),
        (
            "\nrunning 1 test\ntest a::b ... FAILED\n\nfailures:\n\n---- a::b stdout ----\nnote: did not panic\n\n",
            "note: did not panic",
        ),
    ],
)
def test_rg3_the_frame_is_taken_away(stdout, shown):
    assert own_output("a::b", stdout) == shown


def test_the_exit_code_decides_about_programs_without_libtest():
    assert judge_program(exited(0, "")).status is Status.PASSED
    assert judge_program(exited(3, "out", "err")).text == "out\nstderr: err\n"
    assert judge_program(Signaled(9, Effects())).detail.endswith("SIGKILL (signal 9)")


def test_examples_of_documentation_are_counted_together():
    several = RESULT.format("ok", 2, 0, 1) + RESULT.format("ok", 3, 0, 0)
    assert judge_program(exited(0, several), libtest=True).counts == {"passed": 5, "ignored": 1}
    assert judge_program(exited(0, RESULT.format("ok", 0, 0, 0)), libtest=True).status is Status.SKIPPED
