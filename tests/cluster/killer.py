"""Kills, stops and cuts off: which of it, and whom, chance decides, by a seed."""

from __future__ import annotations

import json
import random
import signal
import threading
from collections import Counter
from pathlib import Path

from tests.cluster.cable import Cable, Cables
from tests.support.cluster import Cluster, Worker, small_job
from tests.support.programs import RUN

SLOTS = 2
DEEDS = ("kill", "kill", "stop", "cut", "reset", "broker")


class Killer:
    """A cluster of some workers; `run` has jobs run on it meanwhile, and returns what came of each."""

    def __init__(self, directory: Path, *, workers: int, seed: int) -> None:
        self._chance = random.Random(seed)
        self._cluster = Cluster(directory)
        self._cables = Cables()
        self.deeds: Counter[str] = Counter()
        self._over = threading.Event()
        self._port = self._cluster.start_broker().port
        self._wires = [Cable(self._cables, self._port) for _ in range(workers)]
        self._workers = [self._start(number) for number in range(workers)]

    def close(self) -> None:
        """End everything."""
        self._cluster.__exit__()
        self._cables.close()

    def run(self, *, kills: int, jobs: int, seconds: float) -> Counter[int]:
        """Run so many jobs of so many seconds, and do so many deeds; return how often each job was told of."""
        job = self._cluster.client.home / "job.json"
        job.write_text(json.dumps(small_job("true")))
        script = f"sleep {seconds}; echo {{}}"
        options = ("--map", "--file", str(job), "--range", f"1..{jobs}", "--results", "-", "--retries", "3")
        command = (*self._cluster.options(), *options, "--", "/bin/sh", "-c", script)
        killing = threading.Thread(target=self._kill, args=(kills,))
        told: Counter[int] = Counter()
        with self._cluster.client.start(RUN, *command, cwd=self._cluster.client.home, stderr=None) as process:
            killing.start()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            for line in process.stdout:
                if line.startswith(b"{"):
                    result = json.loads(line)
                    told[result["job"]] += 1
                    assert result["outcome"] != "exited" or result["stdout"] == f"{result['job']}\n", result
            self._over.set()
            killing.join()
            process.wait()
        return told

    def _start(self, number: int) -> Worker:
        return self._cluster.start_worker(slots=SLOTS, address=f"127.0.0.1:{self._wires[number].port}")

    def _kill(self, kills: int) -> None:
        for _ in range(kills):
            if self._over.wait(self._chance.uniform(0.2, 1.5)):
                return
            deed, number = self._chance.choice(DEEDS), self._chance.randrange(len(self._workers))
            self.deeds[deed] += 1
            worker, wire, pause = self._workers[number], self._wires[number], self._chance.uniform(0.2, 2)
            match deed:
                case "kill":
                    worker.kill()
                    self._workers[number] = self._start(number)
                case "stop":
                    worker.process.send_signal(signal.SIGSTOP)
                    self._over.wait(pause)
                    worker.process.send_signal(signal.SIGCONT)
                case "cut":
                    wire.cut()
                    self._over.wait(pause)
                    wire.mend()
                case "reset":
                    wire.reset()
                case "broker":
                    assert self._cluster.broker is not None
                    self._cluster.broker.process.kill()
                    self._cluster.broker.process.wait()
                    self._cluster.start_broker(self._port)
