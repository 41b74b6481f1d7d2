"""The passing of time and the size of the terminal, from the event loop to a stream of events."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import Iterator

from maelstrom_test_runner.stream import TICK, EventStream


@contextlib.contextmanager
def ticking(stream: EventStream) -> Iterator[None]:
    """Let displays know that time passes, and how large the terminal is, while the block runs."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def tick() -> None:
        nonlocal timer
        stream.pass_time()
        timer = loop.call_later(TICK, tick)

    def resized() -> None:
        size = shutil.get_terminal_size()
        stream.resized(size.columns, size.lines)

    tick()
    loop.add_signal_handler(signal.SIGWINCH, resized)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
        if timer is not None:
            timer.cancel()
