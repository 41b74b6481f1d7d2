"""Does what the plan says, in a thread of its own: each deed has a beginning, and an end some time later."""

from __future__ import annotations

import heapq
import itertools
import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from tests.cluster.hosts import Host
from tests.cluster.parts import PORT, Cluster
from tests.cluster.plan import Deed

SLOW = "8mbit"
_LOOK = 0.1
"""Seconds between two looks for something to do a deed to."""
AHEAD = 10
"""Deeds that may come before something else is done meanwhile."""
_PATIENCE = 20.0
"""Seconds that are waited for that, at most."""


class Killer:
    """Between `start` and `stop`."""

    def __init__(
        self,
        cluster: Cluster,
        deeds: Iterator[Deed],
        *,
        tell: Callable[[str], object],
        progress: Callable[[], float] = lambda: math.inf,
    ) -> None:
        """Each deed is told of when it begins. `progress` tells how many jobs have ended.

        On a machine that is too slow for the plan there would be nothing but deeds: there are at most two for each job.
        """
        self.done: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        """Of those the deeds that found nothing to be done to, as a transfer where there was none."""
        self.error: BaseException | None = None
        self._cluster = cluster
        self._deeds = deeds
        self._progress = progress
        self._tell = tell
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer", daemon=True)
        self._ends: list[tuple[float, int, Callable[[], object]]] = []
        """What ends deeds, by the time of the plan."""
        self._began = self.since = 0.0
        self._numbers = itertools.count()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def at_work(self) -> bool:
        """Whether something is still to be done, now or when it has begun."""
        return self._thread.ident is None or self._thread.is_alive()

    def stop(self) -> None:
        """Begin nothing more; wait until everything has an end. Raises what went wrong."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            self._began = self.since = time.monotonic()
            for deed in self._deeds:
                while self._ends and self._ends[0][0] <= deed.at:
                    self._end()
                self._wait(deed.at)
                self._let_others_work()
                if self._stopped.is_set():
                    break
                self._tell(f"{time.monotonic() - self.since:7.2f} s: {deed}")
                self.done[deed.kind] += 1
                end = self._begin(deed)
                if end is not None:
                    heapq.heappush(self._ends, (deed.at + deed.lasts, next(self._numbers), end))
            while self._ends:
                self._end()
        except BaseException as error:  # noqa: BLE001 - for who stops us
            self.error = error

    def _let_others_work(self) -> None:
        until = time.monotonic() + _PATIENCE
        while self.done.total() > AHEAD + 2 * self._progress() and time.monotonic() < until:
            if self._ends:
                self._end()
            elif self._stopped.wait(_LOOK):
                return

    def _end(self) -> None:
        """Wait for the end of the deed that ends first."""
        at, _, end = heapq.heappop(self._ends)
        self._wait(at)
        end()

    def _wait(self, at: float) -> None:
        """Wait for a time of the plan. On a machine that is too slow for it all that is to come comes later."""
        left = self._began + at - time.monotonic()
        if left > 0:
            self._stopped.wait(left)
        else:
            self._began -= left

    def _begin(self, deed: Deed) -> Callable[[], object] | None:
        """Do it; return what ends it."""
        host, part = self._cluster.hosts[deed.host], self._cluster.parts.get(deed.host)
        match deed.kind:
            case "kill" if part is not None:
                part.kill()
                return part.start
            case "stop" if part is not None:
                part.signal(signal.SIGSTOP)
                return lambda: part.signal(signal.SIGCONT)
            case "unplug":
                host.unplug()
                return host.plug_in
            case "cut" | "outage":
                host.cut()
                return host.mend
            case "slow":
                host.slow_down(SLOW)
                return host.speed_up
            case "fill":
                host.fill()
                return host.empty
            case "reset":
                return Hunt(lambda: self._reset(host), self._missed(deed)).end
            case _:
                host.slow_down(SLOW)
                return Hunt(lambda: self._interrupt(host), self._missed(deed), host.speed_up).end

    def _missed(self, deed: Deed) -> Callable[[], object]:
        def tell() -> None:
            self.missed[deed.kind] += 1
            self._tell(f"{time.monotonic() - self.since:7.2f} s: found nothing: {deed}")

        return tell

    @staticmethod
    def _reset(host: Host) -> bool:
        """Break a connection of a host; tell whether there is one."""
        connections = host.connections()
        for connection in connections[:1]:
            host.reset(connection)
        return bool(connections)

    def _interrupt(self, host: Host) -> bool:
        """Break the transfers that are under way at a host; tell whether there are any."""
        broker = self._cluster.broker.host
        ours = f"{host.address}:"
        found = [
            each
            for each in broker.connections()
            if each.near.endswith(f":{PORT}") and each.waiting and (host is broker or each.far.startswith(ours))
        ]
        for connection in found:
            broker.reset(connection)
        return bool(found)


class Hunt:
    """Tries to do a deed again and again, in a thread of its own, until it is done or over: `end`."""

    def __init__(
        self,
        strike: Callable[[], bool],
        missed: Callable[[], object],
        over: Callable[[], object] = lambda: None,
    ) -> None:
        """Have `over` called when a `strike` has found something, or in the end, and then `missed` before."""
        self._strike = strike
        self._missed = missed
        self._after = over
        self._over = threading.Event()
        self._hit = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="hunt", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop. Raises what went wrong."""
        self._over.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        if not self._hit:
            self._missed()
            self._after()

    def _run(self) -> None:
        try:
            while not self._hit and not self._over.wait(_LOOK):
                self._hit = self._strike()
            if self._hit:
                self._after()
        except BaseException as error:  # noqa: BLE001 - for who ends it
            self._error = error
