"""What can be configured of every test runner. For `--help`, too, so it must be cheap."""

from __future__ import annotations

from maelstrom_core.config import Value
from maelstrom_core.config_cluster import ClientConfig
from maelstrom_core.config_kinds import Choice, FilePath, Flag, Integer, Seconds, Size
from maelstrom_core.escape_character import DEFAULT, EscapeCharacter

UI = ("auto", "simple", "quiet", "fancy")


def isolation_value(widest: str) -> Value[str]:
    """Return what says how much shares one job; `widest` is the runner's word for `native.Isolation.BINARY`."""
    return Value(Choice("test", widest, "auto"), "How much shares one process and one container.", default="test")


class RunnerConfig(ClientConfig):
    """What can be configured."""

    ui = Value(
        Choice(*UI),
        "How the run is shown: a line for each test (simple), only what failed (quiet), or what runs now (fancy).",
        default="auto",
        default_text="fancy on a terminal, else simple",
    )
    durations = Value(Integer(0), "Name this many of the slowest tests at the end.", default=0)
    timeout = Value(
        Seconds(),
        "Stop a test after this time, whatever directives say; 0 means never.",
        default=None,
        default_text="what directives say",
        short="t",
    )
    timeout_grace = Value(
        Seconds(),
        "When its time is up, send a test SIGABRT, at which pytest and Go show where it is; kill it this much later.",
        default=1.0,
    )
    show_output = Value(Flag(), "Show what tests write while they run, line by line.", default=False)
    slow_after = Value(Seconds(), "Name a test that has been running for this time; 0 means never.", default=0.0)
    repeat = Value(Integer(1, 1_000_000), "Run each test this many times.", default=1, short="r")
    retries = Value(
        Integer(0, 1000), "Run a test that fails this many times more; it is FLAKY if it passes then.", default=0
    )
    fail_flaky = Value(Flag(), "End with exit code 1 if a test is FLAKY.", default=False)
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
    hermetic = Value(
        Flag(),
        "Run tests in minimal containers: of this machine what is installed, but neither /etc nor variables; no "
        "network; a root that cannot be written to.",
        default=False,
    )
    seccomp = Value(Flag(), "Refuse to tests what ordinary programs do not do: namespaces, mounts, bpf.", default=True)
    escape_char = Value(
        EscapeCharacter(),
        "With --shell (and --pdb, for pytest): the character that begins a command (^C quits, ^Z suspends, itself is "
        "itself).",
        default=DEFAULT,
    )
    memory = Value(
        Size(), "Kill a test that uses more memory than this, where cgroups are delegated; 0 means any.", default=0
    )
