"""`maelstrom-pytest -- --cov=...`: what all jobs measured, combined and reported at the end as pytest-cov does.

The project's own pytest-cov does it, in one more job; the files that it writes below the directory of the run (its
data, HTML, XML) are brought back from there; what was named elsewhere is written there: see `coverage_places`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from maelstrom_core.errors import InfrastructureError
from maelstrom_core.job import Exited, Outcome, Signaled, TimedOut
from maelstrom_core.spec import Out
from maelstrom_pytest import plan as planning
from maelstrom_pytest.covered import Combined
from maelstrom_pytest.plan import Plan
from maelstrom_pytest.records import CoverageReport, Covered, Ended, Item, Transcript, parse
from maelstrom_pytest.verdict import how_it_ended
from maelstrom_test_runner.runner import Runner


class CoverageOfJobs:
    """Hears what jobs measure; in the end has it reported."""

    def __init__(self) -> None:
        self._combined = Combined()

    def hear(self, _items: Sequence[Item], transcript: Transcript) -> None:
        """Add what a job has measured."""
        for record in transcript.records:
            if isinstance(record, Covered):
                self._combined.add(record)

    async def report(self, runner: Runner, plan: Plan, say: Callable[[str], None], *, failed: bool) -> bool:
        """Have it reported, if there is any; tell whether it is as much as the project wants.

        `failed` says whether tests have failed, for --no-cov-on-fail. Raises InfrastructureError, and UserError for a
        place that cannot be written to.
        """
        if not self._combined:
            return True
        from maelstrom_pytest.coverage_places import Granted, named

        request = planning.coverage_request(plan, self._combined.record(), failed=failed)
        with Granted(named(plan.arguments, plan.environment, plan.directory)) as granted:
            spec = planning.job(plan, granted.container(planning.container(plan)), timeout=None)
            outcome = await runner.submit(msgspec.structs.replace(spec, out=Out(plan.directory)), stdin=request)
            told = _told(outcome)
        say(told.text.strip("\n"))
        for path in sorted(set(told.outside) - granted.paths):
            say(f"note: {path} is outside of {plan.directory}, and not kept: name it in the arguments to have it there")
        files = outcome.effects.files if isinstance(outcome, Exited) else None
        for note in files.notes if files is not None else ():
            say(f"note: {note}")
        if files is not None and files.error is not None:
            raise InfrastructureError(f"failed to keep the report of coverage: {files.error}", hint=files.hint)
        return not told.failed


def _told(outcome: Outcome) -> CoverageReport:
    """Return the report that a job has sent; raises InfrastructureError where there is none."""
    if not isinstance(outcome, Exited | Signaled | TimedOut):
        reason = getattr(outcome, "message", "the job was cancelled")
        raise InfrastructureError(f"failed to report coverage: {reason}", hint=getattr(outcome, "hint", None))
    transcript = parse(outcome.effects.result.data, outcome.effects.result.lost)
    told: CoverageReport | None = transcript.last(CoverageReport)
    if told is None:
        text = (outcome.effects.stdout.data + outcome.effects.stderr.data).decode(errors="replace").rstrip()
        how = how_it_ended(transcript.last(Ended), outcome).replace("the test's process", "pytest")
        raise InfrastructureError(f"failed to report coverage: {how}" + (f"\n{text}" if text else ""))
    return told
