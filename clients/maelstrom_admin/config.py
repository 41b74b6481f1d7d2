"""What maelstrom-admin can be configured with; importing this is cheap."""

from __future__ import annotations

from maelstrom_core.config import LoggingConfig, Program
from maelstrom_core.config_cluster import ToBroker

PROGRAM = Program("maelstrom-admin", "admin")


class AdminConfig(ToBroker, LoggingConfig):
    """What can be configured."""
