"""Tests that die, lie or hang cost themselves, nobody else, and say why."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import pytest

from maelstrom_core.job import Exited
from maelstrom_pytest import guest_files, plan
from maelstrom_pytest.interpreter import Interpreter
from maelstrom_pytest.records import Ended, Missing, parse
from tests.integration.pytest_guest import harness
from tests.integration.pytest_guest.harness import environment, make, ours
from tests.integration.pytest_guest.subprocess_runner import SubprocessRunner


@pytest.fixture(autouse=True, params=sorted(harness.RUNNERS))
def runner(request, monkeypatch):
    monkeypatch.setattr(harness, "RUNNER", harness.RUNNERS[request.param])
    return request.param


@pytest.mark.parametrize("statement", ["os.kill(os.getpid(), 9)", "os._exit(0)", "atexit.register(os.abort)"])
def test_ap9_alone_in_its_job_a_test_is_blamed_even_for_what_comes_after_its_last_report(tmp_path, statement):
    run = ours(make(tmp_path, test_a_py=f"import atexit, os\ndef test_x(): {statement}\n"))
    assert (run.code, run.jobs) == (1, 2)
    assert "test_a.py::test_x: did not end" in run.output


def test_a_test_that_closes_every_descriptor_above_100_keeps_its_verdict(tmp_path):
    closing = """
        import os
        def test_closes(): os.closerange(100, 1000)
        def test_reuses():
            os.closerange(100, 1000)
            for number in range(100, 300):
                os.dup2(os.open("mine", os.O_RDWR | os.O_CREAT), number)
        def test_fails():
            os.closerange(100, 1000)
            assert 0
    """
    project = make(tmp_path, test_close_py=closing)
    run = ours(project)
    assert "as pytest counts: 1 failed, 2 passed" in run.output
    assert (project / "mine").read_bytes() == b""


def test_a_channel_that_cannot_be_had_again_is_reported(tmp_path):
    closing = """
        import os, resource
        def test_closes():
            os.close(200)
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    """
    run = ours(make(tmp_path, test_close_py=closing))
    assert run.code == 1
    assert "the test closed the result channel" in run.output


def test_ap10_a_hanging_test_times_out(tmp_path):
    project = make(tmp_path, test_hang_py="import signal\ndef test_hang(): signal.pause()\n")
    run = ours(project, timeout=3.0)
    assert run.code == 1
    assert "test_hang.py::test_hang: timeout" in run.output


def test_py3_a_collection_error_shows_pytests_text_and_ends_with_2(tmp_path):
    run = ours(make(tmp_path, test_a_py="import no_such_module\n", test_b_py="def test_x(): pass\n"))
    assert run.code == 2
    assert "ERROR collecting test_a.py" in run.output
    assert "ModuleNotFoundError: No module named 'no_such_module'" in run.output
    assert run.jobs == 1


def test_collection_errors_that_pytest_is_told_to_pass_over(tmp_path):
    project = make(tmp_path, test_a_py="import no_such_module\n", test_b_py="def test_x(): pass\n")
    run = ours(project, "--continue-on-collection-errors")
    assert run.code == 1
    assert "ERROR collecting test_a.py" in run.output
    assert "as pytest counts: 1 passed, 1 error" in run.output


def test_ap3_no_tests_ends_with_5_and_a_summary_of_zeros(tmp_path):
    run = ours(make(tmp_path, test_a_py=""))
    assert run.code == 5
    assert "Successful Tests: 0" in run.output


def test_mistakes_in_pytests_arguments_show_pytests_text_and_end_with_2(tmp_path):
    project = make(tmp_path, test_a_py="def test_x(): pass\n")
    assert "unrecognized arguments: --no-such" in ours(project, "--no-such").output
    run = ours(project, "no_such_file.py")
    assert run.code == 2
    assert "not found: no_such_file.py" in run.output


def test_a_plugin_that_fails_at_collection_ends_with_2(tmp_path):
    project = make(
        tmp_path, conftest_py="def pytest_collection_modifyitems(): raise RuntimeError('mine')\n", test_a_py=""
    )
    run = ours(project)
    assert run.code == 2
    assert "RuntimeError: mine" in run.output


def test_what_only_prints_is_printed(tmp_path):
    run = ours(make(tmp_path, test_a_py="def test_x(): pass\n"), "--version")
    assert (run.code, run.output) == (0, f"pytest {pytest.__version__}\n")


def test_py4_listing_prints_node_ids_in_order_and_runs_nothing(tmp_path):
    project = make(tmp_path, test_b_py="def test_2(): pass\ndef test_1(): pass\n", test_a_py="def test_3(): pass\n")
    run = ours(project, listing=True)
    assert run.output == "test_a.py::test_3\ntest_b.py::test_2\ntest_b.py::test_1\n"
    assert (run.code, run.jobs) == (0, 1)


# the reaper


def raw_spec(project, python=sys.executable):
    """Return the specification of a job."""
    found = Interpreter(python, sys.version_info[:3], pytest.__version__)
    guest = str(guest_files.SOURCE)
    chosen = plan.Plan(found, str(project), (), (), guest, environment(), mount_point=guest)
    return plan.job(chosen, plan.container(chosen), timeout=60.0)


def raw(project, tmp_path, request: dict):
    """Run one job and return its outcome."""
    return asyncio.run(SubprocessRunner().run(raw_spec(project), stdin=json.dumps(request).encode()))


def test_the_reaper_forwards_signals_and_ends_as_its_child_did(tmp_path):
    project = make(
        tmp_path, test_a_py="import os, signal\ndef test_x():\n    os.kill(os.getppid(), 15)\n    signal.pause()\n"
    )
    file = str(project / "test_a.py")
    outcome = raw(project, tmp_path, {"mode": "run", "args": [], "select": [["test_a.py::test_x", 0, file]]})
    ended = parse(outcome.effects.result.data).last(Ended)
    assert ended == Ended(None, signal.SIGTERM, False)
    assert outcome.signal == signal.SIGTERM


def test_the_exit_code_is_pytests(tmp_path):
    project = make(tmp_path, test_a_py="def test_x(): assert 0\n")
    outcome = raw(project, tmp_path, {"mode": "run", "args": [], "select": [["test_a.py::test_x", 0, None]]})
    assert isinstance(outcome, Exited)
    assert outcome.code == 1


def test_items_that_are_not_there_are_reported_missing(tmp_path):
    project = make(tmp_path, test_a_py="def test_x(): pass\n")
    select = [["test_a.py::test_x", 1, None], ["test_a.py::gone", 0, None]]
    outcome = raw(project, tmp_path, {"mode": "run", "args": [], "select": select})
    assert parse(outcome.effects.result.data).all(Missing) == [Missing((0, 1))]


def test_output_of_a_job_is_pytests_own(tmp_path):
    project = make(tmp_path, test_a_py="def test_x(): pass\n")
    outcome = raw(project, tmp_path, {"mode": "run", "args": ["-q"], "select": [["test_a.py::test_x", 0, None]]})
    assert b"1 passed" in outcome.effects.stdout.data
    assert outcome.effects.stderr.data == b""


def test_interruption_prints_what_was_running_and_ends_with_130(tmp_path):
    project = make(tmp_path, test_a_py="import signal\ndef test_x(): signal.pause()\n")

    class Interrupting(SubprocessRunner):
        async def run(self, spec, *, stdin):
            if json.loads(stdin)["mode"] == "run":
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.Event().wait()
            return await super().run(spec, stdin=stdin)

    run = ours(project, runner=Interrupting())
    assert run.code == 130
    assert "test_a.py::test_x: was running" in run.output
    assert "Tests Not Run   : 1" in run.output
