"""How far the download of an image is: what those count who download, and are told who want to show it.

Imports nothing of the project but what an archive is read from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import msgspec

from maelstrom_container.archive_stream import Readable


class Download(msgspec.Struct, frozen=True):
    """How far one is. Only what is downloaded counts, sizes in bytes as it comes; nothing of it twice."""

    image: str
    layers: int
    done: int
    """Layers that are complete, and unpacked."""
    size: int
    read: int
    over: bool = False
    """Whether all has come. One that fails is never over."""


Watch = Callable[[Download], object]
"""Called by the threads that download, one at a time for each image, and often: it must be quick."""


class Count:
    """The layers of an image that are missing, by number; may be used by any thread."""

    def __init__(self, image: str, sizes: Mapping[int, int], watch: Watch) -> None:
        self._image = image
        self._sizes = dict(sizes)
        self._read = dict.fromkeys(sizes, 0)
        self._done: set[int] = set()
        self._watch = watch
        self._mutex = threading.Lock()

    def __contains__(self, layer: int) -> bool:
        """Tell whether a layer was missing when counting began."""
        with self._mutex:
            return layer in self._sizes

    def came(self, layer: int, count: int) -> None:
        """Take note of so many bytes of a layer."""
        with self._mutex:
            self._read[layer] += count
            self._tell()

    def complete(self, layer: int) -> None:
        """Take note that a layer is complete."""
        with self._mutex:
            self._read[layer] = self._sizes[layer]
            self._done.add(layer)
            self._tell()

    def not_needed(self, layer: int) -> None:
        """Take note that somebody else has downloaded a layer meanwhile."""
        with self._mutex:
            del self._sizes[layer], self._read[layer]
            self._tell()

    def over(self) -> None:
        """Take note that nothing more will come, if anything has."""
        with self._mutex:
            if self._done:
                self._tell(over=True)

    def _tell(self, *, over: bool = False) -> None:
        sizes, read = self._sizes, self._read
        self._watch(
            Download(self._image, len(sizes), len(self._done), sum(sizes.values()), sum(read.values()), over=over)
        )


class CountedStream:
    """An archive as it is read, by somebody who is told how much of it has come."""

    def __init__(self, stream: Readable, came: Callable[[int], object]) -> None:
        self._stream = stream
        self._came = came

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer at the end."""
        data = self._stream.read(size)
        self._came(len(data))
        return data
