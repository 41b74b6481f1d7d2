"""layer, layer-rebuild: making a layer of 5,000 files, against cp; and making it again when one file has changed.

Measured is what a run pays: opening the cache, having the layer, closing the cache. The files are between 1 and 10 KB,
in 100 directories, and were written some time ago, as a project's are.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ci.bench.measure import Bench, Sample, paired
from ci.bench.programs import BUILD, run

if TYPE_CHECKING:
    from maelstrom_core.job import RealisedLayer

DIRECTORIES = 100
FILES = 50
SETTLING = 0.1
"""Seconds after which a file's times are trusted."""


class Place:
    """A project, a cache and a copy, in a directory of their own beside each other."""

    def __init__(self, root: Path) -> None:
        self.root, self.project, self.cache = root, root / "project", root / "cache"
        self.numbers = itertools.count()
        for directory in range(DIRECTORIES):
            folder = self.project / "src" / f"group{directory % 10}" / f"package{directory}"
            folder.mkdir(parents=True)
            for file in range(FILES):
                (folder / f"module{file}.py").write_text(f"# {directory} {file}\n" * (60 + 12 * file))
        time.sleep(SETTLING)

    def build(self) -> tuple[float, tuple[RealisedLayer, ...]]:
        """Realise the layer; return milliseconds, and what it became."""
        from maelstrom_container.store import LayerStore
        from maelstrom_core.spec import GlobLayer

        start = time.perf_counter()
        with LayerStore(self.cache) as store:
            realised = store.realise(GlobLayer(glob="src/**"), project_directory=self.project)
        return (time.perf_counter() - start) * 1e3, realised

    def first_build(self) -> float:
        """Return milliseconds of a build with a new cache."""
        self.cache = self.fresh("cache")
        return self.build()[0]

    def change(self, text: str) -> None:
        """Change one file of the project."""
        (self.project / "src/group7/package17/module3.py").write_text(text)
        time.sleep(SETTLING)

    def cp(self) -> float:
        """Return milliseconds of cp."""
        copy = self.fresh("copy")
        start = time.perf_counter()
        run(["cp", "-a", "--reflink=auto", str(self.project), str(copy)])
        return (time.perf_counter() - start) * 1e3

    def fresh(self, name: str) -> Path:
        """Return a path where nothing is. They go at the end: ext4 is slow where much was deleted just before."""
        return self.root / f"{name}{next(self.numbers)}"


@contextmanager
def place() -> Iterator[Place]:
    """Yield a place of its own, on the disk that benchmarks use."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="layer-") as root:
        yield Place(Path(root))


@contextmanager
def first_and_cp() -> Iterator[tuple[Sample, Sample]]:
    """Yield the first build, and cp."""
    with place() as here:
        yield here.first_build, here.cp


@contextmanager
def rebuild_and_first() -> Iterator[tuple[Sample, Sample]]:
    """Yield the build after one file has changed, and the first build; each rebuild follows one of those."""
    with place() as here:
        contents = itertools.count()
        here.first_build()

        def rebuild() -> float:
            here.change(f"changed = {next(contents)}\n")
            return here.build()[0]

        yield rebuild, here.first_build


_ours, _reference = paired(first_and_cp)
FIRST = Bench(
    name="layer",
    what=f"first build of a layer of {DIRECTORIES * FILES} files; cp -a --reflink=auto",
    unit="ms",
    better="less",
    reach=1.5,
    ours=_ours,
    reference=_reference,
)
_ours, _reference = paired(rebuild_and_first)
REBUILD = Bench(
    name="layer-rebuild",
    what="its build after one file was changed; its first build",
    unit="ms",
    better="less",
    reach=0.05,
    ours=_ours,
    reference=_reference,
)
