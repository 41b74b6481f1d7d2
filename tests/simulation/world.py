"""One schedule: a broker, workers and clients, what happens to them by chance, and the reckoning at the end."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from random import Random

from maelstrom_broker import effects as e
from maelstrom_broker.broker import Broker
from maelstrom_broker.records import Peer as Number
from maelstrom_broker.records import Settings
from maelstrom_core import messages as m
from maelstrom_core.wire import Closed, Connection, Greeted, Received
from tests.simulation.link import Clock, End, link
from tests.simulation.peers import Peer, SimulatedClient, SimulatedWorker
from tests.simulation.watch import Seen, Watch

AS_LONG = 1.25
"""By what factor jobs may differ that count as equally long."""
LABELS = ("arch=x86_64", "arch=arm64", "gpu")
CHAOS = 25.0
"""Seconds of simulated time in which things happen."""
PATIENCE = 1500.0
"""Seconds after that in which all must have ended."""


@dataclass
class Known:
    """What the simulation knows of a job, by its body."""

    kind: str
    length: float
    runs: int = 0


class World:
    """What a seed makes."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)
        self.clock = Clock()
        self.settings = Settings(look_ahead=self.random.choice((0, 1, 2, 32)), silence=12, patience=8)
        self.broker = Broker(self.settings, readers=2, remembered=self.random.choice((0, 5, 100)))
        self.ends: dict[Number, End] = {}
        self.numbers = 0
        self.events = 0
        self.jobs: dict[bytes, Known] = {}
        self.calm = False
        self.contents: dict[str, tuple[str, ...]] = {}
        """What each manifest names."""
        self.stored: dict[str, None] = {}
        self.watch = Watch(self.settings, self.contents, self.stored)
        blobs, manifests = self.random.choice(((9, 3), (2, 1), (1, 1)))
        digests = [f"{number:064x}" for number in range(blobs + manifests)]
        self.blobs = digests[:blobs]
        for manifest in digests[blobs:]:
            self.contents[manifest] = tuple(self.random.sample(self.blobs, self.random.randint(0, min(4, blobs))))
        self.layers = (0, 0, 1, 2) if blobs > 1 else (1,)
        """How many a job may have: where there is next to nothing to be had, many want the same."""
        self.refusing = self.random.choice((0.05, 0.05, 0.4))
        """How likely a client cannot give an artifact; and how likely what it gives is something else."""
        self.workers = [self.new_worker() for _ in range(self.random.randint(1, 5))]
        self.clients = [self.new_client(number) for number in range(self.random.randint(1, 4))]
        self.rate = self.random.choice((0.0, 0.3, 1.0, 3.0))
        """Accidents a second."""

    # making

    def new_number(self) -> int:
        self.numbers += 1
        return self.numbers

    def new_worker(self, *, strong: bool = False) -> SimulatedWorker:
        slots = 4 if strong else self.random.randint(1, 4)
        labels = LABELS if strong else tuple(self.random.sample(LABELS, self.random.randint(0, 3)))
        offer = m.Offer(slots, 1000 if strong else self.random.choice((0, 500, 1000)), labels)
        self.numbers += 1
        worker = SimulatedWorker(self, m.Hello(m.PROTOCOL, "worker", name=f"w{self.numbers}", offer=offer))
        worker.flawed = worker.flawed and not strong
        self.clock.after(self.random.uniform(0, 10), worker.connect)
        return worker

    def new_client(self, number: int) -> SimulatedClient:
        features = ("states",) if self.random.random() < 0.5 else ()
        client = SimulatedClient(self, m.Hello(m.PROTOCOL, "client", name=f"c{number}", features=features))
        self.clock.after(self.random.uniform(0, 5), client.connect)
        spread = self.random.choice((0.1, 3, 15))
        for sequence in range(self.random.choice((1, 5, 15))):
            self.clock.after(self.random.uniform(0, spread), lambda sequence=sequence: self.new_job(client, sequence))
        return client

    def new_job(self, client: SimulatedClient, sequence: int) -> None:
        random = self.random
        body = f"{client.hello.name} {sequence}".encode()
        kind = random.choices(("plain", "poison", "broken"), (20, 1, 1))[0]
        self.jobs[body] = Known(kind, random.choice((0.0, 0.01, 1.0, 6.0)) * random.random())
        layers = tuple(
            m.Artifact(digest, digest in self.contents)
            for digest in random.sample([*self.blobs, *self.contents], random.choice(self.layers))
        )
        simple = random.random() < 0.7
        client.submit(
            m.Submit(
                sequence,
                layers,
                random.choice((0, 0, 0, 1)),
                random.choice((None, 0.1, 5.0)),
                1 if simple else random.randint(1, 4),
                0 if simple else random.choice((0, 300)),
                () if simple else tuple(random.sample(LABELS, random.randint(0, 1))),
            ),
            body,
        )

    # the broker's side

    def accept(self, near: Connection) -> End:
        """Connect somebody to the broker; return their end."""
        self.numbers += 1
        number = Number(self.numbers)
        ends = link(self.clock, self.random, near, Connection("broker"))
        broker = self.broker
        self.ends[number] = ends[1]
        ends[1].heard = lambda: self.hear(number, broker)
        return ends[0]

    def hear(self, number: Number, broker: Broker) -> None:
        end = self.ends.get(number)
        if end is None or broker is not self.broker:
            return
        heard: list[e.Event] = []
        for event in end.connection.events():
            if isinstance(event, Greeted):
                end.connection.greet(m.Hello(m.PROTOCOL, "broker"))
                heard.append(e.Connected(number, event.hello))
            elif isinstance(event, Received):
                heard.append(e.Said(number, event.message, event.body))
            elif isinstance(event, Closed):
                assert not event.fault or event.reason.endswith("in the middle of a message"), event.reason
                self.ends.pop(number, None)
                heard.append(e.Disconnected(number, event.reason))
        if heard:
            self.happen(*heard)

    def happen(self, *events: e.Event) -> None:
        """Tell the broker what has come at once, check it, and do what it wants."""
        broker, watch, now = self.broker, self.watch, self.clock.now
        told = 0
        for event in events:
            self.events += 1
            watch.hear(event, now)
            broker.take(event, now)
            watch.told(broker._effects[told:])
            told = len(broker._effects)
        effects = broker.settle()
        self.in_order(watch.told(effects[told:]))
        watch.settled(tick=any(isinstance(event, e.Tick) for event in events))
        if not all(isinstance(event, e.Said) and isinstance(event.message, m.Heartbeat) for event in events):
            broker.validate()
        touched: dict[Number, End] = {}
        for effect in effects:
            match effect:
                case e.Send():
                    wanted = effect.message.digest if isinstance(effect.message, m.WantArtifact) else None
                    assert wanted not in self.stored, "asked for what is there"
                    if effect.peer in self.ends:
                        self.ends[effect.peer].connection.send(effect.message, effect.body)
                        touched[effect.peer] = self.ends[effect.peer]
                case e.Close():
                    end = self.ends.pop(effect.peer, None)
                    if end is not None:
                        end.connection.close(effect.reason)
                        end.hang_up()
                case e.ReadManifest():
                    self.read(effect.digest)
        for end in touched.values():
            end.flush()

    def in_order(self, given: list[Seen]) -> None:
        """Whoever got a worker had the right to it before those who wait for the same."""
        if not given:
            return
        scheduler = self.broker.scheduler
        waiting = [job for shape in scheduler.pool.shapes.values() for job in shape.all_waiting()]
        slots: Counter[Number] = Counter()
        choosy = {each.client for each in given if each.message.layers}
        choosy |= {job.client.peer for job in waiting if job.artifacts}  # passed over, where layers are elsewhere
        for each in given:
            slots[each.client] += each.message.slots
        for each in given:
            job = scheduler.clients[each.client].jobs.get(each.message.sequence)
            for other in waiting if job is not None else ():
                if job is None or other.shape is not job.shape:
                    continue
                assert other.priority <= job.priority, "a more urgent job waits"
                if other.priority < job.priority:
                    continue
                used = job.client.used - slots[each.client]
                assert other.client is job.client or used <= other.client.used, "another client has less"
                if other.client is job.client and each.client not in choosy:
                    longest = math.inf if each.message.estimate is None else each.message.estimate * AS_LONG
                    assert longest >= (math.inf if other.estimate is None else other.estimate), "a longer job waits"

    def read(self, digest: str) -> None:
        broker = self.broker

        def tell(event: e.Event) -> None:
            if broker is self.broker:
                self.happen(event)

        named, pause = self.contents[digest], self.random.random()
        error = "the disk is broken" if self.random.random() < 0.05 and not self.calm else None
        for number, each in enumerate(named):
            self.clock.after(pause * number, lambda each=each: tell(e.ManifestEntries(digest, (each,))))
        self.clock.after(pause * len(named), lambda: tell(e.ManifestRead(digest, error)))

    def wanted(self, client: SimulatedClient, digest: str) -> None:
        """A client is asked for an artifact: mostly it comes, and mostly soon."""
        chance = self.random.random()
        generation = client.generation
        if chance < self.refusing:
            client.say(m.NoArtifact(digest, "it is gone"))
            return

        def arrive() -> None:
            number = next((number for number, end in self.ends.items() if end.other is client.end), None)
            if generation != client.generation or number is None:
                return  # the upload ended with the connection
            if chance < 2 * self.refusing:
                self.happen(e.NotStored(digest, number, "another digest"))
            else:
                self.stored[digest] = None
                self.happen(e.Stored(digest))

        slow = self.random.random() < 0.1
        self.clock.after(self.random.uniform(5, 40) if slow else self.random.expovariate(1), arrive)

    def ran(self, body: bytes) -> None:
        self.jobs[body].runs += 1

    # accidents

    def accident(self) -> None:
        """Let something happen, and the next thing later."""
        if self.calm:
            return
        self.clock.after(self.random.expovariate(self.rate), self.accident)
        somebody: Peer = self.random.choice([*self.workers, *self.clients])
        match self.random.randrange(12):
            case 0 | 1:
                somebody.drop()
                self.clock.after(self.random.random(), somebody.connect)
            case 2:
                somebody.cut()
            case 3:
                somebody.freeze()
            case 4:
                worker = self.random.choice(self.workers)
                worker.die()
                self.workers[self.workers.index(worker)] = self.new_worker()
            case 5:
                self.random.choice(self.workers).drain()
            case 6 | 7:
                self.random.choice(self.clients).cancel()
            case 8 if self.random.random() < 0.3:
                self.random.choice(self.clients).die()
            case 9 if self.random.random() < 0.3:
                self.restart()
            case 10:
                worker = self.random.choice(self.workers)
                worker.say(m.Holding((), (self.random.choice(self.blobs),)))
            case 11:
                free = [digest for digest in self.stored if not self.broker.gatherer.references[digest]]
                for digest in free[:1]:
                    del self.stored[digest]
                    self.happen(e.Evicted(digest))

    def restart(self) -> None:
        """As by SIGKILL of the broker: all it knows is gone, but for what is in its store."""
        ends, self.ends = self.ends, {}
        self.broker = Broker(self.settings, readers=2)
        self.watch = Watch(self.settings, self.contents, self.stored)
        for end in ends.values():
            end.hang_up()
        for digest in self.stored:
            self.happen(e.Stored(digest))

    def tick(self) -> None:
        self.clock.after(4, self.tick)
        self.happen(e.Tick())
        for peer in [*self.workers, *self.clients]:
            peer.beat()

    # the whole

    def run(self) -> None:
        """Let it all happen; raise AssertionError where something is wrong."""
        self.tick()
        if self.rate:
            self.clock.after(0, self.accident)
        while self.clock.now < CHAOS:
            self.clock.step()
        self.calm = True
        self.workers.append(self.new_worker(strong=True))
        waiting = [client for client in self.clients if not client.dead]
        while any(client.unfinished for client in waiting):
            assert self.clock.now < CHAOS + PATIENCE, [
                (client.hello.name, sequence, self.broker.scheduler.story.of((client.hello.name, sequence)))
                for client in waiting
                for sequence in client.unfinished
            ]
            self.clock.step()
        for client in self.clients:
            client.die()
        until = self.clock.now + self.settings.silence + self.settings.patience + 10
        while self.clock.now < until and not self.is_quiet():
            self.clock.step()
        self.reckon()

    def is_quiet(self) -> bool:
        """Whether nothing is left to end."""
        scheduler = self.broker.scheduler
        return not (scheduler.clients or scheduler.counts["running"] or self.broker.gatherer.readings)

    def reckon(self) -> None:
        """Nothing is kept of clients and jobs that are gone."""
        scheduler, gatherer = self.broker.scheduler, self.broker.gatherer
        assert not scheduler.clients
        assert scheduler.counts["queued"] == scheduler.counts["running"] == 0
        assert not scheduler.stopping
        assert all(not shape.jobs for shape in scheduler.pool.shapes.values())
        assert all(not worker.attempts and not worker.expecting for worker in scheduler.pool.workers.values())
        assert not gatherer.gatherings
        assert not gatherer.wants
        assert not gatherer.references
        assert not gatherer.readings
