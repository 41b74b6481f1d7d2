"""Work in threads, told in the loop's own thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from maelstrom_worker.background import THREADS, Background
from maelstrom_worker.blocking import BlockingLoop

TIMEOUT = 20


class Told:
    """What was told, and in which threads."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self.threads: set[int] = set()

    def __call__(self, result: object, error: BaseException | None) -> None:
        self.values.append(result if error is None else error)
        self.threads.add(threading.get_ident())


@pytest.fixture
def loop() -> BlockingLoop:
    return BlockingLoop()


@pytest.fixture
def background(loop: BlockingLoop) -> Iterator[Background]:
    background = Background(loop)
    yield background
    background.close()


def test_results_and_errors_are_told_in_the_loops_thread(loop: BlockingLoop, background: Background) -> None:
    told = Told()
    error = ValueError("wrong")

    def fail() -> object:
        raise error

    background.run(lambda: 1, told)
    background.run(fail, told)
    while len(told.values) < 2:
        loop.run_once()
    assert set(told.values) == {1, error}
    assert told.threads == {threading.get_ident()}


def test_work_is_done_side_by_side(loop: BlockingLoop, background: Background) -> None:
    told = Told()
    barrier = threading.Barrier(THREADS)
    for _ in range(2 * THREADS):
        background.run(lambda: barrier.wait(TIMEOUT) >= 0, told)
    while len(told.values) < 2 * THREADS:
        loop.run_once()
    assert told.values == [True] * (2 * THREADS)


def test_the_end_waits_for_what_has_begun_and_begins_nothing(loop: BlockingLoop) -> None:
    background = Background(loop)
    told = Told()
    begun, go_on = threading.Semaphore(0), threading.Event()
    ended: list[bool] = []

    def work() -> None:
        begun.release()
        ended.append(go_on.wait(TIMEOUT))

    for _ in range(THREADS + 5):
        background.run(work, told)
    for _ in range(THREADS):
        begun.acquire()
    threading.Timer(0.05, go_on.set).start()
    background.close()
    assert ended == [True] * THREADS
    assert told.values == []
