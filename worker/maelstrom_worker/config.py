"""What maelstrom-worker can be configured with; importing this is cheap."""

from __future__ import annotations

from maelstrom_core.config import LocalConfig, Program, Value
from maelstrom_core.config_cluster import ToBroker
from maelstrom_core.config_kinds import HostPort, Size, Text, TextList

PROGRAM = Program("maelstrom-worker", "worker")


class WorkerConfig(ToBroker, LocalConfig):
    """What can be configured."""

    name = Value(Text(), "What this worker is called.", default=None, default_text="the machine's name")
    labels = Value(
        TextList(),
        "What jobs may require of their worker, besides arch:... of this machine; each may hold several, by spaces.",
        default=(),
    )
    memory = Value(
        Size(),
        "Bytes that jobs which require memory may have together.",
        default=None,
        default_text="the memory of this machine",
    )
    output_size = Value(
        Size(),
        "Bytes of disk, below the cache directory, for output of jobs that exceeds what comes with their results, until"
        " it is sent to the broker; of all slots together.",
        default=4_000_000_000,
        default_text="4 GB",
    )
    stats = Value(
        HostPort(),
        "Serve /stats, /metrics and /healthz there; port 0 means any that is free. Beyond the loopback interface"
        " --tls-cert is needed, and the token of a monitor, which the credentials file must hold.",
        default=None,
    )
