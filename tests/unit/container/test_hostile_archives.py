"""Hostile archives, as the `tar` of a layer: nothing outside is touched; an error, or what is written down."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from maelstrom_container.store import LayerStore
from maelstrom_core.errors import SpecError
from maelstrom_core.job import LayerDirectory
from maelstrom_core.spec import TarLayer
from tests.support.archives import listing
from tests.support.hostile_archives import CASES, Case


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LayerStore]:
    """Return a store for all cases; beside it lies what they must not touch."""
    with LayerStore(tmp_path_factory.mktemp("caches") / "cache") as store:
        yield store


class Surroundings:
    """What is around a store: the directories on the way to a layer, a file that archives name as `outside`."""

    def __init__(self, root: Path) -> None:
        self._root = root.parent
        layers = root / "layers"
        self._outside = [each / "outside" for each in (layers / "tmp", layers / "blake3" / "layer", self._root)]
        for path in self._outside:
            path.write_text("untouched")
        self._before = self._look()

    def check(self) -> None:
        assert self._look() == self._before
        assert [path.read_text() for path in self._outside] == ["untouched"] * 3

    def _look(self) -> dict[bytes, str]:
        # what was published, the digests of archives and what is being deleted are the business of the store
        business = re.compile(rb"(.*/[0-9a-f]{64}|.*/removing)(/.*|\.size)?|.*\.sqlite3.*", re.DOTALL)
        found = {}
        for path, names, files in os.walk(os.fsencode(self._root)):
            names[:] = [name for name in names if not business.fullmatch(path + b"/" + name)]
            for name in [*names, *files]:
                if not business.fullmatch(path + b"/" + name):
                    status = os.lstat(path + b"/" + name)
                    found[path + b"/" + name] = f"{status.st_mode:o} {status.st_ino}"
                    if not stat.S_ISDIR(status.st_mode):
                        found[path + b"/" + name] += f" {status.st_nlink} {status.st_mtime_ns}"
        return found


def realise(store: LayerStore, data: bytes, project: Path) -> Path:
    (project / "layer.tar").write_bytes(data)
    (layer,) = store.realise(TarLayer("layer.tar"), project_directory=project)
    assert isinstance(layer, LayerDirectory)
    return Path(layer.path)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_an_archive_is_an_error_or_what_is_written_down(store: LayerStore, tmp_path: Path, case: Case) -> None:
    surroundings = Surroundings(store._root)
    project = tmp_path / "project"
    project.mkdir()
    if case.error is not None:
        with pytest.raises(SpecError, match=case.error) as raised:
            realise(store, case.data, project)
        assert raised.value.message.startswith(f"failed to unpack {project}/layer.tar: ")
        assert raised.value.message.isprintable()
        assert len(raised.value.message) < 1000
    else:
        found = listing(realise(store, case.data, project))
        assert found.keys() == case.tree.keys()
        wrong = {path: text for path, text in found.items() if not text.startswith(case.tree[path])}
        assert wrong == {}
        if not any("overlay" in text for text in case.tree.values()):
            assert not any("user." in text for text in found.values())
    surroundings.check()
    assert os.listdir(tmp_path) == ["project"]
