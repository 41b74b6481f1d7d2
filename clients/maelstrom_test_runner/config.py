"""What can be configured of every test runner. For `--help`, too, so it must be cheap."""

from __future__ import annotations

from maelstrom_core.config import ImagesConfig, Value
from maelstrom_core.config_kinds import Choice, FilePath, Integer, Seconds

UI = ("auto", "simple", "quiet", "fancy")


class RunnerConfig(ImagesConfig):
    """What can be configured."""

    ui = Value(
        Choice(*UI),
        "How the run is shown: a line for each test (simple), only what failed (quiet), or what runs now (fancy).",
        default="auto",
        default_text="fancy on a terminal, else simple",
    )
    durations = Value(Integer(0), "Name this many of the slowest tests at the end.", default=0)
    timeout = Value(Seconds(), "Stop a test after this time; 0 means never.", default=None, short="t")
    stop_after = Value(Integer(0), "Stop after this many failures; 0 means never.", default=0, short="s")
    junit_xml = Value(FilePath(), "Write a JUnit report to this file.", default=None)
    trace = Value(FilePath(), "Write a timeline to this file, for Perfetto or chrome://tracing.", default=None)
    github = Value(
        Choice("auto", "yes", "no"),
        "Annotate failures for GitHub, and write a summary of the step.",
        default="auto",
        default_text="in its Actions only",
    )
    report = Value(
        FilePath(), "Write all that happens to this file, as JSON lines, which --replay shows again.", default=None
    )
