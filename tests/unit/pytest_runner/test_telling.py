"""A verdict as an event: test cases of a JUnit report only where somebody wants them."""

from __future__ import annotations

import pytest

from maelstrom_pytest.telling import Teller
from maelstrom_pytest.verdict import Verdict
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.stream import EventStream
from tests.unit.pytest_runner.builders import item, phases


class Told:
    """A consumer that keeps what it is told."""

    def __init__(self) -> None:
        self.events = []

    def take(self, event, _state):
        self.events.append(event)

    def tick(self, _at, _state):
        pass

    def close(self):
        pass


@pytest.mark.parametrize("cases", [True, False])
def test_cases_are_told_where_they_are_wanted(cases):
    told = Told()
    Teller(EventStream(lambda: 0.0, [told]), cases=cases).finished(item(), Verdict(Status.PASSED, tuple(phases())))
    assert [(event.status, [case.name for case in event.cases]) for event in told.events] == [
        (Status.PASSED, ["test_x"] if cases else [])
    ]
