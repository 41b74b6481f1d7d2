"""The gate: where pytest stops and becomes a template, and where its forks go on.

pytest runs as for one test, up to a point behind which things differ from test to test. There this plugin lets
`forks` serve; a call that returns has become another process, and pytest goes on in it without noticing. There are two
such points: before anything is collected (the base, with plugins and root conftests), and when one file has been
collected (a stage). A job may be forked at either.

`forks` is the mechanism's:

    forks.ready()                    loaded, may be forked; called once in each process that serves
    forks.refuse(reason)             must not be forked; never returns
    forks.serve() -> kind, payload   serves for ever; returns in forks only: "stage" or "job", and what to do
    forks.point() -> payload         in a job: what follows may be done once for each of several jobs, by a process that
                                     is put back to here after each
    forks.end(code)                  ends a job

    forks.channel                    the descriptor of the result channel, in a job

A stage has outputs of its own and may be forked from in turn; a job also has a result channel.

Runs inside the container; see the package. Imports nothing but pytest and the standard library.
"""

from __future__ import annotations

import json
import sys

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Gate:
    """Stops where templates are made, and ends the jobs forked from them."""

    def __init__(
        self, forks: Any, running: Any, watch: Any, modules: dict[str, Any], expressions: Any, for_many: bool
    ) -> None:
        self.forks = forks
        self.running = running
        self.watch = watch
        self.heap = modules["heap"]["Heap"]()
        self.renewal = modules["renew"]["Renewal"]()
        self.flush = modules["renew"]["flush"]
        self.find_log_file = modules["renew"]["log_file"]
        self.make_channel = modules["channel"]["Channel"]
        self.hooks = modules["hooks"]
        self.fill = modules["fill"]["fill"]
        self.for_many = for_many  # there will be many forks, of this base and its stages together
        self.expressions = expressions
        self.in_job = False
        self.whole_end = True
        self.kept: Any = None

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection(self, session: Any) -> Iterator[None]:
        self.serve(session.config)
        yield

    # innermost: what other plugins put around all tests is done once, in the stage
    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtestloop(self, session: Any) -> Iterator[None]:
        if not self.in_job:
            if session.testsfailed or self.running.collect_error:
                self.forks.refuse(f"failed to collect {self.running.collect_error or 'the file'} on its own")
            self.kept = session.items  # letting go of the list would write to every item
            session.items = []
            self.hooks["leave_out_packages"](self.kept)
            self.serve(session.config)
            self.running.pick(session)
        outcome: Any = yield
        self.heap.leave_frozen()
        if outcome.excinfo is None and not self.whole_end:
            self.hooks["keep_null_log"](session.config)
            self.finish(1 if session.testsfailed else 0 if session.testscollected else 5)

    def serve(self, config: Any) -> None:
        """Serve as a template; returns in forks only, renewed, with their request taken on."""
        log_file = self.find_log_file(config)
        own_file = None if log_file is None else str(log_file.baseFilename)
        objection = self.watch.objection(self.renewal.own_descriptors(config), own_file)
        if objection is not None:
            self.forks.refuse(objection)
        self.running.take_measure(config)
        if self.running.measured is not None:
            self.running.measured.settle()
        self.whole_end = self.hooks["matters_at_the_end"](config, measured=self.running.measured is not None)
        # not in the base: a conftest further down may yet want a proper end, and what was printed
        if self.running.collected is not None and not self.whole_end:
            self.hooks["leave_out_printing"](config)
        self.fill(for_many=self.for_many)
        self.renewal.prepare(config, self.watch.reopened(), self.watch.directories())
        self.heap.settle()
        self.forks.ready()
        kind, payload = self.forks.serve()
        if kind == "job":
            self.in_job = True
            self.watch.stop()
            channel = self.make_channel(self.forks.channel)
            self.renewal.perform()
            payload = self.forks.point()
            self.renewal.renew_randomness(job=True)
            self.expressions.begin()
            self.running.adopt(json.loads(payload.decode("utf-8")), channel)
        else:
            self.renewal.perform()
            self.renewal.renew_randomness(job=False)
            self.watch.again()
            self.running.stage(json.loads(payload.decode("utf-8")))

    def finish(self, status: int) -> None:
        """End a job as the interpreter would, without taking apart what was loaded.

        Threads that keep a process alive are waited for, exit functions run and outputs are flushed, in that order.
        """
        self.running.send_measured()
        compiled = self.expressions.record()
        if compiled is not None:
            self.running.send(compiled)
        self.running.send_end(status)
        threading = sys.modules.get("threading")
        if threading is not None and len(threading._active) > 1:
            threading._shutdown()
        self.hooks["run_exit_functions"]()
        self.flush(sys.stdout, sys.stderr)
        self.forks.end(status)
