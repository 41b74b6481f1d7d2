"""Registries for the tests of images, and what downloads from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maelstrom_container.images.store import ImageOptions, ImageStore
from maelstrom_container.store import LayerStore
from tests.integration.images.common import IMAGE
from tests.support.registry import Place, missing_tools, push


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    if missing := missing_tools():
        pytest.skip(f"not installed: {', '.join(missing)}")
    return Place(tmp_path_factory.mktemp("registries"))


@pytest.fixture(scope="session")
def registry(place: Place) -> Iterator[str]:
    """Return the address of a registry that asks for nothing."""
    with place.registry() as address:
        yield address


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have credentials looked for in a directory of the test."""
    directory = tmp_path / "docker"
    directory.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(directory))
    return directory


@pytest.fixture
def images(tmp_path: Path) -> Callable[..., object]:
    """Return a function that opens the images of a run; runs share a cache and a project."""
    (tmp_path / "project").mkdir()

    @contextmanager
    def images(**options: bool) -> Iterator[ImageStore]:
        with LayerStore(tmp_path / "cache") as store:
            images = ImageStore(store, tmp_path / "cache", tmp_path / "project", ImageOptions(**options))
            try:
                yield images
            finally:
                images.close()

    return images


@pytest.fixture
def repository(registry: str, request: pytest.FixtureRequest) -> str:
    """Put IMAGE into the registry; return the name of its repository, which is the test's own."""
    name = f"test/{abs(hash(request.node.nodeid)):x}"
    push(registry, name, IMAGE)
    return name
