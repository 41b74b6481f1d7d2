"""What can be configured of maelstrom-pytest, and pytest's arguments from the command line.

For `--help`, too, so it must be cheap: imports nothing but declarations of configurations.
"""

from __future__ import annotations

from maelstrom_core.config import Program, Value
from maelstrom_core.config_kinds import Choice, Flag, Integer, Text, TextList
from maelstrom_test_runner.config import RunnerConfig

PROGRAM = Program("maelstrom-pytest", "pytest")
FILE_NAME = "maelstrom-pytest.toml"
ISOLATION = ("test", "function", "class", "module", "session", "auto")
"""The values of `plan.Isolation`, which is not imported just to name them."""


class PytestConfig(RunnerConfig):
    """What can be configured."""

    python = Value(
        Text(),
        "Interpreter that runs the tests.",
        default=None,
        default_text="the active environment's, the project's .venv, python3; of an image: python3",
    )
    image = Value(
        Text(),
        "Run the tests in containers of this image: docker://[HOST/]NAME[:TAG], oci:DIRECTORY[:TAG] or "
        "oci-archive:FILE[:TAG].",
        default=None,
        default_text="this machine, sealed",
    )
    requirements = Value(
        TextList(),
        "Files of what pip installs on top of the image.",
        default=None,
        default_text="test-requirements.txt, requirements-test.txt, or the test group of pyproject.toml",
    )
    pip_options = Value(TextList(), "Further options of `pip install`.", default=())
    isolation = Value(Choice(*ISOLATION), "How much shares one process and one container.", default="test")
    template = Value(Flag(), "Fork tests from a process that has loaded pytest and their file.", default=True)
    verify_templates = Value(
        Integer(0), "Run this many tests without a template as well, and compare the verdicts.", default=0
    )
    collection_cache = Value(Flag(), "Do not collect anew what has not changed since the last run.", default=True)
    pdb = Value(
        Flag(), "Run a test that fails, or comes to a breakpoint, once more with pdb on this terminal.", default=False
    )


def pytest_arguments(
    selection: tuple[str, ...], keyword: str | None, markers: str | None, extra: tuple[str, ...]
) -> tuple[str, ...]:
    """Return pytest's command line; what stood behind "--" comes last, where it can swallow nothing of ours."""
    keywords = ("-k", keyword) if keyword is not None else ()
    marks = ("-m", markers) if markers is not None else ()
    return (*selection, *keywords, *marks, *extra)
