"""A pool of one member: what it does for one job after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.pool import Pool


@pytest.fixture
def member() -> Iterator[Pool]:
    pool = Pool(slots=1)
    yield pool
    pool.close()
