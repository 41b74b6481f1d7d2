"""What programs log of their work, at no cost for who does not want to see it: nothing is imported then.

    listen("debug")                             # a program, once; --log-level
    log.info("pool member lost", member=3)
    if log.threshold <= log.DEBUG:              # where even the call would count
        log.debug("job started", job=7)

Imports nothing of the project but, where somebody listens, `log_format`.
"""

from __future__ import annotations

import sys

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
LEVELS = {"error": ERROR, "warning": WARNING, "info": INFO, "debug": DEBUG}
"""The names of levels, as they are configured; the numbers are those of `logging`."""

threshold = WARNING
"""The least level that somebody wants to see."""


def listen(level: str) -> None:
    """Have messages of a level, and above, shown on standard error from now on. May be called again."""
    global threshold  # noqa: PLW0603 - one for a process, as its standard error
    threshold = LEVELS[level]
    if threshold < WARNING:
        from maelstrom_core.log_format import set_up

        set_up(threshold)


def info(message: str, **values: object) -> None:
    """Log what users may want to know now and then: what took long, what went wrong and was mended."""
    if threshold <= INFO:
        _log(INFO, message, values)


def debug(message: str, **values: object) -> None:
    """Log what somebody wants to know who looks for a fault: every step."""
    if threshold <= DEBUG:
        _log(DEBUG, message, values)


def _log(level: int, message: str, values: dict[str, object]) -> None:
    import logging

    from maelstrom_core.log_format import fields

    caller = sys._getframe(2).f_globals["__name__"]  # noqa: SLF001 - as `logging` does
    logging.getLogger(caller).log(level, message, extra=fields(**values))
