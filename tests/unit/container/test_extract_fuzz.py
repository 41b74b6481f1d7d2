"""A short run of the fuzz target of the extractor, and its corpus; see tests/fuzz."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.make_corpus import CORPUS, archives
from tests.fuzz.target import check

HOUSE = Path(__file__).parents[3]
INPUTS = int(os.environ.get("MAELSTROM_TEST_FUZZ_INPUTS", "500"))


def test_the_corpus_is_what_the_script_makes():
    """Compressed ones may differ by the version of the compressor."""
    kept = {path.name: path.read_bytes() for path in CORPUS.iterdir()}
    plain = {name: data for name, data in archives().items() if b"ustar" in data}
    assert plain
    assert {name for name, data in plain.items() if kept.get(name) != data} == set()
    assert archives().keys() <= kept.keys()


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.stem)
def test_each_of_the_corpus_holds(path, tmp_path):
    assert check(path.read_bytes(), tmp_path)


def test_what_chance_makes_of_the_corpus_holds(tmp_path):
    roots = [str(HOUSE / name) for name in ("core", "container", "")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--inputs", str(INPUTS), "--seed", "1"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(roots)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = {line.split(maxsplit=1)[1]: int(line.split()[0]) for line in done.stdout.splitlines() if line[0] == " "}
    assert sum(counts.values()) == INPUTS
    # the mutations reach what lies behind the first look: many kinds of errors, and many that are none
    assert counts["unpacked"] > INPUTS // 20
    assert len(counts) > 10
