"""The plugin: collects, or runs exactly the selected items, and sends what pytest says as it says it.

A test that passed in all its phases without more to say is one record, `done`, which waits for company: the next
record, or the end of the session. Most tests are such, and each record costs a system call and pages of memory.

Everything else is as in an ordinary run: same arguments, same root directory, same configuration, same plugins.
Two hooks cut the work down to the selected items: directories and files that hold none of them are not entered
(`pytest_ignore_collect`), and what is collected beside them is dropped at the very end
(`pytest_collection_modifyitems`, outermost wrapper), when every other plugin has had its say.

Runs inside the container; see the package. Imports nothing but pytest and the standard library.
"""

from __future__ import annotations

import os
import signal
import sys
from os import _exit, kill  # by name: tests replace functions of `os`

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

# the records that every test sends, ready-made: an encoder's pages would have to be copied in each fork
DONE = b'{"type":"done","item":%d,"durations":[%.9f,%.9f,%.9f]}'
DONE_WHEN = b'{"type":"done","item":%d,"durations":[%.9f,%.9f,%.9f],"starts":[%.6f,%.6f,%.6f]}'
SESSION = b'{"type":"session","status":%d,"deselected":%d}'
PHASES = ("setup", "call", "teardown")
TOGETHER = 200  # items that are sent in one go


def make_plugin(**parts: Any) -> Collecting | Running:
    """Return the plugin for a request."""
    return Collecting(**parts) if parts["request"]["mode"] == "collect" else Running(**parts)


class Common:
    """What collecting and running share."""

    def __init__(
        self,
        request: Any,
        channel: Any,
        channel_lost_error: Any,
        channel_lost_code: int,
        reaper: int,
        reports: dict[str, Any],
        foreign: Any,
        take_reins: Any,
        load: Any,
    ) -> None:
        self.request = request
        self.channel = channel  # none in a template: there is nobody to tell
        self.channel_lost_error = channel_lost_error
        self.channel_lost_code = channel_lost_code
        self.pending: list[dict[str, Any] | bytes] = []
        self.reaper = reaper
        self.reports = reports
        self.foreign = foreign
        self.take_reins = take_reins
        self.load = load
        self.markup = False
        self.width = int(request.get("width", 80))
        self.deselected = 0
        self.config: Any = None
        self.directory = os.getcwd()  # plugins may warn before there is a configuration that says so

    def send(self, record: dict[str, Any] | bytes) -> None:
        """Send a record and what waits before it; if that cannot be done any more, say so and end.

        The reaper is told by a signal; where there is none of ours, in a fork of a template, the exit code tells.
        """
        if self.channel is None:
            return
        records = [*self.pending, record]
        del self.pending[:]
        try:
            self.channel.send(*records)
        except self.channel_lost_error:
            if self.reaper:
                kill(self.reaper, signal.SIGRTMAX)
            _exit(self.channel_lost_code)

    def send_end(self, status: int) -> None:
        """Send that the session is over."""
        self.send(SESSION % (status, self.deselected))

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, parser: Any) -> None:
        self.load("options")["add_known"](parser, self.request.get("known", ()))

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: Any) -> None:
        self.config = config
        config.addinivalue_line("markers", "maelstrom_no_template: start an interpreter for this test alone")
        colour = config.getoption("color", "auto")
        self.markup = colour == "yes" or (bool(self.request.get("markup")) and colour != "no")
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None and self.markup:  # explanations of assertions are coloured when they are made
            config.get_terminal_writer().hasmarkup = True
        if self.request.get("live"):
            self.load("hush")["hush"](config)
        record = {
            "type": "configured",
            "python": ".".join(map(str, sys.version_info[:3])),
            "pytest": pytest.__version__,
            "rootdir": str(config.rootpath),
            "inipath": str(config.inipath) if config.inipath else None,
            "maxfail": int(config.getoption("maxfail", 0) or 0),
            "collect_only": bool(config.getoption("collectonly", False)),
            "continue_on_errors": bool(config.getoption("continue_on_collection_errors", False)),
            "distributed": self.distributed,
            "shown": getattr(reporter, "reportchars", "") or "",
        }
        self.send(record)

    distributed = False

    def pytest_deselected(self, items: list[Any]) -> None:
        self.deselected += len(items)

    def pytest_collectreport(self, report: Any) -> None:
        nodeid = str(report.nodeid)
        if report.failed:
            title = "ERROR collecting " + str(getattr(report, "head_line", None) or nodeid or "test session")
            text = self.reports["render"](self.config, report, title, self.markup, self.width)
            self.send({"type": "collect-error", "nodeid": nodeid, "text": text})
        elif report.skipped:
            self.send({"type": "collect-skipped", "nodeid": nodeid, "reason": self.reports["reason"](report)})

    def pytest_internalerror(self, excrepr: Any) -> None:
        self.send({"type": "internal-error", "text": str(excrepr)})

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        self.send({"type": "interrupted", "text": excinfo.exconly()})

    def begin(self, config: Any, *, single: bool) -> None:
        """Take the reins before any plugin acts on its options."""
        self.distributed = self.take_reins(config, single=single, more=self.request.get("options", {}))


class Collecting(Common):
    """Collects as pytest does, sends the items, runs none."""

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> Iterator[None]:
        self.begin(config, single=False)
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> Iterator[None]:
        yield
        finding, describe = self.load("places"), self.reports["describe_item"]
        places = finding["places"]([str(item.nodeid) for item in items])
        for (item, occurrence), place in zip(finding["numbered"](items), places, strict=True):
            self.pending.append(describe(item, occurrence, place))
            if len(self.pending) == TOGETHER:
                self.send(self.pending.pop())

    def pytest_warning_recorded(self, warning_message: Any, nodeid: str) -> None:
        self.send(dict(self.reports["describe_warning"](self.directory, warning_message, nodeid), item=-1))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        errors = session.testsfailed
        if errors and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted(f"{errors} error{'s' if errors != 1 else ''} during collection")
        return True


class Running(Common):
    """Runs the selected items and nothing else.

    In a template there is no selection yet: `stage` and `adopt` say later what to collect and what to run.
    """

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.wanted: dict[tuple[str, int], int] = {}
        self.indices: dict[int, int] = {}
        self.current = -1
        self.single = False
        self.entered: set[str] | None = None
        self.collected: dict[tuple[str, int], tuple[int, Any]] | None = None
        self.collect_error = ""
        self.finding = self.load("places")
        self.passed: list[Any] = []  # reports of the current item that are not sent yet
        self.brief = False
        self.outputs = False  # shown of tests that pass as well
        self.measured: Any = None
        if self.request["mode"] == "run":
            self.adopt(self.request, self.channel)

    def adopt(self, request: dict[str, Any], channel: Any) -> None:
        """Take on a selection, and the channel for what becomes of it."""
        self.channel = channel
        selection = request["select"]
        self.wanted = {(nodeid, occurrence): index for index, (nodeid, occurrence, _file) in enumerate(selection)}
        self.single = len(selection) == 1
        self.request = dict(self.request, **request)
        if self.collected is None:
            files = [file for _nodeid, _occurrence, file in selection]
            self.entered = ways_to(files) if request.get("prune", True) and all(files) else None

    def stage(self, request: dict[str, Any]) -> None:
        """Collect some files, and remember their items for selections to come."""
        self.entered = ways_to(request["files"]) if request.get("prune", True) else None
        self.collected = {}

    def pick(self, session: Any) -> None:
        """Leave the selection of what has been collected to be run.

        Touches no other item: each page that is written to after a fork is copied.
        """
        session.items = self.picked()
        session.testscollected = len(session.items)
        self.report_missing()

    def picked(self) -> list[Any]:
        """Return the items of the selection, in the order in which they were collected."""
        assert self.collected is not None  # noqa: S101 for the type checker
        found = []
        for key, index in self.wanted.items():
            entry = self.collected.get(key)
            if entry is not None:
                found.append((entry[0], index, entry[1]))
        if len(found) < len(self.wanted):
            found += self.finding["at_their_places"](self.collected, self.wanted, self.request.get("places", {}))
        found.sort(key=lambda entry: entry[0])
        for _position, index, item in found:
            self.indices[id(item)] = index
        return [item for _position, _index, item in found]

    def report_missing(self) -> None:
        found = set(self.indices.values())
        missing = [index for index in self.wanted.values() if index not in found]
        if missing:
            self.send({"type": "missing", "items": missing})

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> Iterator[None]:
        self.begin(config, single=True)
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection(self, session: Any) -> Iterator[None]:
        config = session.config
        # whoever has a word of their own for a report says it where reports are sent as data
        self.outputs = "P" in getattr(config.pluginmanager.getplugin("terminalreporter"), "reportchars", "")
        self.brief = bool(self.request.get("data")) or not self.foreign(config, "pytest_report_teststatus")
        self.take_measure(config)
        if self.request.get("data") and config.getoption("xmlpath", None):
            notes = self.load("junit")["notes"](config, self.send_note)
            if notes is not None:
                config.pluginmanager.register(notes)
        if self.entered is None:
            yield
            return
        arguments = config.args
        config.args = [argument for argument in arguments if self.leads_to_selection(config, argument)] or arguments
        yield
        config.args = arguments

    def leads_to_selection(self, config: Any, argument: str) -> bool:
        """Tell whether an argument names a selected file or a directory above one; unsure counts as yes."""
        path = os.path.abspath(os.path.join(str(config.invocation_params.dir), argument.split("::", 1)[0]))
        if self.entered is None or path in self.entered:
            return True
        return bool(config.getoption("pyargs", False)) and not os.path.exists(path)

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Any) -> bool | None:
        if self.entered is None or str(collection_path) in self.entered:
            return None
        return True

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> Iterator[None]:
        yield
        staged = self.collected is not None
        self.collected = {}
        for position, (item, occurrence) in enumerate(self.finding["numbered"](items)):
            self.collected[str(item.nodeid), occurrence] = (position, item)
            if staged:  # worked out once, here, instead of in each fork by two dozen functions that it need not touch
                item.location  # noqa: B018
        if not staged:
            items[:] = self.picked()
            self.report_missing()

    def pytest_collectreport(self, report: Any) -> None:
        if self.channel is None and report.failed:
            self.collect_error = self.collect_error or str(report.nodeid)
        else:
            super().pytest_collectreport(report)

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtestloop(self) -> Iterator[None]:
        # Go where the tests are to be: after collection, which takes paths from where pytest was called.
        directory = self.request.get("directory")
        if directory is not None:
            os.chdir(directory)
        yield
        self.send_measured()

    def send_note(self, record: dict[str, Any]) -> None:
        """Send something about the current item."""
        if self.current >= 0:
            self.send(dict(record, item=self.current))

    def take_measure(self, config: Any) -> None:
        """Take over what is measured of coverage in this process, if anything is."""
        if self.measured is None and config.pluginmanager.getplugin("_cov") is not None:
            self.measured = self.load("covered")["measured"](config)

    def send_measured(self) -> None:
        """Send what was covered, if somebody wants to know."""
        if self.measured is not None and self.channel is not None:
            for record in self.measured.records(self.request.get("loaded", True)):
                self.send(record)
            self.measured = None

    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str) -> None:
        if when == "runtest":  # those of loading are told by whoever collects
            self.send_note(self.reports["describe_warning"](self.directory, warning_message, nodeid))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        index = self.indices.get(id(item), -1)
        self.current = index
        if not self.single or index:  # who is alone is to blame, begun or not
            self.send({"type": "start", "item": index})
        outcome: Any = yield
        if outcome.excinfo is not None:  # pytest is being stopped in the middle of this item
            self.send_passed()
        elif len(self.passed) == len(PHASES):
            durations = [report.duration for report in self.passed]
            if self.request.get("data"):
                starts = [getattr(report, "start", 0.0) for report in self.passed]
                self.pending.append(DONE_WHEN % (index, *durations, *starts))
            else:
                self.pending.append(DONE % (index, *durations))
            del self.passed[:]
        else:
            self.send_passed()
            self.send({"type": "finish", "item": index})

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        if (
            self.brief
            and report.outcome == "passed"
            and type(report) is pytest.TestReport
            and len(self.passed) < len(PHASES)
            and report.when == PHASES[len(self.passed)]
            and not report.user_properties
            and not (self.outputs and report.sections)
            and not hasattr(report, "wasxfail")
            and (not self.request.get("data") or self.reports["is_usual"](report))
        ):
            self.passed.append(report)
            return
        self.send_passed()
        self.send_report(report)

    def pytest_enter_pdb(self) -> None:
        # at a breakpoint, and nobody can type: said to who can run the test again where somebody can
        if self.request.get("breakpoints") and not self.config.option.usepdb:
            self.send_note({"type": "asked"})
            _exit(0)

    def send_passed(self) -> None:
        """Send one by one what was kept for a brief record, for it was no such test."""
        for report in self.passed:
            self.send_report(report)
        del self.passed[:]

    def send_report(self, report: Any) -> None:
        record = self.reports["describe"](self.config, report, self.markup, self.width, bool(self.request.get("data")))
        record["item"] = self.current
        if self.outputs and report.passed and report.when == "call" and report.sections:
            title = self.reports["headline"](report)
            record["text"] = self.reports["render"](self.config, report, title, self.markup, self.width, good=True)
        self.send(record)


def ways_to(files: Iterable[str]) -> set[str]:
    """Return the files, the directories above them, and those directories' `__init__.py` (older pytests' packages)."""
    entered: set[str] = set()
    for file in files:
        entered.add(file)
        directory = os.path.dirname(file)
        while directory not in entered:
            entered.add(directory)
            entered.add(os.path.join(directory, "__init__.py"))
            directory = os.path.dirname(directory)
    return entered
