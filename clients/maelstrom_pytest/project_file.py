"""The project's file of maelstrom-pytest: where it is looked for, and what it may say."""

from __future__ import annotations

from pathlib import Path

from maelstrom_pytest.config import FILE_NAME, PytestConfig
from maelstrom_pytest.rules import LANGUAGE
from maelstrom_pytest.shown import find_root
from maelstrom_test_runner.directives import Directives
from maelstrom_test_runner.runner_file import RunnerFile, find, load


def read(directory: Path) -> RunnerFile:
    """Return the file that counts for tests that are called in a directory, or what stands for none.

    Raises ConfigError.
    """
    path = find(FILE_NAME, directory, find_root(directory))
    if path is None:
        return RunnerFile(Directives())
    return load(path, LANGUAGE, [value.key for value in PytestConfig.schema()])
