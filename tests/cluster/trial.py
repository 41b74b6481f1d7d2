"""One trial: a cluster, the killer, and jobs or a program of the user's; what went wrong is told, line by line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cluster.killer import Killer
from tests.cluster.left_behind import Before
from tests.cluster.load import Jobs
from tests.cluster.parts import LOGS, MB, Cluster, Room
from tests.cluster.plan import Deed

SHOWN = 10


class Trial:
    """A cluster that runs already. To be made within a `machine`."""

    def __init__(self, workers: int, seed: int, plain: bool, room: tuple[int, int, int]) -> None:
        """`room` in MB, as `Room` has it."""
        self._seed = seed
        self._cluster = Cluster(workers=workers, plain=plain, room=Room(*(size * MB for size in room)))
        self._before = Before()
        self._cluster.start()

    @property
    def workers(self) -> list[str]:
        """The names of their hosts."""
        return [worker.host.name for worker in self._cluster.workers]

    def run_jobs(self, deeds: Iterator[Deed]) -> bool:
        """Run jobs as long as there are deeds; return whether all was right."""
        jobs = Jobs(self._cluster, self._seed)
        killer = Killer(self._cluster, deeds, tell=_tell, progress=jobs.told.total)
        wrong = []
        try:
            code = jobs.run(killer.start, lambda: killer.at_work)
            wrong += [f"the client ended with {code}"] if code else []
        except TimeoutError as error:
            wrong.append(str(error))
        killer.stop()
        wrong += jobs.wrong
        wrong += [f"job {number} was never told of" for number in range(1, jobs.given + 1) if not jobs.told[number]]
        wrong += [f"job {number} was told of {count} times" for number, count in jobs.told.items() if count > 1]
        print(f"{jobs.given} jobs, by attempts of the client {dict(sorted(jobs.attempts.items()))}")
        return self._reckon(killer, wrong)

    def run_program(self, deeds: Iterator[Deed], command: Sequence[str], directory: Path) -> bool:
        """Run a program with the cluster's options; return whether it ended with 0.

        Deeds begin when it has written a line, and are as many as two for each line: one is about one job, mostly.
        """
        told: list[bytes] = []
        killer = Killer(self._cluster, deeds, tell=_tell, progress=lambda: len(told))
        process = self._cluster.client.popen(*command, cwd=directory, stdout=subprocess.PIPE)
        assert process.stdout is not None
        for line in process.stdout:
            if not told:
                killer.start()
            told.append(line)
            sys.stdout.buffer.write(line)
        code = process.wait()
        killer.stop()
        return self._reckon(killer, [f"the program ended with {code}"] if code else [])

    def save_logs(self, directory: Path) -> None:
        """Put what the programs have said where it stays."""
        shutil.copytree(LOGS, directory, dirs_exist_ok=True)

    def _reckon(self, killer: Killer, wrong: list[str]) -> bool:
        """Have everything end, and look what is left."""
        codes = self._cluster.end()
        for name, part in self._cluster.parts.items():
            wrong += [f"{name} ended by itself, with {code}" for code in part.ended]
        wrong += [f"{name} ended with {code} when it was told to" for name, code in codes.items() if code]
        for log in sorted(LOGS.iterdir()):
            if "Traceback" in log.read_text(errors="replace"):
                wrong.append(f"a traceback of {log.name}: {_traceback(log)}")
        wrong += [f"left behind: {each}" for each in self._before.left(self._cluster)]
        found_nothing = f"; found nothing to do to: {dict(killer.missed)}" if any(killer.missed.values()) else ""
        print(f"{killer.done.total()} deeds {dict(killer.done.most_common())}{found_nothing}")
        for line in wrong[:SHOWN]:
            print(f"WRONG: {line}")
        if len(wrong) > SHOWN:
            print(f"WRONG: and {len(wrong) - SHOWN} more")
        return not wrong


def _traceback(log: Path) -> str:
    text = log.read_text(errors="replace")
    return text[text.index("Traceback") :][:3000]


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
