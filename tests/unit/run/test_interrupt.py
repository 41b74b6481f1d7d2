"""^C is raised by a turn of the loop, the second one at once."""

from __future__ import annotations

import signal

import pytest

from maelstrom_run.interrupt import orderly_interrupts
from maelstrom_worker.blocking import BlockingLoop


@pytest.fixture(autouse=True)
def pythons_handler():
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


def test_the_first_is_raised_by_a_turn_of_the_loop():
    loop = BlockingLoop()
    with orderly_interrupts(loop):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            loop.run_once()
        loop.run_once(wait=False)


def test_the_second_is_raised_at_once():
    with orderly_interrupts(BlockingLoop()):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_all_is_as_before_afterwards():
    with orderly_interrupts(BlockingLoop()):
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_ignores_it_goes_on_ignoring_it():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with orderly_interrupts(BlockingLoop()):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
