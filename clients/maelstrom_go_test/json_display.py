"""`-json`: a run as the events of `go test -json` on standard output, for programs that read those.

What is no event, words of go and of Maelstrom, goes to standard error. A test's output comes when it has ended; a
package ends with its last test.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TextIO

import msgspec

from maelstrom_go_test.json_events import Event, converted
from maelstrom_test_runner.events import (
    AnyEvent,
    Begun,
    Collected,
    CollectionError,
    Ended,
    Finished,
    Message,
    Note,
    Started,
    Test,
)
from maelstrom_test_runner.state import RunState
from maelstrom_test_runner.status import Status

RESULTS = {Status.PASSED: "pass", Status.FLAKY: "pass", Status.SKIPPED: "skip"}
"""Of others it is `fail`."""


class _Package:
    """A package whose tests run."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.left = 0
        self.failed = False


class GoJson:
    """Writes the events of a run to `stream`, and words to `words`."""

    def __init__(self, stream: TextIO, words: TextIO) -> None:
        self._stream = stream
        self._words = words
        self._encode = msgspec.json.Encoder(enc_hook=str).encode
        self._begun = dt.datetime.now(dt.UTC)
        self._at = 0.0
        self._packages: dict[str, _Package] = {}
        self._running: set[Test] = set()

    def take(self, event: AnyEvent, state: RunState) -> None:
        """Write what an event means."""
        del state
        self._at = event.at
        match event:
            case Begun(time=time):
                self._begun = dt.datetime.fromisoformat(time)
            case Collected(suites=suites):
                self._begin(suites)
            case Started(tests=tests):
                for test in tests:
                    if test not in self._running:  # else it is tried again
                        self._run(test)
            case Finished():
                self._finish(event)
            case CollectionError(name=name, text=text):
                self._failed_build(name, text)
            case Message(text=text) | Note(text=text):
                self._words.write(text if text.endswith("\n") else f"{text}\n")
                self._words.flush()
            case Ended():
                for name in list(self._packages):
                    self._end(name, whole=False)
            case _:
                pass

    def tick(self, at: float, state: RunState) -> None:
        """Time changes nothing."""

    def close(self) -> None:
        """Have nothing to let go of."""

    def _begin(self, suites: dict[str, int]) -> None:
        for name, count in suites.items():
            if name not in self._packages:
                self._packages[name] = _Package(self._at)
                self._tell(name, {"Action": "start"})
            self._packages[name].left += count

    def _run(self, test: Test) -> None:
        package, name = _parts(test)
        self._running.add(test)
        self._tell(package, {"Action": "run", "Test": name})

    def _finish(self, event: Finished) -> None:
        package, name = _parts(event.test)
        if event.test not in self._running:  # it has not run
            self._run(event.test)
        for attempt in event.attempts:
            said = [*attempt.texts, *([f"{attempt.detail}\n"] if attempt.detail else [])]
            self._result(package, name, Status.FAILED, attempt.seconds, _outputs(name, said))
            self._run(event.test)
        self._running.discard(event.test)
        told = converted(name, event.output) if event.output else _outputs(name, _plain(event, name))
        if event.detail:
            told = [*told, *_outputs(name, [f"    {event.detail}\n"])]
        self._result(package, name, event.status, event.seconds, told)
        known = self._packages.get(package)
        if known is None:
            return
        known.failed |= event.status.is_failure
        known.left -= 1
        if not known.left:
            self._end(package)

    def _result(self, package: str, name: str, status: Status, seconds: float, told: Iterable[Event]) -> None:
        for each in told:
            self._tell(package, each)
        self._tell(package, {"Action": RESULTS.get(status, "fail"), "Test": name, "Elapsed": round(seconds, 2)})

    def _end(self, name: str, *, whole: bool = True) -> None:
        """End a package; one that is not `whole` has not come to its end."""
        package = self._packages.pop(name)
        seconds = round(self._at - package.began, 3)
        failed = package.failed or not whole
        self._tell(name, _output("FAIL\n" if failed else "PASS\n"))
        self._tell(name, _output(f"FAIL\t{name}\t{seconds:.3f}s\n" if failed else f"ok  \t{name}\t{seconds:.3f}s\n"))
        self._tell(name, {"Action": "fail" if failed else "pass", "Elapsed": seconds})

    def _failed_build(self, name: str, text: str) -> None:
        lines = text.splitlines(keepends=True)
        last = [line for line in lines if line.startswith("FAIL\t")]
        build = f"{name} [{name}.test]"
        for line in lines:
            if line not in last:
                self._write({"ImportPath": build, "Action": "build-output", "Output": line})
        self._write({"ImportPath": build, "Action": "build-fail"})
        self._tell(name, {"Action": "start"})
        for line in last:
            self._tell(name, _output(line))
        self._tell(name, {"Action": "fail", "Elapsed": 0, "FailedBuild": build})

    def _tell(self, package: str, event: Event) -> None:
        time = self._begun + dt.timedelta(seconds=self._at)
        self._write({"Time": time.isoformat(), "Action": event["Action"], "Package": package, **event})

    def _write(self, event: Event) -> None:
        self._stream.write(self._encode(event).decode() + "\n")
        self._stream.flush()


def _parts(test: Test) -> tuple[str, str]:
    """Return the package and the name of a test."""
    package, _, name = test.name.rpartition(" ")
    return package, name


def _output(text: str) -> Event:
    return {"Action": "output", "Output": text}


def _outputs(name: str, texts: Iterable[str]) -> list[Event]:
    lines = [line for text in texts for line in text.splitlines(keepends=True)]
    return [{"Action": "output", "Test": name, "Output": line} for line in lines]


def _plain(event: Finished, name: str) -> list[str]:
    """Return what is shown of a test whose output is not known: it was not run, or that run was not recorded so."""
    word = {"pass": "PASS", "skip": "SKIP"}.get(RESULTS.get(event.status, "fail"), "FAIL")
    reason = [f"    {event.reason}\n"] if event.reason else []
    return [f"=== RUN   {name}\n", *event.texts, *reason, f"--- {word}: {name} ({event.seconds:.2f}s)\n"]
