"""Results in the order of the jobs: what is over early is held until its turn. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from maelstrom_run.task import Finished


class Ordered:
    """Gives results out in the order of their numbers, which begin with 1 and leave none out."""

    def __init__(self) -> None:
        self._next = 1
        self._held: dict[int, Finished | None] = {}
        self.size = 0
        """Bytes of output that are held."""

    def __len__(self) -> int:
        return len(self._held)

    def add(self, finished: Finished) -> Iterator[Finished]:
        """Take a result; yield those whose turn it is."""
        self._held[finished.task.number] = finished
        self.size += _size(finished)
        return self._due()

    def skip(self, number: int) -> Iterator[Finished]:
        """Say that a job has no result; yield those whose turn it is then."""
        self._held[number] = None
        return self._due()

    def rest(self) -> list[Finished]:
        """Return what is held, in order, whatever is missing between."""
        rest = [finished for _, finished in sorted(self._held.items()) if finished is not None]
        self._held.clear()
        return rest

    def _due(self) -> Iterator[Finished]:
        while self._next in self._held:
            finished = self._held.pop(self._next)
            self._next += 1
            if finished is not None:
                self.size -= _size(finished)
                yield finished


def _size(finished: Finished) -> int:
    return len(finished.effects.stdout.data) + len(finished.effects.stderr.data)
