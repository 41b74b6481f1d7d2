"""Writes the corpus: the small ones among the archives of the suite. `python -m tests.fuzz.make_corpus`."""

from __future__ import annotations

from pathlib import Path

from tests.support.hostile_archives import CASES

CORPUS = Path(__file__).with_name("corpus")
LARGEST = 6 << 10


def archives() -> dict[str, bytes]:
    """Return the archives of the corpus by file name."""
    return {f"{name}.tar": case.data for name, case in CASES.items() if 0 < len(case.data) <= LARGEST}


def main() -> None:
    """Write them all; what else is in the corpus stays."""
    CORPUS.mkdir(exist_ok=True)
    for name, data in archives().items():
        (CORPUS / name).write_bytes(data)


if __name__ == "__main__":
    main()
