"""A pytest plugin that lets pytest-forked 1.7 work with pytest 9.1 and later, so that it can be measured (suites.py).

There a report keeps its test's name in an object that `marshal` does not write, and without this every test fails.
"""

from __future__ import annotations

from typing import Any

import pytest_forked  # type: ignore[import-not-found]

whole = pytest_forked.serialize_report


def serialize_report(report: Any) -> dict[str, Any]:
    """Return the fields of a report, its name as text."""
    fields: dict[str, Any] = whole(report)
    if "_id" in fields:
        fields["nodeid"] = str(fields.pop("_id"))
    return fields


pytest_forked.serialize_report = serialize_report
