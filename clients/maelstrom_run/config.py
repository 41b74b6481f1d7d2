"""What maelstrom-run can be configured with; importing this is cheap."""

from __future__ import annotations

from maelstrom_core.config import Program, Value
from maelstrom_core.config_cluster import ClientConfig
from maelstrom_core.config_kinds import Flag, Integer, Seconds, Size
from maelstrom_core.escape_character import DEFAULT, EscapeCharacter

PROGRAM = Program("maelstrom-run", "run")


class RunConfig(ClientConfig):
    """What can be configured."""

    output_limit = Value(
        Size(),
        "Bytes that are kept of a job's standard output, and of its standard error.",
        default=64_000_000,
        default_text="64 MB",
    )
    timeout = Value(Seconds(), "Kill jobs after this time, whatever they say themselves; 0 means never.", default=None)
    escape_char = Value(
        EscapeCharacter(),
        "With --tty: the character that begins a command (^C quits, ^Z suspends, itself is itself).",
        default=DEFAULT,
    )
    retries = Value(Integer(0, 1000), "Run a job of many that fails again, up to this many times.", default=0)
    stop_after = Value(
        Integer(0),
        "Stop after this many of many jobs have failed, and stop what runs; 0 means never.",
        default=0,
        short="s",
    )
    progress = Value(
        Flag(),
        "Tell of downloads of images; on a terminal show how far they are, and how far a run of many jobs is.",
        default=True,
    )
