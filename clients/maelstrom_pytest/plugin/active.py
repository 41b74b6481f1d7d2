"""The part of the plugin that `--maelstrom` registers: collects as ever, runs the tests elsewhere, reports as ever.

Hooks around a single test (setup, call, teardown, fixtures) are called in its container. Those of the session, of
collection, and of reports are called here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import msgspec
import pytest

from maelstrom_core.errors import MaelstromError, UserError
from maelstrom_pytest import project_file
from maelstrom_pytest.config import PytestConfig
from maelstrom_pytest.guest.options import DISTRIBUTION, neutralise
from maelstrom_pytest.guest.places import numbered, places
from maelstrom_pytest.guest.reports import describe_item
from maelstrom_pytest.plans import in_image
from maelstrom_pytest.plugin import OPTIONS, settings
from maelstrom_pytest.rules import base_image

if TYPE_CHECKING:
    from maelstrom_pytest.plan import Plan
    from maelstrom_pytest.plugin.drive import Drive
    from maelstrom_pytest.records import Item
    from maelstrom_test_runner.runner import ImageRunner, Runner
    from maelstrom_test_runner.runner_file import RunnerFile
    from maelstrom_worker.nursery import Nursery

EXIT_INFRASTRUCTURE = 3


def activate(config: pytest.Config) -> None:
    """Fork what containers are made from, while this process has one thread, and register the plugin.

    Raises UsageError.
    """
    environment = dict(os.environ)
    path = "" if sys.flags.safe_path or sys.flags.isolated else sys.path[0]
    options = config.known_args_namespace
    if (refused := settings.refused(options)) is not None:
        raise pytest.UsageError(
            f"{refused} does not work with --maelstrom: tests run in other processes\n"
            "  hint: leave out --maelstrom; or `maelstrom-pytest --shell TEST` opens a shell in a test's container"
        )
    try:
        file = project_file.read(Path(config.invocation_params.dir))
        configured = settings.configuration(options, environment, file)
        configured = in_image(configured, base_image(file.directives, configured.image))
    except UserError as error:
        raise pytest.UsageError(settings.in_our_words(error.render())) from None
    from maelstrom_client import start_nursery

    nursery = start_nursery()
    config.add_cleanup(nursery.close)
    distributed = bool(getattr(options, "numprocesses", None) or getattr(options, "tx", None))
    for name, value in DISTRIBUTION.items():  # pytest-cov looks at these right now
        if hasattr(options, name):
            setattr(options, name, value)
    active = Active(configured, file, nursery, environment, path=path, distributed=distributed)
    config.pluginmanager.register(active, "maelstrom-active")


class Active:
    """A session whose tests run in containers."""

    def __init__(
        self,
        config: PytestConfig,
        file: RunnerFile,
        nursery: Nursery,
        environment: Mapping[str, str],
        *,
        path: str,
        distributed: bool,
    ) -> None:
        self._config = config
        self._file = file
        self._nursery = nursery
        self._environment = environment
        self._path = path
        self._distributed = distributed
        self._notes: Sequence[str] = ()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> Iterator[None]:
        """Keep pytest-xdist from starting workers."""
        neutralise(config, DISTRIBUTION)
        yield

    def pytest_report_header(self) -> str:
        """Say where tests run."""
        ours = self._config
        isolation = "each test" if ours.isolation == "test" else f"isolation {ours.isolation}"
        words = [f"maelstrom: {isolation} in a container of its own", f"{ours.slots} slot{'s'[: ours.slots > 1]}"]
        if ours.image is not None:
            words.append(f"image {ours.image}")
        if ours.broker is not None:
            host, port = ours.broker
            words.append(f"broker {host}:{port}")
        ignored = "; options of pytest-xdist are ignored" if self._distributed else ""
        return ", ".join(words) + ignored

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests; pytest's own loop, which would run them here, is not called."""
        errors = session.testsfailed
        if errors and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted(f"{errors} error{'s' if errors != 1 else ''} during collection")
        if session.items:
            try:
                self._run(session)
            except MaelstromError as error:
                _give_up(error)
        return True

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was worth a remark."""
        for note in self._notes:
            terminalreporter.write_line(f"maelstrom: {note}", yellow=True)

    def _run(self, session: pytest.Session) -> None:
        by_key: dict[tuple[str, int], pytest.Item] = {}
        records: list[Item] = []
        from maelstrom_pytest.records import Item as Record

        places_of = places([item.nodeid for item in session.items])
        for (item, occurrence), place in zip(numbered(session.items), places_of, strict=True):
            by_key[item.nodeid, occurrence] = item
            record = describe_item(item, occurrence, place)
            records.append(msgspec.convert(record, Record, strict=False))
        # a later session takes up where the first failure was: all tests before it must have been run
        order = list(by_key) if getattr(session.config.option, "stepwise", False) else None
        with self._drive(session.config) as drive:
            self._notes = drive.notes
            for item, reports, noted in self._told(drive, records, by_key, order):
                self._tell(item, reports, noted)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
        if drive.covered:
            from maelstrom_pytest.plugin import coverage_file

            coverage_file.write(session.config, drive.covered)

    def _told(
        self,
        drive: Drive,
        records: Sequence[Item],
        items: Mapping[tuple[str, int], pytest.Item],
        order: Sequence[tuple[str, int]] | None,
    ) -> Iterator[tuple[pytest.Item, list[Any], Sequence[Any]]]:
        """Yield tests with their reports and notes as they end, or in an order."""
        from maelstrom_pytest.plugin.reports import reports_of

        held: dict[tuple[str, int], tuple[pytest.Item, list[Any], Sequence[Any]]] = {}
        waiting = iter(order or ())
        wanted = next(waiting, None)
        for record, verdict, noted in drive.verdicts(records):
            item = items[record.nodeid, record.occurrence]
            told = item, reports_of(item, verdict), noted
            if order is None:
                yield told
                continue
            held[record.nodeid, record.occurrence] = told
            while wanted is not None and wanted in held:
                yield held.pop(wanted)
                wanted = next(waiting, None)

    def _tell(self, item: pytest.Item, reports: Sequence[Any], noted: Sequence[Any]) -> None:
        from maelstrom_pytest.plugin.reports import tell, uncapture

        if item.config.getoption("capture") == "no":
            for report in reports:
                for stream, text in uncapture(report):
                    print(text, end="", file=getattr(sys, stream), flush=True)
        tell(item, reports, noted)

    def _drive(self, config: pytest.Config) -> Drive:
        from maelstrom_pytest.plan import GUEST_MOUNT_POINT
        from maelstrom_pytest.plans import Call, make_image_plan, make_plan
        from maelstrom_pytest.plugin.drive import Drive
        from maelstrom_pytest.program import open_runner

        ours = self._config

        uncaptured = config.getoption("capture") == "no"
        arguments = settings.guest_arguments(
            [str(argument) for argument in config.invocation_params.args], uncaptured=uncaptured
        )
        directory = Path(config.invocation_params.dir)
        call = Call(directory, arguments, self._environment, file=self._file, python=sys.executable)
        words = Words(config)
        plan = None
        if ours.image is None:
            plan = make_plan(ours, call, markup=False, width=80, mount_point=GUEST_MOUNT_POINT)
        opened = open_runner(ours, call.project, self._nursery, note=words.remark)

        async def find_plan(runner: Runner) -> Plan:
            found = plan or await make_image_plan(ours, call, cast("ImageRunner", runner), words)
            return self._with_wishes(found, config)

        return Drive(ours, call, find_plan, words, opened)

    def _with_wishes(self, plan: Plan, config: pytest.Config) -> Plan:
        """Return the plan with what the plugin asks of the guest."""
        terminal: Any = config.get_terminal_writer() if config.pluginmanager.hasplugin("terminalreporter") else None
        # explanations of assertions are coloured where they are made
        markup, width = (bool(terminal.hasmarkup), int(terminal.fullwidth)) if terminal is not None else (False, 80)
        seeds = {name: getattr(config.option, name) for name in settings.SEEDS if hasattr(config.option, name)}
        known = [["maelstrom", False], *([f"maelstrom-{name}", metavar is not None] for name, metavar, _ in OPTIONS)]
        wishes = {"data": True, "path": self._path, "options": seeds, "known": known}
        return msgspec.structs.replace(plan, markup=markup, width=width, wishes=wishes)


class Words:
    """What is to be said while tests run, or before, on the terminal of pytest: among the lines that it writes."""

    def __init__(self, config: pytest.Config) -> None:
        self._reporter: Any = config.pluginmanager.getplugin("terminalreporter")
        self._shown = False

    def busy(self, text: str) -> None:
        """Show what is being done, where a line can be taken away again; "" when it is over."""
        if self._reporter is None or not self._reporter.isatty or not (text or self._shown):
            return
        self._reporter.rewrite(f"maelstrom: {text}" if text else "", erase=True)
        if not text:
            self._reporter.rewrite("")
        self._shown = bool(text)

    def remark(self, text: str) -> None:
        """Write a line."""
        self.busy("")
        if self._reporter is not None:
            self._reporter.ensure_newline()
            self._reporter.write_line(f"maelstrom: {text}")


def _give_up(error: MaelstromError) -> NoReturn:
    """End the session: by a wrong request, or by a machine that cannot do it."""
    if isinstance(error, UserError):
        raise pytest.UsageError(settings.in_our_words(error.render())) from None
    pytest.exit(f"maelstrom: {settings.in_our_words(error.render())}", returncode=EXIT_INFRASTRUCTURE)
