"""What forks of templates say on their channel, and how they end."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from maelstrom_core.job import Signaled
from maelstrom_pytest.records import CHANNEL_LOST_CODE, Done, Missing, SessionEnd, parse
from tests.integration.pytest_guest.harness import make, warm
from tests.integration.pytest_guest.template_runner import TemplateRunner
from tests.integration.pytest_guest.test_grief import raw_spec


def fork_raw(project, select, **more):
    """Return the outcomes of jobs of one file's template."""

    class Raw(TemplateRunner):
        def __init__(self) -> None:
            super().__init__()
            self.raw = []

        def job(self, template, request, timeout):
            outcome = super().job(template, dict(request, **more), timeout)
            self.raw.append(outcome)
            return outcome

    async def run(runner):
        request = {"mode": "run", "args": [], "markup": False, "width": 80, "select": select}
        await runner.run(raw_spec(project), stdin=json.dumps(request).encode())
        await runner.__aexit__()

    runner = Raw()
    asyncio.run(run(runner))
    return runner.raw[0]


def test_a_test_that_passes_alone_says_so_in_two_records(tmp_path):
    project = make(tmp_path, test_a_py="def test_x(): pass\n")
    outcome = fork_raw(project, [["test_a.py::test_x", 0, str(project / "test_a.py")]])
    done, end = parse(outcome.effects.result.data).records
    assert isinstance(done, Done)
    assert end == SessionEnd(0, 0)
    assert outcome.code == 0
    assert outcome.effects.stdout.data == b""


def test_items_that_are_not_there_are_reported_missing(tmp_path):
    project = make(tmp_path, test_a_py="def test_x(): pass\n")
    file = str(project / "test_a.py")
    outcome = fork_raw(project, [["test_a.py::test_x", 1, file], ["test_a.py::test_x", 0, file]])
    transcript = parse(outcome.effects.result.data)
    assert transcript.all(Missing) == [Missing((0,))]
    assert [record.item for record in transcript.all(Done)] == [1]


def test_the_portable_form_of_reports_is_sent_to_those_who_ask(tmp_path):
    project = make(tmp_path, test_a_py="def test_x(): print()\ndef test_y(): pass\n")
    file = str(project / "test_a.py")
    outcome = fork_raw(project, [["test_a.py::test_x", 0, file], ["test_a.py::test_y", 0, file]], data=True)
    transcript = parse(outcome.effects.result.data)
    reports = [record for record in transcript.records if hasattr(record, "data")]
    assert [report.when for report in reports] == ["setup", "call", "teardown"]
    assert all(report.data["$report_type"] == "TestReport" for report in reports)
    (brief,) = transcript.all(Done)  # of a test that has nothing that cannot be told without
    assert brief.item == 1
    assert all(brief.starts)


@pytest.mark.parametrize("closing", ["os.closerange(100, 1000)", "os.close(200)"])
def test_a_lost_channel_ends_a_fork_with_an_exit_code_of_its_own_and_the_test_runs_again_cold(tmp_path, closing):
    project = make(tmp_path, test_a_py=f"import os\ndef test_x(): {closing}\n")
    outcome = fork_raw(project, [["test_a.py::test_x", 0, str(project / "test_a.py")]])
    assert outcome.code == CHANNEL_LOST_CODE
    run = warm(project)
    assert "as pytest counts: 1 passed" in run.output


def test_garbage_on_the_channel_is_the_tests_own_fault(tmp_path):
    project = make(tmp_path, test_a_py="import os\ndef test_x(): os.write(200, bytes(100))\ndef test_y(): pass\n")
    run = warm(project)
    assert "the test wrote garbage into the result channel" in run.output
    assert "as pytest counts: 1 passed" in run.output


def test_a_fork_that_is_killed_says_by_which_signal(tmp_path):
    project = make(tmp_path, test_a_py="import os\ndef test_x(): os.kill(os.getpid(), 9)\n")
    run = warm(project)
    assert isinstance(run.outcomes[-1], Signaled)
    assert run.outcomes[-1].signal == signal.SIGKILL
    assert "SIGKILL (signal 9)" in run.output


def test_plugins_of_the_project_judge_reports_as_ever(tmp_path):
    project = make(
        tmp_path,
        conftest_py="""
            def pytest_report_teststatus(report):
                if report.when == "call" and report.passed:
                    return "splendid", "!", "SPLENDID"
        """,
        test_a_py="def test_x(): pass\n",
    )
    assert "as pytest counts: 1 splendid" in warm(project).output
