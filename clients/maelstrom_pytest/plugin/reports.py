"""From what a container said of a test to pytest's own reports and warnings.

Nothing that comes from there is believed further than its form: which test it is about is known here, and what does not
make a report becomes one that says so.
"""

from __future__ import annotations

import builtins
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from maelstrom_pytest.records import JUnitNotes, Report, Warned
from maelstrom_pytest.verdict import NOT_FOUND, Verdict
from maelstrom_test_runner.status import Status

PHASES = ("setup", "call", "teardown")
NOT_FOUND_HINT = "its name may differ from process to process, or be made by a plugin that containers do not have"


def reports_of(item: pytest.Item, verdict: Verdict) -> list[Any]:
    """Return the reports of a test in their order; those that it no longer came to say are made up.

    Whatever becomes of a test, its setup is reported first and its teardown last: plugins count on that.
    """
    if verdict.status is Status.SKIPPED and all(record.data is None for record in verdict.reports):
        place = (str(item.path), item.location[1] or 0, f"Skipped: {verdict.reason}")  # by the project's file
        return [_make(item, "setup", "skipped", place), _make(item, "teardown", "passed")]
    reports = [_report(item, record) for record in verdict.reports]
    if not verdict.detail:
        return reports
    text = verdict.detail.rstrip()
    hint = NOT_FOUND_HINT if verdict.detail == NOT_FOUND else verdict.hint
    if hint:
        text += f"\nhint: {hint}"
    when = _place_of_grief(verdict)
    grief = _make(item, when, "failed", f"maelstrom: {text}")
    stderr = verdict.stderr.decode(errors="replace")
    if stderr:
        grief.sections.append((f"Captured stderr {when}", stderr))
    if when == "call" and not any(report.when == "setup" for report in reports):
        reports.insert(0, _make(item, "setup", "passed"))
    reports.append(grief)
    if when != "teardown":
        reports.append(_make(item, "teardown", "passed"))
    return reports


def _place_of_grief(verdict: Verdict) -> str:
    """Return the phase in which a test came to grief: its call, if nothing speaks against it."""
    if verdict.infrastructure or verdict.detail == NOT_FOUND or verdict.status is Status.ERROR:
        return "setup"
    over = {record.when for record in verdict.reports if not record.subtest}
    return "teardown" if "call" in over or "teardown" in over else "call"


def _report(item: pytest.Item, record: Report) -> Any:
    if record.data is None and record.outcome == "passed" and record.when in PHASES:
        return _make(item, record.when, "passed", duration=record.duration, start=record.start)
    try:
        return _from_data(item, record)
    except Exception as error:  # noqa: BLE001 - what comes from a container may be anything
        when = record.when if record.when in PHASES else "call"
        return _make(item, when, "failed", f"maelstrom: this test sent a report that is none: {error!r}")


def _from_data(item: pytest.Item, record: Report) -> Any:
    """Return the report that was sent; raises whatever comes of reading it."""
    data = dict(record.data)
    if isinstance(data.get("longrepr"), list) and data.get("outcome") == "skipped":
        path, line, reason = data["longrepr"]
        data["longrepr"] = (str(path), line, str(reason))
    data["location"] = tuple(data["location"])
    data["sections"] = [(str(name), str(content)) for name, content in data["sections"]]
    data["user_properties"] = [(name, value) for name, value in data["user_properties"]]
    report = item.config.hook.pytest_report_from_serializable(config=item.config, data=data)
    if not isinstance(report, pytest.TestReport) or report.nodeid != item.nodeid or report.when not in PHASES:
        raise ValueError("a report of something else")
    report.duration = float(report.duration)
    sent = data.get("_subtest.context")
    if isinstance(sent, dict) and hasattr(report, "context"):
        # represented as texts where it was made, and again where it is read: once is what it says without containers
        object.__setattr__(report.context, "kwargs", sent["kwargs"])
    return report


def _make(
    item: pytest.Item,
    when: str,
    outcome: str,
    text: str | tuple[str, int, str] | None = None,
    *,
    duration: float = 0.0,
    start: float = 0.0,
) -> pytest.TestReport:
    """Return a report of our own making; the newest pytests have times of day in theirs."""
    times = {"start": start, "stop": start + duration} if start else {}
    return pytest.TestReport(
        item.nodeid,
        item.location,
        dict.fromkeys(item.keywords, 1),
        outcome,  # type: ignore[arg-type]
        text,
        when,  # type: ignore[arg-type]
        (),
        duration,
        user_properties=[],
        **times,
    )


def uncapture(report: Any) -> Iterator[tuple[str, str]]:
    """Take from a report what its phase printed, as with `-s`; yield streams, `stdout` or `stderr`, and texts."""
    for name, content in report.sections:
        for stream in ("stdout", "stderr"):
            if name == f"Captured {stream} {report.when}":
                yield stream, content
    report.sections = [
        (name, content)
        for name, content in report.sections
        if not name.startswith(("Captured stdout", "Captured stderr"))
    ]


def warning_of(warned: Warned) -> warnings.WarningMessage:
    """Return a recorded warning. Its class is looked for among what is loaded; else it is a plain warning."""
    module = builtins if warned.module == "builtins" else sys.modules.get(warned.module)
    found = getattr(module, warned.category, None) if module is not None else None
    category = found if isinstance(found, type) and issubclass(found, Warning) else UserWarning
    try:
        message: Warning | str = category(warned.message)
    except Exception:  # noqa: BLE001 - a class that wants more than a text
        message = warned.message
    return warnings.WarningMessage(message, category, warned.filename, warned.lineno)


def add_to_junit(item: pytest.Item, notes: JUnitNotes) -> None:
    """Add to pytest's JUnit report what a test added to that of its container."""
    from _pytest.junitxml import xml_key

    xml: Any = item.config.stash.get(xml_key, None)
    if xml is None:
        return
    reporter = xml.node_reporter(getattr(item, "id", item.nodeid))
    for name, value in notes.attributes.items():
        reporter.add_attribute(name, value)
    for name, value in notes.properties:
        if (name, value) not in xml.global_properties:  # fixtures of the session say it in each container
            xml.add_global_property(name, value)


def tell(item: pytest.Item, reports: Sequence[Any], notes: Sequence[Warned | JUnitNotes]) -> None:
    """Call the hooks that pytest calls when it runs a test."""
    for record in notes:
        if isinstance(record, JUnitNotes):
            add_to_junit(item, record)
    reruns = sum(report.outcome == "rerun" for report in reports)
    if reruns:  # pytest-rerunfailures counts on the item, for --fail-on-flaky
        item.execution_count = reruns + 1  # type: ignore[attr-defined]
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in reports:
        hook.pytest_runtest_logreport(report=report)
    for record in notes:
        if isinstance(record, Warned):
            told = {"warning_message": warning_of(record), "when": "runtest", "nodeid": item.nodeid, "location": None}
            item.config.hook.pytest_warning_recorded.call_historic(kwargs=told)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
