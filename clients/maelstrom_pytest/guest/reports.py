"""A report of pytest as a record, or an item: for a report its verdict words, and the text pytest would print of it.

Runs inside the container; see the package. Imports nothing but pytest and the standard library.
"""

from __future__ import annotations

import os
from io import StringIO
from types import FunctionType

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MESSAGE_LIMIT = 10_000  # characters

# what every report has, and what can be told of one of a test that passed without being sent
USUAL = {
    *("_id", "nodeid", "location", "keywords", "outcome", "longrepr", "when", "user_properties", "sections"),
    *("duration", "start", "stop"),
}

# by these a function says that another one stands for it
WRAPPED = frozenset({"__wrapped__", "__pytest_wrapped__", "place_as"})


def describe(config: Any, report: Any, markup: bool, width: int, data: bool = False) -> dict[str, Any]:
    """Return the record of a test's report; with its portable form only if somebody wants that: it is costly."""
    category, word = status(config, report)
    failed = report.outcome == "failed"
    when = getattr(report, "when", None) or "call"
    record: dict[str, Any] = {
        "type": "report",
        "nodeid": str(report.nodeid),
        "when": str(when),
        "outcome": str(report.outcome),
        "category": category,
        "word": word,
        "subtest": hasattr(report, "context") and "subtest" in type(report).__name__.lower(),
        "duration": float(getattr(report, "duration", 0.0) or 0.0),
        "wasxfail": None if not hasattr(report, "wasxfail") else str(report.wasxfail),
        "reason": reason(report),
        "user_properties": [[str(name), value] for name, value in getattr(report, "user_properties", ())],
    }
    if data:
        record["data"] = serialise(config, report)
    if failed:
        head = headline(report)
        error = when != "call"
        record["text"] = render(config, report, f"ERROR at {when} of {head}" if error else head, markup, width)
        record["message"] = message(report)
    return record


def is_usual(report: Any) -> bool:
    """Tell whether a report of a phase that passed has nothing that others have not."""
    return not report.sections and not any(value for name, value in vars(report).items() if name not in USUAL)


def describe_warning(directory: str, warning: Any, nodeid: str) -> dict[str, Any]:
    """Return the record of a warning, but for which item it is of; with what pytest prints of it, and of its place."""
    from _pytest.warnings import warning_record_to_str

    category = warning.category
    path = os.path.relpath(warning.filename, directory)
    return {
        "type": "warned",
        "message": str(warning.message),
        "module": str(category.__module__),
        "category": str(category.__qualname__),
        "filename": str(warning.filename),
        "lineno": int(warning.lineno),
        "place": nodeid or f"{path}:{warning.lineno}",
        "text": str(warning_record_to_str(warning)),
    }


def status(config: Any, report: Any) -> tuple[str, str]:
    """Return pytest's category and word for a report, as its terminal would count it."""
    result = config.hook.pytest_report_teststatus(report=report, config=config)
    if not result:
        return str(report.outcome), str(report.outcome).upper()
    category, _letter, word = result
    return str(category), str(word[0] if isinstance(word, tuple) else word)


def reason(report: Any) -> str:
    """Return why a test was skipped or expected to fail; empty when nobody said."""
    if hasattr(report, "wasxfail"):
        text = str(report.wasxfail)
        return text[len("reason: ") :] if text.startswith("reason: ") else text
    longrepr = getattr(report, "longrepr", None)
    if report.outcome == "skipped" and isinstance(longrepr, tuple) and len(longrepr) == 3:
        text = str(longrepr[2])
        if text.startswith("Skipped: "):
            text = text[len("Skipped: ") :]
        return "" if text == "Skipped" else text
    return ""


def message(report: Any) -> str:
    """Return what pytest's own JUnit report has as the message of a failure; some pages of it before pytest 9.2."""
    crash = getattr(getattr(report, "longrepr", None), "reprcrash", None)
    text = str(crash.message) if crash is not None else str(report.longrepr)
    if report.when != "call":
        text = f'failed on {report.when} with "{text}"'
    return junit_shortened(text)[:MESSAGE_LIMIT]


def junit_shortened(text: str) -> str:
    """Return a message as pytest shortens it for JUnit reports since version 9.2; by older ones it is left alone."""
    from _pytest import junitxml

    shorten = getattr(junitxml, "shorten_message", None)
    return text if shorten is None else str(shorten(text))


def headline(report: Any) -> str:
    """Return the name a failure goes by in pytest's rulers."""
    return str(getattr(report, "head_line", None) or "test session")


def serialise(config: Any, report: Any) -> Any:
    """Return pytest's own portable form of a report, which any plugin can turn into a report again."""
    try:
        return config.hook.pytest_report_to_serializable(config=config, report=report)
    except Exception:  # noqa: BLE001 some plugin's report; the record stands without it
        return None


def render(config: Any, report: Any, title: str, markup: bool, width: int, good: bool = False) -> str:
    """Return what pytest prints of a failed report below FAILURES or ERRORS, or of a good one below PASSES."""
    from _pytest._io import TerminalWriter

    style = config.getoption("tbstyle", "auto")
    if style == "no":
        return ""
    stream = StringIO()
    writer = TerminalWriter(stream)
    writer.hasmarkup = markup
    writer.fullwidth = width
    if config.getoption("code_highlight", "yes") == "no":
        writer.code_highlight = False
    if style == "line":
        crash = getattr(report.longrepr, "reprcrash", None)
        writer.line(str(crash) if crash is not None else str(report.longrepr)[:50])
        return stream.getvalue()
    writer.sep("_", title, red=not good, green=good, bold=True)
    report.toterminal(writer)
    sections(config, report, writer)
    return stream.getvalue()


def sections(config: Any, report: Any, writer: Any) -> None:
    """Write what a test printed and logged, as far as --show-capture wants it."""
    shown = config.getoption("showcapture", "all")
    if shown == "no":
        return
    for name, content in report.sections:
        if shown == "all" or shown in name:
            writer.sep("-", name)
            writer.line(content[:-1] if content.endswith("\n") else content)


def identify(item: Any, occurrence: int) -> dict[str, Any]:
    """Return what of an item's record is known as soon as it has been made."""
    place = places.get(item.parent)
    if place is None:
        place = places[item.parent] = _place(item)
    file, module, klass, parent, inherited = place
    return {
        "type": "item",
        "nodeid": str(item.nodeid),
        "occurrence": occurrence,
        "file": file or str(item.path),
        "module": module or str(item.nodeid).split("::", 1)[0],
        "class": klass,
        "function": f"{parent}::{getattr(item, 'originalname', None) or item.name}",
        "markers": markers(item) if item.own_markers else inherited,
    }


def markers(node: Any) -> list[str]:
    """Return the names of the marks that an item, or a parent of some, has or inherits."""
    return sorted({str(mark.name) for mark in node.iter_markers()})


# by parent: all items of a file or a class have the same; only of one pass, since plugins may mark parents later
places: dict[Any, tuple[str, str, str | None, str, list[str]]] = {}


def _place(item: Any) -> tuple[str, str, str | None, str, list[str]]:
    """Return what items have of their parents.

    That is path and node id of the file (empty: none), the class, the parent, and the marks' names.
    """
    file = item.getparent(pytest.File)
    klass = item.getparent(pytest.Class)
    path, module = ("", "") if file is None else (str(file.path), str(file.nodeid))
    return path, module, str(klass.nodeid) if klass is not None else None, str(item.parent.nodeid), markers(item.parent)


def describe_item(item: Any, occurrence: int, place: tuple[int, int] | None = None) -> dict[str, Any]:
    """Return the record of a collected item."""
    record = identify(item, occurrence)
    record["line"], record["place"] = line(item), place
    return record


def line(item: Any) -> int | None:
    """Return where in its file an item begins, from 0, as its `location` has it.

    That looks for the file of each item anew; where the item is a plain function there is no need to.
    """
    if getattr(type(item), "reportinfo", None) is pytest.Function.reportinfo:
        function = getattr(item.obj, "__func__", item.obj)
        if type(function) is FunctionType and WRAPPED.isdisjoint(vars(function)):
            return int(function.__code__.co_firstlineno) - 1
    number = item.location[1]
    return None if number is None else int(number)
