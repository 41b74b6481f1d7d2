"""Several tests of a binary in one process: libtest's log decides, and silence is never a success."""

from __future__ import annotations

import pytest

from cargo_maelstrom.company import company_arguments, failure_texts, judge_company
from maelstrom_core.job import Effects, Exited, Output, Signaled, TimedOut
from maelstrom_test_runner.status import Status

NAMES = ["a", "m::b", "m::c"]
SECTIONS = """
running 3 tests
test a ... FAILED

failures:

---- a stdout ----
one

failures:
    no

thread 'a' panicked at src/lib.rs:3:5:
not two

---- m::c stdout ----
note: test did not panic as expected

failures:
    a
    m::c

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s

"""


def judge(log: str, code: int = 0, *, stdout: str = "", lost: int = 0):
    effects = Effects(Output(stdout.encode()), result=Output(log.encode(), lost), duration=0.6)
    return judge_company(NAMES, Exited(code, effects), "/w")


def statuses(verdicts):
    return [None if verdict is None else verdict.status for verdict in verdicts]


def test_a_binary_is_told_names_threads_and_where_to_log():
    told = company_arguments(["a", "b"], threads=1, flags=("--include-ignored",))
    assert told == ("--exact", "a", "b", "--test-threads=1", "--logfile=/proc/self/fd/3", "--include-ignored")


def test_each_test_has_its_result_and_its_share_of_the_time():
    verdicts = judge("ok a\nignored: later m::b\nok m::c\n")
    assert statuses(verdicts) == [Status.PASSED, Status.SKIPPED, Status.PASSED]
    assert [verdict.seconds for verdict in verdicts] == pytest.approx([0.2, 0.0, 0.2])
    assert [verdict.counts for verdict in verdicts] == [{"passed": 1}, {"ignored": 1}, {"passed": 1}]


def test_failures_have_their_own_words():
    log = 'failed a\nok m::b\nfailed: panic did not contain expected string\n expected substring: "x" m::c\n'
    verdicts = judge(log, 101, stdout=SECTIONS)
    assert statuses(verdicts) == [Status.FAILED, Status.PASSED, Status.FAILED]
    assert verdicts[0].text.startswith("one\n\nfailures:\n    no\n\nthread 'a'")
    assert (verdicts[0].message, verdicts[0].file, verdicts[0].line) == ("not two", "/w/src/lib.rs", 3)
    assert verdicts[2].text == "note: test did not panic as expected\n"


@pytest.mark.parametrize(
    ("log", "code"),
    [
        ("", 0),
        ("ok a\nok m::b\n", 0),  # the third has ended the process
        ("ok a\nok m::b\n", 101),
        ("ok a\nok m::b\nok m::c\n", 101),
        ("ok a\nok m::b\nok m::c\n", 7),
        ("ok a\nok m::b\nfailed m::c\n", 0),
        ("ok a\nok m::b\nok other\n", 0),
    ],
)
def test_where_log_and_exit_code_do_not_agree_nothing_is_known(log, code):
    assert judge(log, code) == [None, None, None]


def test_what_is_printed_is_no_result():
    assert judge("ok a\nok m::b\n", stdout="ok m::c\ntest m::c ... ok\n") == [None, None, None]


def test_of_a_process_that_was_killed_or_whose_log_was_cut_nothing_is_known():
    effects = Effects(result=Output(b"ok a\nok m::b\nok m::c\n"))
    assert judge_company(NAMES, Signaled(9, effects), "/w") == [None, None, None]
    assert judge_company(NAMES, TimedOut(effects), "/w") == [None, None, None]
    assert judge("ok a\nok m::b\nok m::c\n", lost=1) == [None, None, None]


def test_texts_of_failures_without_any():
    assert failure_texts("running 0 tests\n") == {}
