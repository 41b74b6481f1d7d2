"""A value that one thread makes and others wait for."""

from __future__ import annotations

import threading

import pytest

from maelstrom_container.promise import Promise


def test_all_who_wait_get_the_value() -> None:
    promise: Promise[int] = Promise()
    got: list[int] = []
    threads = [threading.Thread(target=lambda: got.append(promise.wait())) for _ in range(3)]
    for thread in threads:
        thread.start()
    promise.keep(7)
    for thread in threads:
        thread.join()
    assert got == [7, 7, 7]


def test_a_broken_promise_raises_for_all_who_wait() -> None:
    promise: Promise[int] = Promise()
    promise.break_(LookupError("gone"))
    for _ in range(2):
        with pytest.raises(LookupError, match="gone"):
            promise.wait()
