"""Who gets layers, and when: what failed with a lost broker is no fault of those that the next one sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from maelstrom_core.errors import InfrastructureError
from maelstrom_core.job import LayerDirectory
from maelstrom_core.messages import Artifact
from maelstrom_worker.background import Background
from maelstrom_worker.bringing import Bringing
from maelstrom_worker.fetcher import Fetcher

LAYERS = (Artifact("a" * 64, manifest=True),)
FOUND = (LayerDirectory("/layer", 1),)


class Later:
    """A background whose work is done when the test says so."""

    def __init__(self) -> None:
        self.todo: list[tuple[Callable[[], object], Callable[[object, BaseException | None], object]]] = []

    def run(self, work: Callable[[], object], then: Callable[[object, BaseException | None], object]) -> None:
        self.todo.append((work, then))

    def do(self) -> None:
        work, then = self.todo.pop(0)
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - for whoever waits
            then(None, error)
        else:
            then(result, None)


class Fetching:
    """A fetcher that fails as long as the broker is gone."""

    gone = True
    error: Exception = InfrastructureError("connection refused")

    def obtain(self, _artifacts: object) -> object:
        if self.gone:
            raise self.error
        return FOUND

    def renew(self) -> None:
        pass


def bringing() -> tuple[Bringing, Later, Fetching]:
    fetching, later = Fetching(), Later()
    return Bringing(cast("Fetcher", fetching), cast("Background", later)), later, fetching


def test_layers_that_cannot_be_had_are_told_to_those_who_wait() -> None:
    brought, later, _ = bringing()
    told: list[object] = []
    brought.bring(1, LAYERS, lambda layers, error: told.append((layers, error)))
    brought.bring(2, LAYERS, lambda layers, error: told.append((layers, error)))
    later.do()
    assert told == [(None, "failed to have its layers here: connection refused")] * 2
    assert not later.todo


def test_a_bug_costs_no_more_than_the_attempts_that_wait() -> None:
    brought, later, fetching = bringing()
    fetching.error = BufferError("a bug")
    told: list[object] = []
    brought.bring(1, LAYERS, lambda layers, error: told.append((layers, error)))
    with pytest.raises(BufferError):
        later.do()
    assert told == [(None, "failed to have its layers here: a bug")]
    fetching.gone = False
    brought.bring(2, LAYERS, lambda layers, error: told.append((layers, error)))
    later.do()
    assert told[1:] == [(FOUND, None)]


def test_what_a_lost_broker_did_not_give_is_asked_of_the_next_one() -> None:
    brought, later, fetching = bringing()
    told: list[object] = []
    brought.bring(1, LAYERS, lambda *_: told.append("an attempt of the lost broker"))
    brought.renew()
    brought.forget(1)
    brought.bring(2, LAYERS, lambda layers, error: told.append((layers, error)))
    later.do()
    assert told == []
    fetching.gone = False
    later.do()
    assert told == [(FOUND, None)]
