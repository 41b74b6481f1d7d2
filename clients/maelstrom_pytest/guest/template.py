"""The gate: where pytest stops and becomes a template, and where its forks go on.

pytest runs as for one test, up to a point behind which things differ from test to test. There this plugin lets
`forks` serve; a call that returns has become another process, and pytest goes on in it without noticing. There are two
such points: before anything is collected (the base, with plugins and root conftests), and when one file has been
collected (a stage). A job may be forked at either.

`forks` is the mechanism's:

    forks.ready()                    loaded, may be forked; called once in each process that serves
    forks.refuse(reason)             must not be forked; never returns
    forks.serve() -> kind, payload   serves for ever; returns in forks only: "stage" or "job", and what to do

A stage has outputs of its own and may be forked from in turn; a job also has a result channel, on descriptor 3.

Runs inside the container; see the package. Imports nothing but pytest and the standard library.
"""

from __future__ import annotations

import json
import sys
from os import _exit  # by name: tests replace functions of `os`

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

# Hooks at the end of a session. What pytest itself does there (a cache, reports to files) is seen by nobody: a job's
# result has been sent, its files go with its container. The same goes for what is printed (pytest_terminal_summary).
LAST_HOOKS = ("pytest_sessionfinish", "pytest_unconfigure")
# called for each test
PRINTING_HOOKS = ("pytest_runtest_logstart", "pytest_runtest_logreport", "pytest_runtest_logfinish")


class Gate:
    """Stops where templates are made, and ends the jobs forked from them."""

    def __init__(self, forks: Any, running: Any, watch: Any, modules: dict[str, Any]) -> None:
        self.forks = forks
        self.running = running
        self.watch = watch
        self.heap = modules["heap"]["Heap"]()
        self.renewal = modules["renew"]["Renewal"]()
        self.flush = modules["renew"]["flush"]
        self.find_log_file = modules["renew"]["log_file"]
        self.make_channel = modules["channel"]["Channel"]
        self.hide_channel = modules["boot"]["hide_channel"]
        self.foreign = modules["plugin"]["foreign"]
        self.in_job = False
        self.whole_end = True
        self.kept: Any = None

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection(self, session: Any) -> Iterator[None]:
        self.serve(session.config, forks=1000)
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> Iterator[None]:
        if not self.in_job:
            if session.testsfailed or self.running.collect_error:
                self.forks.refuse(f"failed to collect {self.running.collect_error or 'the file'} on its own")
            self.kept = session.items  # letting go of the list would write to every item
            session.items = []
            self.serve(session.config, forks=len(self.kept))
            self.running.pick(session)
        outcome: Any = yield
        if outcome.excinfo is None and not self.whole_end:
            self.finish(1 if session.testsfailed else 0 if session.testscollected else 5)

    def serve(self, config: Any, forks: int) -> None:
        """Serve as a template, for about so many forks; returns in forks only, renewed, with their request taken on."""
        log_file = self.find_log_file(config)
        own_file = None if log_file is None else str(log_file.baseFilename)
        objection = self.watch.objection(self.renewal.own_descriptors(config), own_file)
        if objection is not None:
            self.forks.refuse(objection)
        self.prepare(config)
        self.renewal.prepare(config, self.watch.reopened(), self.watch.directories())
        self.heap.settle(forks)
        self.forks.ready()
        kind, payload = self.forks.serve()
        if kind == "job":
            self.in_job = True
            self.watch.stop()
            channel = self.make_channel(self.hide_channel())
            self.renewal.perform(job=True)
            self.running.adopt(json.loads(payload.decode("utf-8")), channel)
        else:
            self.renewal.perform(job=False)
            self.watch.again()
            self.running.stage(json.loads(payload.decode("utf-8")))

    def prepare(self, config: Any) -> None:
        """Leave out what nobody reads, unless a plugin might."""
        self.whole_end = self.foreign(config, *LAST_HOOKS) or foreign_cleanups(config)
        if self.whole_end:
            return
        plugins = config.pluginmanager
        reporter = plugins.getplugin("terminalreporter")
        if type(reporter).__module__ == "_pytest.terminal":
            leave_out(config, reporter, *PRINTING_HOOKS)
        for name in ("lfplugin", "stepwiseplugin"):  # for later sessions; there are none
            leave_out(config, plugins.getplugin(name), *PRINTING_HOOKS)
        logs = plugins.getplugin("logging-plugin")
        if type(getattr(logs, "log_cli_handler", None)).__name__ == "_LiveLoggingNullHandler":
            leave_out(config, logs, *PRINTING_HOOKS)
        if not float(config.getini("faulthandler_timeout") or 0):
            leave_out(config, plugins.getplugin("faulthandler"), "pytest_runtest_protocol")

    def finish(self, status: int) -> NoReturn:
        """End a job as the interpreter would, without taking apart what was loaded.

        Threads that keep a process alive are waited for, exit functions run and outputs are flushed, in that order.
        """
        self.running.send_end(status)
        threading = sys.modules.get("threading")
        if threading is not None and len(threading._active) > 1:
            threading._shutdown()
        run_exit_functions()
        self.flush(sys.stdout, sys.stderr)
        _exit(status)


def leave_out(config: Any, plugin: Any, *names: str) -> None:
    """Take a plugin's part out of these hooks; where pytest does not let us, it stays."""
    for name in names:
        remove = getattr(getattr(config.hook, name, None), "_remove_plugin", None)
        try:
            remove(plugin)  # type: ignore[misc]
        except (TypeError, ValueError):  # there is no such function, or the plugin has no part in it
            continue


def run_exit_functions() -> None:
    """Run what is registered with atexit; failures are printed, as by the interpreter."""
    import atexit

    try:
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001 older interpreters raise the last failure, which has been printed
        return


def foreign_cleanups(config: Any) -> bool:
    """Tell whether a plugin that is not pytest's has left something to be done at the end of the session."""
    stack = getattr(config, "_cleanup_stack", None)
    callbacks = getattr(stack, "_exit_callbacks", None)
    if callbacks is not None:
        functions = [getattr(callback, "__wrapped__", callback) for _sync, callback in callbacks]
    else:
        functions = list(getattr(config, "_cleanup", ()))
    functions = [getattr(function, "func", function) for function in functions]  # of functools.partial
    return any(
        not str(getattr(each, "__module__", "") or "").startswith(("_pytest", "contextlib")) for each in functions
    )
