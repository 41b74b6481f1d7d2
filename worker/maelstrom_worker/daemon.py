"""The worker of a cluster: a supervisor whose jobs come from a broker. Carries out what `attempts` decides.

Who has lost the broker kills what it runs, and is a new worker when it is there again. Told to drain it takes no more,
and is over when the last attempt has ended. Runs in one loop; nothing here blocks.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from maelstrom_core import log
from maelstrom_core import messages as m
from maelstrom_core.dial import Endpoint, Loop
from maelstrom_core.job import Cancelled, ExecutionError, Job, Outcome, RealisedLayer, effects_of, with_effects
from maelstrom_core.link import Link, RefusedError
from maelstrom_core.travel import Unpacker
from maelstrom_worker.attempts import Attempts, Drained, Effect, Fetch, Forget, Key, Kill, Launch, Say
from maelstrom_worker.job_queue import JobId
from maelstrom_worker.layers import Bringer
from maelstrom_worker.sending import Send
from maelstrom_worker.supervisor import Supervisor

LINGER = 5.0
"""Seconds that the last results may take on their way when a worker ends."""
_DIGESTS = 1024
"""In one message."""

Over = Callable[[RefusedError | None], object]
"""Is called once: when all is done after draining, or the broker does not want us."""


class _Task:
    """An attempt that has not ended: what came of the broker, and what that became here."""

    __slots__ = ("body", "job", "layers", "realised", "sending", "slots")

    def __init__(self, run: m.Run, body: bytes) -> None:
        self.slots = run.slots
        self.layers = run.layers
        self.body = body
        self.realised: tuple[RealisedLayer, ...] = ()
        self.job: JobId | None = None
        self.sending = False


class Daemon:
    """Between `open` and `close`. The supervisor is open already, and is closed by whoever has opened it."""

    def __init__(
        self,
        loop: Loop,
        supervisor: Supervisor,
        endpoint: Endpoint,
        hello: m.Hello,
        bringer: Bringer,
        *,
        over: Over,
        send: Send | None = None,
    ) -> None:
        """`send` sends output that exceeds the inline limit; without it that is lost."""
        self._supervisor = supervisor
        self._bringer = bringer
        self._over = over
        self._send = send
        self._unpacker = Unpacker()
        self._tasks: dict[Key, _Task] = {}
        self._done = False
        self.attempts = Attempts(supervisor.slots)
        self.link = Link(loop, endpoint, hello, self)

    def open(self) -> None:
        """Begin to look for the broker."""
        self.link.start()

    def close(self, reason: str) -> None:
        """Say goodbye. What still runs ends with the supervisor."""
        self._done = True
        self.link.close(reason, linger=LINGER)
        self._bringer.close()

    def drain(self) -> None:
        """Take no more; tell when the rest is done."""
        self._apply(self.attempts.drain())

    # of the link

    def greeted(self, _hello: m.Hello) -> None:
        """Tell the broker what is here."""
        self.tell_holding(self._bringer.holding(), ())
        if self.attempts.draining:
            self.link.send(m.Draining())

    def tell_holding(self, added: tuple[str, ...], removed: tuple[str, ...]) -> None:
        """Tell the broker which layers came, and which are here no more."""
        for at in range(0, max(len(added), len(removed)), _DIGESTS):
            self.link.send(m.Holding(added[at : at + _DIGESTS], removed[at : at + _DIGESTS]))

    def received(self, message: m.AnyMessage, body: bytes) -> None:
        """Do what the broker says."""
        match message:
            case m.Run(attempt=number, slots=slots):
                effects = self.attempts.run(number, slots)
                for effect in effects:
                    if isinstance(effect, Fetch):
                        self._tasks[effect.key] = _Task(message, body)
                self._apply(effects)
            case m.Stop(attempt=number):
                self._apply(self.attempts.stop(number))
            case m.Recall(attempt=number):
                self._apply(self.attempts.recall(number))

    def drained(self) -> None:
        """Need nothing."""

    def lost(self, reason: str) -> None:
        """Kill what runs: somebody else runs it by now."""
        log.info("killing what runs", attempts=self.attempts.running(), reason=reason)
        self._bringer.renew()
        self._apply(self.attempts.lost())

    def refused(self, error: RefusedError) -> None:
        """Give up."""
        self._apply(self.attempts.lost())
        self._end(error)

    # what is to be done

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Say(message=message, body=body):
                    self.link.send(message, body)
                case Fetch(key=key):
                    self._fetch(key)
                case Launch(key=key):
                    self._launch(key)
                case Kill(key=key):
                    self._kill(key)
                case Forget(key=key):
                    del self._tasks[key]
                    self._bringer.forget(key)
                case Drained():
                    self._end(None)

    def _fetch(self, key: Key) -> None:
        def brought(layers: tuple[RealisedLayer, ...] | None, error: str | None) -> None:
            task = self._tasks.get(key)
            if task is None:
                return
            if layers is not None:
                task.realised = layers
            self._apply(self.attempts.fetched(key, error))

        self._bringer.bring(key, self._tasks[key].layers, brought)

    def _launch(self, key: Key) -> None:
        task = self._tasks[key]
        job: Job | None = None
        try:
            job = self._unpacker.unpack(task.body, task.realised, task.slots)
        except (ValueError, OSError) as error:
            outcome: Outcome = ExecutionError(f"the worker cannot make sense of the job: {error}")
        task.body = b""
        if job is None:
            self._ended(key, outcome)
            return
        task.job = self._supervisor.new_id()
        self._supervisor.start(job, lambda outcome: self._ran(key, outcome), identity=task.job)

    def _kill(self, key: Key) -> None:
        task = self._tasks[key]
        if task.sending:
            self._ended(key, Cancelled())
        elif task.job is not None:
            self._supervisor.cancel(task.job)

    def _ran(self, key: Key, outcome: Outcome) -> None:
        """Have what exceeds the inline limit sent first: what has been told of is not lost with this worker."""
        effects, task = effects_of(outcome), self._tasks.get(key)
        if effects is None or effects.rest is None or self._send is None or task is None or self._done:
            self._ended(key, outcome)
            return
        rest = effects.rest

        def sent(digest: str, error: str | None) -> None:
            told = msgspec.structs.replace(rest, digest=digest) if digest else None
            self._ended(key, with_effects(outcome, rest=told, rest_error=error))

        task.sending = True
        self._send(self._supervisor.take_rest(), sent)

    def _ended(self, key: Key, outcome: Outcome) -> None:
        if key in self._tasks and not self._done:
            self._apply(self.attempts.ended(key, outcome))

    def _end(self, error: RefusedError | None) -> None:
        if not self._done:
            self._done = True
            self._over(error)
