"""What coverage measures in a job: taken from its collector in memory, and sent as records.

pytest-cov would write a data file at the end of each job, into a container that goes away, combine and report it. So
its part at the end is left out, and what was measured is kept by a recorder in the place of coverage's data file: no
database is made, nothing is written, and a fork of a template that has measured what it loaded sends that as well. Data
files of programs that a test started, and that coverage measured, are read.

Runs inside the container; see the package. Imports nothing but the standard library, and coverage where that is in use.
"""

from __future__ import annotations

import os
from base64 import b64encode
from json import JSONEncoder
from zlib import compress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

dumps = JSONEncoder().encode  # now: tests replace functions of `json`

SHORT = 64 << 10
"""Bytes of JSON that are sent as they are."""
PART = 4 << 20
"""Bytes, about, of what makes a record of its own: a session of many tests with a context each has a hundred MB."""


class Recorder:
    """Keeps what a collector of coverage would write into its data file: the part of `CoverageData` that it calls."""

    def __init__(self) -> None:
        self.context = ""
        self.lines: dict[str, dict[str, set[int]]] = {}
        self.arcs: dict[str, dict[str, set[tuple[int, int]]]] = {}
        self.tracers: dict[str, str] = {}

    def set_context(self, context: str | None) -> None:
        """Say to which context what follows belongs."""
        self.context = context or ""

    def add_lines(self, lines: Mapping[str, Iterable[int]]) -> None:
        """Add lines by file."""
        files = self.lines.setdefault(self.context, {})
        for file, numbers in lines.items():
            files.setdefault(file, set()).update(numbers)

    def add_arcs(self, arcs: Mapping[str, Iterable[tuple[int, int]]]) -> None:
        """Add ways from line to line by file."""
        files = self.arcs.setdefault(self.context, {})
        for file, pairs in arcs.items():
            files.setdefault(file, set()).update(pairs)

    def add_file_tracers(self, tracers: Mapping[str, str]) -> None:
        """Add the plugins that have measured files."""
        self.tracers.update(tracers)

    def add(self, other: Recorder) -> None:
        """Add all that another one has kept."""
        for context, lines in other.lines.items():
            self.set_context(context)
            self.add_lines(lines)
        for context, arcs in other.arcs.items():
            self.set_context(context)
            self.add_arcs(arcs)
        self.add_file_tracers(other.tracers)

    def add_data(self, data: Any) -> None:
        """Add all that a data file holds."""
        with_arcs = data.has_arcs()
        for context in sorted(data.measured_contexts()) or [""]:
            self.set_context(context)
            data.set_query_context(context)
            for file in data.measured_files():
                if with_arcs:
                    self.add_arcs({file: data.arcs(file) or ()})
                else:
                    self.add_lines({file: data.lines(file) or ()})
                if data.file_tracer(file):
                    self.tracers[file] = data.file_tracer(file)

    def records(self, loaded: bool = True) -> Iterator[bytes]:
        """Yield it all as JSON of records, one at least: lines as bits, ways as numbers one after another."""
        part, size = self.part(loaded), 0
        for kind, context, file, content in self.contents():
            part[kind].setdefault(context, {})[file] = content
            size += len(context) + len(file) + 4 * len(content)
            if size > PART:
                yield encoded(part)
                part, size = self.part(loaded), 0
        yield encoded(part)

    def part(self, loaded: bool) -> dict[str, Any]:
        """Return a record with no lines or ways."""
        return {"type": "covered", "lines": {}, "arcs": {}, "tracers": self.tracers, "loaded": loaded}

    def contents(self) -> Iterator[tuple[str, str, str, str | list[int]]]:
        """Yield lines and ways of each file in each context, in the form in which they are sent."""
        for context, lines in self.lines.items():
            for file, numbers in lines.items():
                if numbers:
                    yield "lines", context, file, bits(numbers)
        for context, arcs in self.arcs.items():
            for file, pairs in arcs.items():
                if pairs:
                    yield "arcs", context, file, [number for pair in pairs for number in pair]


def encoded(record: dict[str, Any]) -> bytes:
    """Return the JSON of a record; of one that is long, of a record that holds it compressed."""
    data = dumps(record).encode("ascii")
    if len(data) <= SHORT:
        return data
    zipped = b64encode(compress(data, 1)).decode("ascii")
    return dumps({"type": "covered", "zipped": zipped, "loaded": record["loaded"]}).encode("ascii")


def bits(numbers: Iterable[int]) -> str:
    """Return a set of small numbers as the bits of a text in base 64, the lowest first."""
    known = [number for number in numbers if number >= 0]
    array = bytearray(max(known, default=0) // 8 + 1)
    for number in known:
        array[number >> 3] |= 1 << (number & 7)
    return b64encode(bytes(array)).decode("ascii")


class Measured:
    """The coverage of this process, in the hands of a recorder from now on."""

    def __init__(self, cov: Any, controller: Any) -> None:
        self.recorder, self.loaded = Recorder(), Recorder()
        self.context = cov.config.context
        self.collector = cov._collector
        self.collector.use_data(self.recorder, self.context)
        self.file = os.path.abspath(os.path.join(str(getattr(controller, "topdir", ".")), str(cov.config.data_file)))
        self.before = self.data_files()  # a project may have some from earlier
        controller.finish = do_nothing

    def data_files(self) -> set[str]:
        """Return the data files of other processes."""
        directory, name = os.path.split(self.file)
        try:
            return {os.path.join(directory, each) for each in os.listdir(directory) if each.startswith(name + ".")}
        except OSError:
            return set()

    def settle(self) -> None:
        """Put aside what has been measured so far, before this process is forked: its forks have that in common."""
        self.collector.flush_data()
        self.loaded.add(self.recorder)
        self.recorder = Recorder()
        self.collector.use_data(self.recorder, self.context)

    def records(self, loaded: bool = True) -> Iterator[bytes]:
        """Return the JSON of the records of what has been measured; `loaded`: with what has been put aside."""
        self.collector.flush_data()
        for file in sorted(self.data_files() - self.before):
            self.read(file)
        if loaded:
            self.recorder.add(self.loaded)
        return self.recorder.records(loaded)

    def read(self, file: str) -> None:
        """Add the data file of a program that a test started."""
        from coverage import CoverageData

        data = CoverageData(basename=file)
        try:
            data.read()
            self.recorder.add_data(data)
        except Exception:  # noqa: BLE001 left half written by a program that was killed
            return
        finally:
            getattr(data, "close", bool)()  # not there in older ones


def measured(config: Any) -> Measured | None:
    """Take over what pytest-cov measures in this process; None if that is nothing, or cannot be had."""
    plugin = config.pluginmanager.getplugin("_cov")
    controller = getattr(plugin, "cov_controller", None)
    cov = getattr(controller, "cov", None)
    if cov is None or getattr(plugin, "_disabled", False) or not hasattr(getattr(cov, "_collector", None), "use_data"):
        return None
    return Measured(cov, controller)


def do_nothing() -> None:
    """Stand in for the end of pytest-cov."""
