"""What maelstrom-broker can be configured with; importing this is cheap."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from maelstrom_core.config import LoggingConfig, Program, Value
from maelstrom_core.config_kinds import FilePath, Integer

PROGRAM = Program("maelstrom-broker", "broker")


def token_path(environ: Mapping[str, str]) -> Path:
    """Return where the token is unless told otherwise: in XDG_STATE_HOME; a relative one is ignored, as XDG wants."""
    base = Path(environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = Path(environ.get("HOME") or os.path.expanduser("~")) / ".local" / "state"
    return base / "maelstrom" / "broker" / "token"


class BrokerConfig(LoggingConfig):
    """What can be configured."""

    port = Value(
        Integer(0, 65535), "TCP port of the loopback interface; 0 means any that is free.", default=0, short="p"
    )
    token_file = Value(
        FilePath(),
        "File with the token that whoever connects must have; made, with a random one, if it is not there.",
        factory=token_path,
        default_text="maelstrom/broker/token in the user's directory for state",
    )
