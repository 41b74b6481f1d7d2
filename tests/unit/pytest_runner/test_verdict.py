"""What records and a job's outcome say about its tests."""

from __future__ import annotations

import pytest

from maelstrom_core.job import Cancelled, Effects, ExecutionError, Limited, Signaled, SystemFailure, TimedOut
from maelstrom_core.spec import Limits
from maelstrom_pytest.junit_cases import cases
from maelstrom_pytest.records import (
    CHANNEL_LOST_CODE,
    CollectError,
    Done,
    Ended,
    Finish,
    InternalError,
    Interrupted,
    Missing,
    SessionEnd,
    Start,
)
from maelstrom_pytest.verdict import judge_job, judge_reports
from maelstrom_test_runner.status import Status
from tests.unit.pytest_runner.builders import exited, good_end, phases, report, transcript, whole


@pytest.mark.parametrize(
    ("reports", "status"),
    [
        (phases("passed"), Status.PASSED),
        (phases("passed", "failed"), Status.FAILED),
        ([report("setup", "failed"), report("teardown")], Status.ERROR),
        (phases("passed", "passed", "failed"), Status.ERROR),
        (phases("passed", "failed", "failed"), Status.ERROR),
        ([report("setup", "skipped"), report("teardown")], Status.SKIPPED),
        (phases("passed", "skipped"), Status.SKIPPED),
        ([report("setup"), report("call", "skipped", wasxfail="bug"), report("teardown")], Status.XFAIL),
        ([report("setup", "skipped", wasxfail="bug"), report("teardown")], Status.XFAIL),
        ([report("setup"), report("call", wasxfail="bug"), report("teardown")], Status.XPASS),
        ([report("setup"), report("call", "skipped", wasxfail=""), report("teardown", "failed")], Status.ERROR),
        ([], Status.ERR),
    ],
)
def test_py5_the_worst_of_a_tests_reports_is_its_status(reports, status):
    assert judge_reports(reports) is status


def test_a_failing_subtest_fails_the_test():
    reports = [report("setup"), report("call", "failed", subtest=True), report("call"), report("teardown")]
    assert judge_reports(reports) is Status.FAILED


def test_a_skipped_subtest_does_not_skip_the_test():
    reports = [report("setup"), report("call", "skipped", subtest=True), report("call"), report("teardown")]
    assert judge_reports(reports) is Status.PASSED


def test_a_test_that_passes_when_rerun_has_passed():
    reports = [report("setup"), report("call", "rerun"), report("setup"), report("call"), report("teardown")]
    assert judge_reports(reports) is Status.PASSED


def test_a_passed_call_with_a_failed_teardown_counts_as_both_as_pytest_does():
    judged = judge_job(1, transcript(*whole(0, *phases("passed", "passed", "failed")), *good_end(1)), exited(1))
    assert judged.verdicts[0].counts == {"passed": 1, "error": 1}


def test_ap7_reports_decide_even_if_pytest_exits_with_1():
    judged = judge_job(1, transcript(*whole(), *good_end(1)), exited(1))
    assert judged.verdicts[0].status is Status.PASSED


def test_ap9_a_signal_is_named():
    ended = transcript(Start(0), report("setup"), Ended(None, 11, False))
    verdict = judge_job(1, ended, exited(139, b"Fatal Python error")).verdicts[0]
    assert verdict.status is Status.ERR
    assert "SIGSEGV (signal 11)" in verdict.detail
    assert verdict.stderr == b"Fatal Python error"
    assert not verdict.infrastructure
    assert len(verdict.reports) == 1


def test_a_test_that_exits_the_process_has_not_passed():
    verdict = judge_job(1, transcript(Start(0), Ended(0, None, False)), exited(0)).verdicts[0]
    assert verdict.detail == "the test's process ended with exit code 0 before pytest did"


def test_ap10_timeout_goes_to_the_test_that_was_running():
    judged = judge_job(3, transcript(*whole(0), Start(1)), TimedOut(Effects()))
    assert judged.verdicts[0].status is Status.PASSED
    assert judged.verdicts[1].status is Status.TIMEOUT
    assert judged.again == (2,)


def test_a_test_that_timed_out_took_what_its_job_took_beside_the_others():
    records = transcript(*whole(0, *phases("passed")), Start(1))
    judged = judge_job(2, records, TimedOut(Effects(duration=5.0)))
    assert judged.verdicts[1].status is Status.TIMEOUT
    assert judged.verdicts[1].duration == 5.0 - judged.verdicts[0].duration
    assert cases("test_a.py::test_b", judged.verdicts[1])[0].time == judged.verdicts[1].duration


def test_a_timeout_after_the_last_report_goes_to_the_last_test():
    judged = judge_job(2, transcript(*whole(0), *whole(1)), TimedOut(Effects()))
    assert [judged.verdicts[index].status for index in range(2)] == [Status.PASSED, Status.TIMEOUT]


def test_dying_after_pytest_had_ended_goes_to_the_last_test():
    records = [*whole(0), good_end()[0], Ended(None, 6, False)]
    assert judge_job(1, transcript(*records), exited(134)).verdicts[0].status is Status.ERR


@pytest.mark.parametrize(
    ("outcome", "hint"), [(ExecutionError("no such file", "mend it"), "mend it"), (SystemFailure("lost"), None)]
)
def test_ap11_a_fault_of_the_machinery_is_no_verdict_on_the_test(outcome, hint):
    judged = judge_job(2, transcript(), outcome)
    assert [verdict.infrastructure for verdict in judged.verdicts.values()] == [True, True]
    assert judged.verdicts[0].detail == outcome.message
    assert judged.verdicts[0].hint == hint


def test_a_cancelled_job_says_so():
    assert judge_job(1, transcript(), Cancelled()).verdicts[0].detail == "cancelled"


def test_garbage_costs_the_running_test_only():
    judged = judge_job(3, transcript(*whole(0), Start(1), garbage="a record of 0 bytes"), exited())
    assert judged.verdicts[0].status is Status.PASSED
    assert judged.verdicts[1].detail.startswith("the test wrote garbage into the result channel")
    assert judged.again == (2,)


def test_what_did_not_fit_the_result_channel_is_run_again():
    judged = judge_job(3, transcript(*whole(0), Start(1), garbage="more than was kept", cut=True), exited())
    assert set(judged.verdicts) == {0}
    assert judged.again == (1, 2)


def test_a_single_test_that_says_more_than_is_kept_is_not_run_for_ever():
    judged = judge_job(2, transcript(Start(0), garbage="more than was kept", cut=True), exited())
    assert judged.verdicts[0].status is Status.ERR
    assert "more than was kept" in judged.verdicts[0].detail
    assert judged.again == (1,)


def test_a_closed_channel_is_reported_as_that():
    judged = judge_job(1, transcript(Start(0), Ended(1, None, True)), exited(1))
    assert judged.verdicts[0].detail == "the test closed the result channel"


def test_a_crash_before_any_test_goes_to_all_of_them_and_nothing_is_tried_again():
    judged = judge_job(2, transcript(Ended(None, 11, False)), exited(139))
    assert set(judged.verdicts) == {0, 1}
    assert judged.again == ()


def test_a_killed_reaper_is_noticed():
    verdict = judge_job(1, transcript(Start(0)), Signaled(9, Effects())).verdicts[0]
    assert verdict.detail == "the job was killed by SIGKILL (signal 9)"


def test_an_internal_error_shows_pytests_text():
    judged = judge_job(1, transcript(Start(0), InternalError("boom"), *good_end(3)), exited(3))
    assert judged.verdicts[0].detail == "boom"


def test_a_test_that_stops_the_session_is_named_and_the_others_run_again():
    judged = judge_job(3, transcript(*whole(0), Start(1), Interrupted("Exit: enough"), *good_end(2)), exited(2))
    assert judged.verdicts[1].detail == "the test stopped the session: Exit: enough"
    assert judged.again == (2,)


def test_tests_not_collected_alone_are_tried_in_company_once():
    records = transcript(CollectError("b.py", "ImportError"), Missing((1,)), *whole(0), *good_end())
    assert judge_job(2, records, exited()).unpruned == (1,)
    verdict = judge_job(2, records, exited(), pruned=False).verdicts[1]
    assert (verdict.status, verdict.detail) == (Status.ERROR, "ImportError")


def test_a_test_that_vanished_without_an_error_is_named():
    judged = judge_job(1, transcript(Missing((0,)), *good_end(5)), exited(5), pruned=False)
    assert "not when it was to be run" in judged.verdicts[0].detail


def test_numbers_of_no_item_are_ignored():
    judged = judge_job(
        1, transcript(Start(-1), Start(7), Finish(9), Missing((5, -3)), *whole(0), *good_end()), exited()
    )
    assert list(judged.verdicts) == [0]
    assert judged.verdicts[0].status is Status.PASSED


def test_a_session_that_ends_early_without_a_word_is_run_on():
    judged = judge_job(2, transcript(*whole(0), *good_end()), exited())
    assert judged.again == (1,)


def test_duration_is_that_of_the_phases():
    reports = [report("setup", duration=1.0), report("call", duration=2.0), report("call", duration=9.0, subtest=True)]
    assert judge_job(1, transcript(*whole(0, *reports), *good_end()), exited()).verdicts[0].duration == pytest.approx(
        3.0
    )


# forks of a template: no reaper


def test_a_brief_record_is_three_reports_and_a_finish():
    verdict = judge_job(1, transcript(Done(0, (1.0, 2.0, 3.0)), SessionEnd(0, 0)), exited(), direct=True).verdicts[0]
    assert verdict.status is Status.PASSED
    assert verdict.duration == pytest.approx(6.0)
    assert verdict.counts == {"passed": 1}
    assert [each.when for each in verdict.reports] == ["setup", "call", "teardown"]


def test_a_brief_record_of_no_item_is_ignored():
    judged = judge_job(1, transcript(Done(5, (0, 0, 0)), Done(-1, (0, 0, 0)), *whole(), SessionEnd(0, 0)), exited())
    assert list(judged.verdicts) == [0]


def test_a_fork_that_dies_alone_is_blamed_without_having_said_that_it_began():
    verdict = judge_job(1, transcript(), Signaled(9, Effects()), direct=True).verdicts[0]
    assert verdict.detail == "the test's process was killed by SIGKILL (signal 9)"
    verdict = judge_job(1, transcript(), exited(0), direct=True).verdicts[0]
    assert verdict.detail == "the test's process ended with exit code 0 before pytest did"


def test_a_fork_killed_after_its_last_record_did_not_end_well():
    records = transcript(Done(0, (0, 0, 0)), SessionEnd(0, 0))
    assert judge_job(1, records, Signaled(6, Effects()), direct=True).verdicts[0].status is Status.ERR


def test_a_test_that_was_out_of_memory_is_told_so():
    effects = Effects(limited=Limited(Limits(memory=200 << 20), out_of_memory=True))
    verdict = judge_job(1, transcript(Start(0)), Signaled(9, effects)).verdicts[0]
    assert verdict.detail == "the test's process was killed: it used more than its 200 MiB of memory"


def test_a_fork_cannot_say_itself_how_it_ended():
    judged = judge_job(1, transcript(Done(0, (0, 0, 0)), Ended(0, None, False)), Signaled(11, Effects()), direct=True)
    assert "SIGSEGV" in judged.verdicts[0].detail


def test_what_a_fork_could_not_tell_is_run_again_cold():
    judged = judge_job(3, transcript(Start(0), Done(0, (0, 0, 0)), Start(1)), exited(CHANNEL_LOST_CODE), direct=True)
    assert list(judged.verdicts) == [0]
    assert (judged.cold, judged.again) == ((1, 2), ())


def test_the_exit_code_of_a_lost_channel_means_nothing_where_all_was_told():
    records = transcript(Done(0, (0, 0, 0)), SessionEnd(0, 0))
    judged = judge_job(1, records, exited(CHANNEL_LOST_CODE), direct=True)
    assert judged.verdicts[0].status is Status.PASSED
    assert judged.cold == ()


def test_a_fork_that_runs_out_of_time_says_no_more_than_that():
    judged = judge_job(1, transcript(), TimedOut(Effects()), direct=True)
    assert judged.verdicts[0].status is Status.TIMEOUT


@pytest.mark.parametrize(
    "outcome",
    [exited(), exited(1), exited(CHANNEL_LOST_CODE), Signaled(9, Effects()), TimedOut(Effects()), Cancelled()],
)
@pytest.mark.parametrize("garbage", [None, "an unfinished record"])
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("number", [0, 1])
def test_the_short_way_for_tests_that_passed_leads_where_the_long_one_does(outcome, garbage, cut, number):
    done, end = Done(number, (1.0, 2.0, 3.0)), SessionEnd(0, 0)
    short = judge_job(1, transcript(done, end, garbage=garbage, cut=cut), outcome, direct=True)
    long = judge_job(1, transcript(Start(-1), done, end, garbage=garbage, cut=cut), outcome, direct=True)
    assert short == long
