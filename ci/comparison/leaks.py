"""Runs tests alone under plain pytest, to tell those that lean on others from faults of ours: outcomes and coverage."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ci.comparison import coverage, steps
from ci.comparison.agreement import Agreement
from ci.comparison.outcomes import Difference
from ci.comparison.runs import RunError, run_alone
from ci.comparison.steps import Steps
from ci.comparison.suites import Suite


def with_alone(suite: Suite, difference: Difference, timeout: float) -> Difference:
    """Return the difference with what plain pytest says of the test when nothing else runs."""
    try:
        alone = run_alone(suite, difference.test[0], timeout)
    except RunError:
        return difference
    return replace(difference, alone=alone.outcomes.get(difference.test))


@dataclass(frozen=True, slots=True)
class Measured:
    """A suite that is measured, where coverage.py writes what it finds, and where both runs' data have been put."""

    suite: Suite
    data: Path
    native: Path
    ours: Path

    def remove(self) -> None:
        """Remove all that has been written."""
        for path in (self.data, self.native, self.ours):
            path.unlink(missing_ok=True)


def explained(agreement: Agreement, measured: Measured, limit: int, timeout: float) -> Agreement:
    """Return the agreement with a line for each step that only one run went, and whether all of them are explained.

    At most `limit` tests run alone for a step, each for `timeout` seconds. Raises RunError where the data of a run
    cannot be read.
    """
    files = coverage.files(agreement.coverage or ())
    try:
        native, ours = (steps.read(data, measured.suite.directory, files) for data in (measured.native, measured.ours))
    except ValueError as error:
        raise RunError(f"{measured.suite.name}: {error}") from error

    @cache
    def alone(nodeid: str, _time: int) -> Mapping[str, Steps]:
        return _alone(measured, nodeid, files, timeout)

    found = [(stray, steps.explanation(stray, alone, limit)) for stray in steps.strays(native, ours)]
    known = bool(found) and all(why is not None for _, why in found)
    return replace(agreement, coverage=(*(agreement.coverage or ()), *steps.told(found)), explained=known)


def _alone(measured: Measured, nodeid: str, files: Collection[str], timeout: float) -> Mapping[str, Steps]:
    measured.data.unlink(missing_ok=True)
    try:
        run_alone(measured.suite, nodeid, timeout)
        return steps.read(measured.data, measured.suite.directory, files)
    except (RunError, ValueError):
        return {}
