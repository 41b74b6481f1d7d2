"""From records to pytest's reports and warnings; what a container says is not believed further than its form."""

from __future__ import annotations

from typing import Any, cast

import pytest

from maelstrom_pytest.plugin import reports
from maelstrom_pytest.records import Done, Report, Warned
from maelstrom_pytest.verdict import NOT_FOUND, Verdict, ignored
from maelstrom_test_runner.status import Status


def phases(found: list[Any]) -> list[tuple[str, str]]:
    return [(report.when, report.outcome) for report in found]


def report_of(item: pytest.Item, **changes: Any) -> Report:
    """Return a record with the data that pytest makes of a report."""
    fields: dict[str, Any] = {"outcome": "failed", "longrepr": "broken", "when": "call", "sections": [("a", "b")]}
    keywords: dict[str, Any] = dict.fromkeys(item.keywords, 1)
    report = pytest.TestReport(item.nodeid, item.location, keywords, **fields)
    data = item.config.hook.pytest_report_to_serializable(config=item.config, report=report)
    return Report(0, "", "call", "failed", "failed", "FAILED", data={**data, **changes})


@pytest.fixture
def item(request: pytest.FixtureRequest) -> pytest.Item:
    """Return a test of a session: this one."""
    return cast("pytest.Item", request.node)


def test_a_test_that_passed_has_the_three_reports_that_it_has_without_containers(item: pytest.Item) -> None:
    record = Done(0, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    found = reports.reports_of(item, Verdict(Status.PASSED, record.reports()))
    assert phases(found) == [("setup", "passed"), ("call", "passed"), ("teardown", "passed")]
    assert [(report.start, report.duration, report.stop) for report in found][1] == (2.0, 0.2, 2.2)
    assert found[0].nodeid == item.nodeid
    assert found[0].location == item.location
    assert item.name in found[0].keywords


def test_a_report_survives_the_way(item: pytest.Item) -> None:
    (found,) = reports.reports_of(item, Verdict(Status.FAILED, (report_of(item),)))
    assert (found.nodeid, found.when, found.outcome, found.longrepr) == (item.nodeid, "call", "failed", "broken")
    assert found.location == item.location
    assert found.sections == [("a", "b")]


def test_the_place_of_a_skip_is_a_tuple_again(item: pytest.Item) -> None:
    """Plugins take it apart, and pytest asserts that it is one."""
    record = report_of(item, outcome="skipped", longrepr=["/a.py", 3, "Skipped: no"])
    (found,) = reports.reports_of(item, Verdict(Status.SKIPPED, (record,)))
    assert found.longrepr == ("/a.py", 3, "Skipped: no")


def test_a_test_that_the_project_s_file_leaves_out_is_skipped(item: pytest.Item) -> None:
    found = reports.reports_of(item, ignored(cast("Any", item), "a directive"))
    assert phases(found) == [("setup", "skipped"), ("teardown", "passed")]
    assert found[0].longrepr == (str(item.path), item.location[1], "Skipped: a directive")


@pytest.mark.parametrize(
    "changes",
    [
        {"nodeid": "another.py::test"},
        {"when": "never"},
        {"sections": 3},
        {"location": None},
        {"longrepr": {"reprcrash": 1, "reprtraceback": 2}},
        {"$report_type": "CollectReport"},
        {"$report_type": "Unknown"},
        {"duration": "long"},
        {"longrepr": ["a"], "outcome": "skipped"},
    ],
    ids=str,
)
def test_what_is_no_report_of_this_test_fails_it(item: pytest.Item, changes: dict[str, Any]) -> None:
    (found,) = reports.reports_of(item, Verdict(Status.PASSED, (report_of(item, **changes),)))
    assert (found.nodeid, found.outcome) == (item.nodeid, "failed")
    assert "this test sent a report that is none" in found.longrepr


def test_no_data_at_all_fails_the_test(item: pytest.Item) -> None:
    record = Report(0, "", "no phase", "failed", "", "", data=None)
    (found,) = reports.reports_of(item, Verdict(Status.FAILED, (record,)))
    assert phases([found]) == [("call", "failed")]


SETUP = Report(0, "", "setup", "passed", "", "")
CALL = Report(0, "", "call", "passed", "passed", "PASSED")
WHOLE = [("setup", "passed"), ("call", "failed"), ("teardown", "passed")]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict(Status.TIMEOUT, (), "timed out"), WHOLE),
        (Verdict(Status.ERR, (SETUP,), "killed"), WHOLE),
        (
            Verdict(Status.ERR, (SETUP, CALL), "killed"),
            [("setup", "passed"), ("call", "passed"), ("teardown", "failed")],
        ),
        (Verdict(Status.ERR, (), NOT_FOUND), [("setup", "failed"), ("teardown", "passed")]),
        (Verdict(Status.ERR, (), "no", infrastructure=True), [("setup", "failed"), ("teardown", "passed")]),
    ],
    ids=["timeout", "setup", "call", "not found", "infrastructure"],
)
def test_a_test_that_came_to_grief_has_a_first_and_a_last_report(
    item: pytest.Item, verdict: Verdict, expected: list[tuple[str, str]]
) -> None:
    assert phases(reports.reports_of(item, verdict)) == expected


def test_grief_says_why_and_what_to_do(item: pytest.Item) -> None:
    verdict = Verdict(Status.ERR, (), "no memory", hint="buy some", stderr=b"Killed\n")
    grief = reports.reports_of(item, verdict)[1]
    assert grief.longrepr == "maelstrom: no memory\nhint: buy some"
    assert grief.sections == [("Captured stderr call", "Killed\n")]


def warned(module: str, category: str) -> Warned:
    return Warned(0, "careful", module, category, "/a.py", 7)


def test_a_warning_has_its_class_again() -> None:
    found = reports.warning_of(warned("builtins", "DeprecationWarning"))
    assert found.category is DeprecationWarning
    assert isinstance(found.message, DeprecationWarning)
    assert (str(found.message), found.filename, found.lineno) == ("careful", "/a.py", 7)


@pytest.mark.parametrize(
    ("module", "category"), [("builtins", "eval"), ("os", "system"), ("not.imported", "W"), ("builtins", "nothing")]
)
def test_nothing_is_imported_or_called_for_a_warning(module: str, category: str) -> None:
    assert reports.warning_of(warned(module, category)).category is UserWarning


def test_without_capture_each_phase_is_heard_once(item: pytest.Item) -> None:
    sections = [("Captured stdout setup", "a"), ("Captured stdout call", "b"), ("Captured log call", "c")]
    record = report_of(item, sections=sections)
    (found,) = reports.reports_of(item, Verdict(Status.FAILED, (record,)))
    assert list(reports.uncapture(found)) == [("stdout", "b")]
    assert found.sections == [("Captured log call", "c")]
