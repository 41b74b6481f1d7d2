"""Which artifacts the broker has, wants, and asks whom for: pure, and without a store of its own.

However many clients have jobs that need a digest, one of them is asked for it, and another one only when that one is
gone, cannot give it, or has given nothing of all it was asked for in a while. That one is *slow*: who else can is asked
as well, and what comes first counts; it is asked last until something comes of it. Of a manifest the contents are
needed as well: it is read, once for all that wait for it, and what it names is remembered. A job holds its artifacts
from when it comes until it has ended: the store drops none.

Jobs with the same layers share what is known of them, a *gathering*: a manifest may name thousands of artifacts, and
hundreds of thousands of jobs may have it.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from maelstrom_broker.effects import Effect, ReadManifest, Send
from maelstrom_broker.records import Job, Peer
from maelstrom_core.messages import Artifact, WantArtifact

ENTRIES = 1_000_000
"""What the manifests of one job may name."""
_REASONS = 4000
"""Characters of why an artifact could not be had: each client may have said something long."""


@dataclass(slots=True, eq=False)
class _Gathering:
    """What jobs with the same layers need."""

    artifacts: tuple[Artifact, ...]
    jobs: int = 0
    """How many there are."""
    waiting: dict[Job, None] = field(default_factory=dict)
    """Those of them that are not ready; none when all of it is there."""
    clients: Counter[Peer] = field(default_factory=Counter)
    """How many of these jobs are whose."""
    refusing: set[Peer] = field(default_factory=set)
    """Clients that could not give some of it, whether they had jobs here or not."""
    held: dict[str, None] = field(default_factory=dict)
    missing: dict[str, None] = field(default_factory=dict)
    """Those of them that are not there."""
    unread: dict[str, None] = field(default_factory=dict)
    """Manifests of which not everything is known that they name."""

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        return not self.missing and not self.unread


@dataclass(slots=True)
class _Want:
    """An artifact that is not there."""

    by: dict[_Gathering, None] = field(default_factory=dict)
    asked: dict[Peer, None] = field(default_factory=dict)
    refused: dict[Peer, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Reading:
    """A manifest that is being read, or waits for that."""

    by: dict[_Gathering, None] = field(default_factory=dict)
    named: dict[str, None] = field(default_factory=dict)
    begun: bool = False


class Gatherer:
    """The machine; `ready` and `failed` collect what became of jobs."""

    def __init__(self, effects: list[Effect], *, readers: int = 16, remembered: int = 100_000) -> None:
        self.ready: list[Job] = []
        self.failed: list[tuple[Job, str]] = []
        self._effects = effects
        self._readers = readers
        self._limit = remembered
        """Entries of manifests that are remembered, all together."""
        self.available: set[str] = set()
        self.references: Counter[str] = Counter()
        """How many gatherings hold an artifact."""
        self.gatherings: dict[tuple[Artifact, ...], _Gathering] = {}
        self.wants: dict[str, _Want] = {}
        self._asked: dict[Peer, dict[str, None]] = {}
        self.now = 0.0
        """The time of what happens, in seconds."""
        self._heard: dict[Peer, float] = {}
        """When something last came of asking a client that is asked for something, or it was asked while it was not."""
        self.slow: set[Peer] = set()
        self.readings: dict[str, _Reading] = {}
        self._queue: deque[str] = deque()
        self._active = 0
        self._remembered: dict[str, tuple[str, ...]] = {}
        self._size = 0

    # jobs

    def start(self, job: Job) -> None:
        """Gather what a job needs; it is in `ready` when all of it is there, perhaps at once."""
        artifacts = job.artifacts
        if not artifacts:
            self.ready.append(job)
            return
        gathering = self.gatherings.get(artifacts)
        peer = job.client.peer
        if gathering is None:
            gathering = self.gatherings[artifacts] = _Gathering(artifacts)
            gathering.jobs = gathering.clients[peer] = 1
            gathering.waiting[job] = None
            self._gather(gathering, artifacts)
        else:
            job.artifacts = gathering.artifacts  # one copy for all
            gathering.jobs += 1
            gathering.clients[peer] += 1
            gathering.waiting[job] = None
            if peer in gathering.refusing:
                self._ask_again(gathering, peer)
            elif self.slow and gathering.clients[peer] == 1:
                for digest in gathering.missing:
                    self._ask(digest, self.wants[digest])
        self._settle(gathering)

    def ended(self, job: Job) -> None:
        """Let go of what a job held."""
        if not job.artifacts:
            return
        gathering = self.gatherings[job.artifacts]
        peer = job.client.peer
        gathering.jobs -= 1
        gathering.waiting.pop(job, None)
        gathering.clients[peer] -= 1
        if not gathering.clients[peer]:
            del gathering.clients[peer]
        if gathering.jobs:
            return
        del self.gatherings[job.artifacts]
        for digest in gathering.missing:
            self._unwant(digest, gathering)
        for digest in gathering.unread:
            reading = self.readings.get(digest)
            if reading is not None:
                reading.by.pop(gathering, None)
                if not reading.by and not reading.begun:
                    del self.readings[digest]
                    self._queue.remove(digest)
        for digest in gathering.held:
            self.references[digest] -= 1
            if not self.references[digest]:
                del self.references[digest]

    def client_gone(self, peer: Peer) -> None:
        """Ask others for what this client was asked for; its jobs have ended already."""
        self.slow.discard(peer)
        self._heard.pop(peer, None)
        for digest in self._asked.pop(peer, {}):
            want = self.wants[digest]
            del want.asked[peer]
            self._ask(digest, want)

    def look(self, patience: float) -> None:
        """Ask others as well for what clients were asked for of whom nothing has come for `patience` seconds."""
        late = [peer for peer, heard in self._heard.items() if peer not in self.slow and self.now - heard >= patience]
        self.slow.update(late)
        for peer in late:
            for digest in list(self._asked[peer]):
                self._ask(digest, self.wants[digest])

    # artifacts

    def stored(self, digest: str) -> None:
        """Take note that the store has an artifact, wanted or not."""
        self.available.add(digest)
        want = self.wants.pop(digest, None)
        if want is None:
            return
        for peer in list(want.asked):  # of several nobody knows here whose it is: it is not a slow one's
            self._answered(digest, want, peer, well=len(want.asked) == 1 or peer not in self.slow)
        for gathering in want.by:
            del gathering.missing[digest]
            if digest in gathering.unread:
                self._read(gathering, digest)
            self._settle(gathering)

    def evicted(self, digest: str) -> None:
        """Take note that the store has dropped an artifact, which no job held."""
        self.available.discard(digest)

    def refused(self, digest: str, peer: Peer, reason: str) -> None:
        """Ask somebody else, since what came of asking this client was nothing; if nobody is left the jobs fail."""
        want = self.wants.get(digest)
        if want is not None and peer in want.asked:
            self._answered(digest, want, peer, well=True)
            want.refused[peer] = reason
            for gathering in want.by:
                gathering.refusing.add(peer)
            self._ask(digest, want)

    # manifests

    def entries(self, digest: str, named: tuple[str, ...]) -> None:
        """Take note of what is named next in a manifest that is being read."""
        reading = self.readings.get(digest)
        if reading is None:
            return
        new = [each for each in named if each not in reading.named]
        reading.named.update(dict.fromkeys(new))
        for gathering in list(reading.by):
            self._need_all(gathering, new)

    def read(self, digest: str, error: str | None) -> None:
        """Take note that a manifest has been read, or could not be."""
        reading = self.readings.pop(digest, None)
        if reading is None:
            return
        self._active -= 1
        if self._queue:
            self._begin(self._queue.popleft())
        if error is None:
            self._remember(digest, tuple(reading.named))
        for gathering in reading.by:
            if error is None:
                del gathering.unread[digest]
                self._settle(gathering)
            else:
                self._fail(gathering, f"failed to read manifest {digest}: {error}")

    # inside

    def _gather(self, gathering: _Gathering, artifacts: tuple[Artifact, ...]) -> None:
        for artifact in artifacts:
            self._need(gathering, artifact.digest)
            if artifact.manifest and artifact.digest not in gathering.unread:
                gathering.unread[artifact.digest] = None
                if artifact.digest in self.available:
                    self._read(gathering, artifact.digest)

    def _need(self, gathering: _Gathering, digest: str) -> None:
        if digest in gathering.held:
            return
        gathering.held[digest] = None
        self.references[digest] += 1
        if digest in self.available:
            return
        gathering.missing[digest] = None
        want = self.wants.setdefault(digest, _Want())
        want.by[gathering] = None
        for peer in gathering.clients:  # they may have it by now
            want.refused.pop(peer, None)
        gathering.refusing.update(want.refused)  # whoever of them comes later may have it by then
        self._ask(digest, want)

    def _ask_again(self, gathering: _Gathering, peer: Peer) -> None:
        """Take note that a client may have by now what it could not give."""
        gathering.refusing.discard(peer)
        for digest in gathering.missing:
            want = self.wants[digest]
            if want.refused.pop(peer, None) is not None:
                self._ask(digest, want)

    def _need_all(self, gathering: _Gathering, digests: list[str]) -> None:
        if len(gathering.held) + len(digests) > ENTRIES:
            self._fail(gathering, f"its manifests name more than {ENTRIES} artifacts")
            return
        for each in digests:
            self._need(gathering, each)

    def _settle(self, gathering: _Gathering) -> None:
        if gathering.waiting and gathering.complete:
            self.ready += gathering.waiting
            gathering.waiting.clear()

    def _fail(self, gathering: _Gathering, reason: str) -> None:
        self.failed += ((job, reason) for job in gathering.waiting)

    def _ask(self, digest: str, want: _Want) -> None:
        """Ask the next client, unless one has been asked that is not slow."""
        if not want.asked.keys() <= self.slow or self._ask_one(digest, want, slow=False):
            return
        if want.asked or self._ask_one(digest, want, slow=True):
            return
        if want.by:
            reasons = "; ".join(dict.fromkeys(want.refused.values()))[:_REASONS]
            for gathering in want.by:
                self._fail(gathering, f"failed to get artifact {digest}: {reasons}")
        else:
            del self.wants[digest]

    def _ask_one(self, digest: str, want: _Want, *, slow: bool) -> bool:
        """Ask a client that has not been asked, of the slow ones or the others; tell whether there is one."""
        for gathering in want.by:
            for peer in gathering.clients:
                if peer not in want.refused and peer not in want.asked and (peer in self.slow) is slow:
                    want.asked[peer] = None
                    if peer not in self._asked:
                        self._asked[peer] = {}
                        self._heard[peer] = self.now
                    self._asked[peer][digest] = None
                    self._effects.append(Send(peer, WantArtifact(digest)))
                    return True
        return False

    def _answered(self, digest: str, want: _Want, peer: Peer, *, well: bool) -> None:
        """Take note that a client is asked for something no more; `well`: as it has given an answer."""
        del want.asked[peer]
        asked = self._asked[peer]
        del asked[digest]
        if well:
            self._heard[peer] = self.now
            self.slow.discard(peer)
        if not asked:
            del self._asked[peer]
            del self._heard[peer]

    def _unwant(self, digest: str, gathering: _Gathering) -> None:
        """Take a gathering out of those that wait; an upload that goes on may go on."""
        want = self.wants[digest]
        del want.by[gathering]
        if not want.by and not want.asked:
            del self.wants[digest]

    def _read(self, gathering: _Gathering, digest: str) -> None:
        """Have a manifest read for a gathering, unless it is known what it names."""
        known = self._remembered.pop(digest, None)
        if known is not None:
            self._remembered[digest] = known
            del gathering.unread[digest]
            self._need_all(gathering, list(known))
            return
        reading = self.readings.get(digest)
        if reading is None:
            reading = self.readings[digest] = _Reading()
            if self._active < self._readers:
                self._begin(digest)
            else:
                self._queue.append(digest)
        reading.by[gathering] = None
        self._need_all(gathering, list(reading.named))

    def _begin(self, digest: str) -> None:
        self._active += 1
        self.readings[digest].begun = True
        self._effects.append(ReadManifest(digest))

    def _remember(self, digest: str, named: tuple[str, ...]) -> None:
        cost = len(named) + 1
        if cost > self._limit:
            return
        self._remembered[digest] = named
        self._size += cost
        while self._size > self._limit:
            oldest = next(iter(self._remembered))
            self._size -= len(self._remembered.pop(oldest)) + 1
