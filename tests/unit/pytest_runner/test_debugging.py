"""Which of two runs of a test counts, and whose turn it is."""

from __future__ import annotations

import pytest

from maelstrom_core.spec import ContainerSpec
from maelstrom_pytest.debugging import Turns, after_debugging, asked, has_quit, is_wanted
from maelstrom_pytest.plan import LONGEST_ARGUMENT, terminal_job
from maelstrom_pytest.records import Asked, Interrupted, Transcript
from maelstrom_pytest.rules import Site
from maelstrom_pytest.verdict import Verdict
from maelstrom_pytest.works import Flight, Work
from maelstrom_test_runner.status import Status
from tests.unit.pytest_runner.builders import item, plan

FAILED, PASSED, ERR = (Verdict(status) for status in (Status.FAILED, Status.PASSED, Status.ERR))
FAULT = Verdict(Status.ERR, infrastructure=True)
NOTHING = Transcript(())


def work(*, stopped: bool = False) -> Work:
    site = Site(plan(), ContainerSpec())
    return Work((item("a.py::t"),), site, debugged=ERR if stopped else FAILED, asked=stopped)


@pytest.mark.parametrize(
    ("stopped", "again", "left", "status"),
    [
        (False, FAILED, False, Status.FAILED),
        (False, PASSED, False, Status.FLAKY),
        (False, PASSED, True, Status.FAILED),
        (False, None, False, Status.FAILED),
        (False, FAULT, False, Status.FAILED),
        (True, PASSED, False, Status.PASSED),
        (True, FAILED, False, Status.FAILED),
        (True, FAILED, True, Status.ERR),
    ],
)
def test_the_second_run_counts_where_the_first_had_no_verdict(stopped, again, left, status):
    assert after_debugging(work(stopped=stopped), again, left=left).status is status


def test_a_test_that_was_left_at_its_breakpoint_is_told_so():
    assert "left at its breakpoint" in after_debugging(work(stopped=True), None, left=True).detail


@pytest.mark.parametrize(
    ("verdict", "records", "wanted"),
    [
        (FAILED, (), True),
        (Verdict(Status.ERROR), (), True),
        (Verdict(Status.TIMEOUT), (), True),
        (PASSED, (), False),
        (Verdict(Status.XFAIL), (), False),
        (ERR, (), False),
        (ERR, (Asked(0),), True),
        (ERR, (Asked(1),), False),
        (FAULT, (Asked(0),), False),
    ],
)
def test_who_is_debugged(verdict, records, wanted):
    assert is_wanted(verdict, Transcript(records), 0, last=True) == wanted


def test_what_will_be_tried_again_is_debugged_only_where_it_asks_for_it():
    assert not is_wanted(FAILED, NOTHING, 0, last=False)
    assert is_wanted(ERR, Transcript((Asked(0),)), 0, last=False)


def test_what_pytest_says_of_breakpoints_and_of_quitting():
    assert not asked(NOTHING, 0)
    assert not has_quit(NOTHING)
    assert has_quit(Transcript((Interrupted("_pytest.outcomes.Exit: Quitting debugger"),)))
    assert not has_quit(Transcript((Interrupted("KeyboardInterrupt"),)))


def test_while_a_test_has_the_terminal_others_wait():
    turns, mine, other = Turns(), Flight(work()), Flight(work())
    turns.current = mine
    assert not turns.holds_back(other, None)
    turns.attached = True
    assert not turns.holds_back(mine, None)
    assert turns.holds_back(other, None)
    assert turns.end() == [(other, None)]
    assert not turns.holds_back(other, None)


def test_a_request_of_any_length_comes_as_arguments():
    long = item("a.py::t[" + "x" * 3 * LONGEST_ARGUMENT + "]")
    spec = terminal_job(plan(), ContainerSpec(), [long], None)
    words = spec.arguments[spec.arguments.index("terminal") + 1 :]
    assert max(map(len, words)) <= LONGEST_ARGUMENT
    assert long.nodeid in "".join(words)
    assert '"usepdb": true' in "".join(words)
