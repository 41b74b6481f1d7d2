"""Signals as events of a loop: told between two calls, where everything is in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from typing import Any

from maelstrom_client.terminal.loop import SessionLoop


class Signals:
    """Has `hear` called with the number of each signal, in a turn of the loop, until `close`.

    Those that are ignored stay so: somebody wants us to survive them, as `nohup` does.
    """

    def __init__(self, loop: SessionLoop, numbers: Iterable[signal.Signals], hear: Callable[[int], object]) -> None:
        self._loop = loop
        self._hear = hear
        self._ear, self._mouth = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before: dict[int, Any] = {}
        loop.add_reader(self._ear, self._on_signal)
        self._wakeup = signal.set_wakeup_fd(self._mouth, warn_on_full_buffer=False)
        for number in numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, _nothing)

    def stop_here(self) -> None:
        """Stop this process and its group, as ^Z does; returns when we are continued."""
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(0, signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, handler)

    def close(self) -> None:
        """Have signals do again what they did before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._loop.remove_reader(self._ear)
        os.close(self._ear)
        os.close(self._mouth)

    def _on_signal(self) -> None:
        for number in os.read(self._ear, 64):
            if number in self._before:
                self._hear(number)


def _nothing(*_: object) -> None:
    """Let the wake-up descriptor tell of it."""
