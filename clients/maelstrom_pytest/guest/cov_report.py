"""pytest-cov's end of a session, done once for all jobs: their data is combined, reported, and held against the limit.

A session of its own, in which everything is collected, as in a plain one, and nothing is run: what the jobs have
measured is put beside pytest-cov's own data, and pytest-cov does the rest. The host brings back the files it writes.

Runs inside the container; see the package. Imports nothing but pytest and the standard library, and coverage.
"""

from __future__ import annotations

import os
from base64 import b64decode
from io import StringIO

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Combining:
    """The plugin of that session."""

    def __init__(self, request: Any, channel: Any, take_reins: Any) -> None:
        self.request = request
        self.channel = channel
        self.take_reins = take_reins
        self.failed = int(bool(request.get("failed")))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> Iterator[None]:
        """Leave nothing but the coverage to be reported."""
        self.take_reins(config, single=True, more={"xmlpath": None}, reporting=True)
        yield

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: Any) -> None:
        """Keep the cache as it is: this session knows nothing of failures."""
        for name in ("lfplugin", "nfplugin", "stepwiseplugin"):
            plugin = session.config.pluginmanager.getplugin(name)
            if plugin is not None:
                session.config.pluginmanager.unregister(plugin)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        """Run nothing; leave the data of the jobs where pytest-cov will find it."""
        controller = getattr(session.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
        if controller is not None:
            write(controller, self.request["covered"])
        session.testsfailed = self.failed
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: Any) -> None:
        """Send what pytest-cov would print, and whether it is content."""
        plugin = session.config.pluginmanager.getplugin("_cov")
        if plugin is None:
            return
        reporter = Reporter(bool(self.request.get("markup")), int(self.request.get("width", 80)))
        plugin.pytest_terminal_summary(terminalreporter=reporter)
        text = reporter.stream.getvalue()
        failed = session.testsfailed > self.failed
        self.channel.send({"type": "coverage-report", "text": text, "failed": failed, "outside": outside(plugin)})

    def send_end(self, status: int) -> None:
        """Say that the session is over."""
        self.channel.send({"type": "session", "status": status, "deselected": 0})


class Reporter:
    """The part of pytest's reporter that pytest-cov writes to."""

    def __init__(self, markup: bool, width: int) -> None:
        from _pytest._io import TerminalWriter

        self.stream = StringIO()
        writer = TerminalWriter(self.stream)
        writer.hasmarkup = markup
        writer.fullwidth = width
        self.write = writer.write
        self.write_line = writer.line
        self.write_sep = writer.sep


def outside(plugin: Any) -> list[str]:
    """Return the paths of what was written, as far as it is not below the current directory."""
    controller: Any = getattr(plugin, "cov_controller", None)
    config = getattr(getattr(controller, "cov", None), "config", None)
    if config is None:
        return []
    asked = controller.cov_report if isinstance(controller.cov_report, dict) else {}
    usual = {"html": "html_dir", "xml": "xml_output", "json": "json_output", "lcov": "lcov_output"}
    named = [asked[kind] or getattr(config, usual.get(kind, ""), None) for kind in asked if not kind.startswith("term")]
    top = os.path.join(str(controller.topdir), "")
    paths = [os.path.abspath(os.path.join(top, str(each))) for each in [config.data_file, *named] if each]
    return sorted({path for path in paths if not path.startswith(top) and os.path.lexists(path)})


def write(controller: Any, covered: Any) -> None:
    """Write a data file beside those of a controller of pytest-cov."""
    from coverage import CoverageData

    path = os.path.abspath(os.path.join(str(controller.topdir), str(controller.cov.config.data_file)))
    os.makedirs(os.path.dirname(path), exist_ok=True)  # a settings' file may name one that is not in the container
    data = CoverageData(basename=path, suffix="maelstrom")
    for context, files in covered["lines"].items():
        data.set_context(context)
        data.add_lines({file: numbers(text) for file, text in files.items()})
    for context, files in covered["arcs"].items():
        data.set_context(context)
        data.add_arcs({file: list(zip(flat[::2], flat[1::2])) for file, flat in files.items()})
    data.add_file_tracers(covered["tracers"])
    data.write()
    getattr(data, "close", bool)()  # not there in older ones


def numbers(text: str) -> list[int]:
    """Return the numbers of the bits that are set in a text in base 64."""
    return [
        index * 8 + place for index, byte in enumerate(b64decode(text)) for place in range(8) if byte & (1 << place)
    ]
