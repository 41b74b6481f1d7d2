"""^C between two events instead of between two instructions, so that whoever cleans up finds everything in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from maelstrom_worker.blocking import BlockingLoop


@contextmanager
def orderly_interrupts(loop: BlockingLoop) -> Iterator[None]:
    """Raise KeyboardInterrupt in a turn of the loop; at the second SIGINT wherever we are.

    As in asyncio, nothing is done where SIGINT is not Python's to handle: a program in the background ignores it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    interrupts = 0

    def interrupted(*_: object) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            raise KeyboardInterrupt
        os.eventfd_write(bell, 1)

    def tell() -> NoReturn:
        os.eventfd_read(bell)
        raise KeyboardInterrupt

    loop.add_reader(bell, tell)
    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        loop.remove_reader(bell)
        os.close(bell)
