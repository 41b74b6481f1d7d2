"""Work that would hold up an event loop, done in threads; what comes of it is told in the loop's own thread.

Any loop will do that waits for descriptors. Imports no asyncio and no concurrent.futures: they cost more to import than
many a job takes.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from maelstrom_worker.supervisor import Loop

THREADS = 8

Then = Callable[[Any, BaseException | None], object]
"""Takes the result, or None and the exception."""


class Background:
    """A few threads, made when they are needed; close it to have them end."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._todo: SimpleQueue[tuple[Callable[[], object], Then] | None] = SimpleQueue()
        self._done: deque[tuple[Then, object, BaseException | None]] = deque()
        self._posted: deque[Callable[[], object]] = deque()
        self._mutex = threading.Lock()
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        loop.add_reader(self._bell, self._tell)

    def run(self, work: Callable[[], object], then: Then) -> None:
        """Have `work` called in a thread and `then`, later, in this one."""
        self._unfinished += 1
        self._todo.put((work, then))
        if len(self._threads) < min(self._unfinished, THREADS):
            thread = threading.Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()

    def post(self, call: Callable[[], object]) -> None:
        """Have something called in the loop's own thread, in a later turn, from any thread; not after `close`."""
        self._posted.append(call)
        self._ring()

    def close(self) -> None:
        """Begin nothing more, tell nothing more, wait for what has begun."""
        self._loop.remove_reader(self._bell)
        with contextlib.suppress(Empty):
            while True:
                self._todo.get_nowait()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()
        with self._mutex:
            self._closed = True
            os.close(self._bell)

    def _work(self) -> None:
        while (item := self._todo.get()) is not None:
            work, then = item
            try:
                result, failure = work(), None
            except BaseException as error:  # noqa: BLE001 - for whoever waits
                result, failure = None, error
            self._done.append((then, result, failure))
            self._ring()

    def _ring(self) -> None:
        with self._mutex:
            if not self._closed:
                os.eventfd_write(self._bell, 1)

    def _tell(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        for _ in range(len(self._posted)):  # what they post has a turn of its own
            self._posted.popleft()()
        while self._done:
            then, result, error = self._done.popleft()
            self._unfinished -= 1
            then(result, error)
