"""What maelstrom-run can be configured with; importing this is cheap."""

from __future__ import annotations

from maelstrom_core.config import ImagesConfig, Program, Value
from maelstrom_core.config_kinds import Seconds

PROGRAM = Program("maelstrom-run", "run")


class RunConfig(ImagesConfig):
    """What can be configured."""

    timeout = Value(Seconds(), "Kill jobs after this time, whatever they say themselves; 0 means never.", default=None)
