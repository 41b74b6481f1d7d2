"""What is known of tests when they are handed out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from maelstrom_core.spec import ContainerSpec, JobSpec
from maelstrom_pytest.records import Item
from maelstrom_pytest.rules import Site
from maelstrom_pytest.works import Work, ranked
from maelstrom_test_runner.history import Past
from tests.unit.pytest_runner.builders import item, plan


def known(past: Past | None) -> Callable[[Item], Past | None]:
    return lambda _item: past


@pytest.mark.parametrize(
    ("past", "priority", "estimate"),
    [
        (Past(1.5, failed=False), 0, 1.5),
        (Past(2.5, failed=True), 1, 2.5),
        (Past(None, failed=True), 1, None),
        (None, 0, None),
    ],
)
def test_ap21_what_failed_is_wanted_first_and_what_took_how_long_is_known(past, priority, estimate):
    common = plan()
    work = Work((item("a.py::t"),), Site(common, ContainerSpec()))
    job = ranked(JobSpec(container=ContainerSpec(), program="x"), work, known(past), lambda _file: False)
    assert (job.priority, job.estimated_duration) == (priority, estimate)
