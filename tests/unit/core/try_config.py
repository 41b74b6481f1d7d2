"""The configuration of a program that the tests of configuration make up."""

from __future__ import annotations

from pathlib import Path

from maelstrom_core.config import Config, Program, Value
from maelstrom_core.config_kinds import Choice, FilePath, Flag, Integer, Seconds, Size, Text, TextList

PROGRAM = Program("maelstrom-try", "try")


class TryConfig(Config):
    broker = Value(Text(), "Where the broker is.", short="b")
    slots = Value(Integer(1, 1000), "Jobs at once.", default=4)
    cache_size = Value(Size(), "Size of the cache.", default=1000)
    quick = Value(Flag(), "Hurry.", default=False)
    extra = Value(TextList(), "More.", default=())
    timeout = Value(Seconds(), "Time.", default=None)
    mood = Value(Choice("good", "bad"), "Mood.", default="good")
    place = Value(FilePath(), "Place.", factory=lambda environ: Path(environ.get("HOME", "/")), default_text="home")
