"""Logging to the terminal: `Mon DD HH:MM:SS.mmm LEVEL message, key: value`.

Who logs something calls `log`, which imports this where somebody wants to see it.
"""

from __future__ import annotations

import logging
import time
from typing import TextIO

PACKAGES = (
    *(f"maelstrom_{name}" for name in ("core", "container", "worker", "broker", "client")),
    *(f"maelstrom_{name}" for name in ("test_runner", "pytest", "go_test", "run", "admin")),
    "cargo_maelstrom",
)
"""Those whose messages are ours; what others log is shown from warnings on."""
_FIELDS = "maelstrom_fields"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def fields(**values: object) -> dict[str, object]:
    """Return the `extra` of a log call: what is printed as `key: value` after the message."""
    return {_FIELDS: values}


def set_up(threshold: int, stream: TextIO | None = None) -> None:
    """Send messages of a level and above to `stream`, standard error unless given; may be called again.

    Levels are the numbers of `logging`. Whatever other libraries log is shown from warnings on.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TerminalFormatter())
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old.formatter, TerminalFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(threshold, logging.WARNING))
    for package in PACKAGES:
        logging.getLogger(package).setLevel(threshold)


class TerminalFormatter(logging.Formatter):
    """One record, one line (and a traceback, if there is one); control characters are made visible."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record, in local time."""
        moment = time.localtime(record.created)
        text = (
            f"{_MONTHS[moment.tm_mon - 1]} {moment.tm_mday:02} "
            f"{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}.{int(record.msecs):03} "
            f"{record.levelname} {record.getMessage()}"
        )
        values: dict[str, object] = getattr(record, _FIELDS, {})
        text += "".join(f", {key}: {value}" for key, value in values.items())
        text = text.translate(_CONTROL)
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text
