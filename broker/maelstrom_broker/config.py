"""What maelstrom-broker can be configured with; importing this is cheap."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from maelstrom_core.config import LoggingConfig, Program, Value, cache_directory
from maelstrom_core.config_kinds import FilePath, Integer, Size

PROGRAM = Program("maelstrom-broker", "broker")


def token_path(environ: Mapping[str, str]) -> Path:
    """Return where the token is unless told otherwise: in XDG_STATE_HOME; a relative one is ignored, as XDG wants."""
    base = Path(environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = Path(environ.get("HOME") or os.path.expanduser("~")) / ".local" / "state"
    return base / "maelstrom" / "broker" / "token"


def store_path(environ: Mapping[str, str]) -> Path:
    """Return where artifacts are unless told otherwise: beside the caches of other programs."""
    return cache_directory(environ) / "broker"


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
    store = Value(
        FilePath(),
        "Directory for artifacts: what clients' jobs need, kept for workers. One broker uses it at a time.",
        factory=store_path,
        default_text="maelstrom/broker in the user's directory for caches",
    )
    store_size = Value(
        Size(),
        "Size of the store, at most: what was used longest ago makes room, unless a job needs it.",
        default=10_000_000_000,
    )
