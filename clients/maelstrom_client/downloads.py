"""What people are told of downloads of images: a line while they last, and one when they are over.

Imports nothing of images but the shape of what is told.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from maelstrom_core.config_kinds import format_size

if TYPE_CHECKING:
    from maelstrom_container.images.downloads import Download

WINDOW = 5.0
"""Seconds over which a rate is measured."""
_LEAST = 0.5
_INTERVAL = 0.2
_CLEAR = b"\r\x1b[K"


class Telling:
    """The words; `clock` gives seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._samples: deque[tuple[float, int]] = deque([(self._begun, 0)])

    def line(self, download: Download) -> str:
        """Return how far one is, with the rate of the last seconds: that of what stands still falls to nothing."""
        now = self._clock()
        if now - self._samples[-1][0] >= _INTERVAL:
            self._samples.append((now, download.read))
        while len(self._samples) > 2 and now - self._samples[1][0] >= WINDOW:
            self._samples.popleft()
        then, before = self._samples[0]
        rate = f", {format_size(int((download.read - before) / (now - then)))}/s" if now - then >= _LEAST else ""
        return (
            f"downloading {download.image}: {download.done} of {_layers(download.layers)}, "
            f"{format_size(download.read)} of {format_size(download.size)}{rate}"
        )

    def summary(self, download: Download) -> str:
        """Return what is said of one that is over."""
        seconds = self._clock() - self._begun
        return (
            f"downloaded {download.image}: {_layers(download.layers)}, {format_size(download.read)} in {seconds:.1f} s"
        )


def _layers(count: int) -> str:
    return f"{count} layer" if count == 1 else f"{count} layers"


class Downloads:
    """The words for who asks from time to time; to be called as a Watch, of one image."""

    def __init__(self) -> None:
        self._telling: Telling | None = None
        self._latest: Download | None = None

    def __call__(self, download: Download) -> None:
        """Take note of how far the download is."""
        if self._telling is None:
            self._telling = Telling()
        self._latest = download

    def line(self) -> str | None:
        """Return how far it is; None if there is none, or it is over."""
        latest = self._latest
        return None if latest is None or self._telling is None or latest.over else self._telling.line(latest)

    def summary(self) -> str | None:
        """Return what is said when it is over; None if it is not."""
        latest = self._latest
        return (
            self._telling.summary(latest) if latest is not None and self._telling is not None and latest.over else None
        )


class Display:
    """Shows downloads on standard error: a line that is redrawn where that is `live`, else one when they are over.

    To be called as a Watch, and closed.
    """

    def __init__(self, stream: BinaryIO, *, name: str, live: bool) -> None:
        self._stream = stream
        self._name = name
        self._live = live
        self._mutex = threading.Lock()
        self._tellings: dict[str, Telling] = {}
        self._latest: Download | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._shown = False

    def close(self) -> None:
        """Show nothing more, and take the line away."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
        with self._mutex:
            self._latest = None
            self._draw()

    def __call__(self, download: Download) -> None:
        """Take note of how far a download is."""
        with self._mutex:
            if self._closed.is_set():
                return
            telling = self._tellings.setdefault(download.image, Telling())
            if download.over:
                self._latest = None
                self._draw()
                if not self._live:
                    self._write(f"{self._name}: {telling.summary(download)}\n".encode())
                return
            self._latest = download
            if self._live and self._thread is None:
                self._thread = threading.Thread(target=self._redraw, daemon=True)
                self._thread.start()

    def _redraw(self) -> None:
        while not self._closed.wait(_INTERVAL):
            with self._mutex:
                self._draw()

    def _draw(self) -> None:
        """Show the line as it is now, or take it away."""
        if self._latest is not None:
            text = self._tellings[self._latest.image].line(self._latest)
            self._write(_CLEAR + text.encode()[: self._width() - 1])
            self._shown = True
        elif self._shown:
            self._write(_CLEAR)
            self._shown = False

    def _width(self) -> int:
        try:
            return max(2, os.get_terminal_size(self._stream.fileno()).columns)
        except OSError:
            return 80

    def _write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError:  # nobody reads it
            self._closed.set()
