"""The programs with one home, and so one cache, for all tests of a test process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs import Programs


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("home"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return an empty directory to work in."""
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


@pytest.fixture
def fresh(tmp_path: Path) -> Programs:
    """Return programs with an empty cache of their own, so that layers are made."""
    home = tmp_path / "home"
    home.mkdir()
    return Programs(home)
