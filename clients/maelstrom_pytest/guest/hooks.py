"""Which hooks are there, and which can do without being called.

Runs inside the container; see the package. Imports nothing but the standard library.
"""

from __future__ import annotations

import os
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# Hooks at the end of a session, and around its tests: a fork begins inside those, and ends without leaving them. What
# pytest itself does there (a cache, reports to files) is seen by nobody: a result has been sent, files go with
# its container. The same goes for what is printed (pytest_terminal_summary).
LAST_HOOKS = ("pytest_runtestloop", "pytest_sessionfinish", "pytest_unconfigure")
SETUP_FUNCTIONS = ("setUpModule", "setup_module", "tearDownModule", "teardown_module", "__getattr__")
# what these do at the end is about a session's reports and its exit code
REPORTING = ("pytest_html.", "pytest_rerunfailures")
# called for each test
PRINTING_HOOKS = ("pytest_runtest_logstart", "pytest_runtest_logreport", "pytest_runtest_logfinish")


def foreign(config: Any, *names: str, but: tuple[str, ...] = ()) -> bool:
    """Tell whether a plugin that is neither pytest's, nor ours, nor of the packages `but` implements one of these."""
    for name in names:
        caller = getattr(config.hook, name, None)
        for implementation in caller.get_hookimpls() if caller is not None else ():
            module = str(getattr(implementation.function, "__module__", ""))
            if not module.startswith(("_pytest.", "maelstrom_guest.", *but)):
                return True
    return False


def matters_at_the_end(config: Any, *, measured: bool = False) -> bool:
    """Tell whether somebody but pytest has something to do when a session ends.

    `measured`: what pytest-cov does is seen to; see `covered`.
    """
    known = (*REPORTING, "pytest_cov.") if measured else REPORTING
    return foreign(config, *LAST_HOOKS, but=known) or foreign_cleanups(config)


def leave_out_printing(config: Any) -> None:
    """Take out the parts of pytest that print what nobody reads, or do nothing."""
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


def leave_out_packages(items: Iterable[Any]) -> None:
    """Keep packages from being set up where that means to find a module that has no function for it.

    Each test's process would look for it once, through a hundred pages of memory.
    """
    nodes = {}
    for item in items:
        node = item.parent
        while node is not None and id(node) not in nodes:
            nodes[id(node)] = node
            node = node.parent
    for node in nodes.values():
        kind = type(node)
        if kind.__name__ != "Package" or kind.__module__ != "_pytest.python" or not hasattr(node, "path"):
            continue
        file = os.path.join(str(node.path), "__init__.py")
        module = next((each for each in list(sys.modules.values()) if file_of(each) == file), None)
        if module is not None and not any(name in module.__dict__ for name in SETUP_FUNCTIONS):
            node.setup = do_nothing


def file_of(module: Any) -> str | None:
    """Return where a module comes from, without asking it: it may answer by loading something."""
    names = module.__dict__ if type(module) is types.ModuleType else None
    file = names.get("__file__") if type(names) is dict else None
    return file if isinstance(file, str) else None


def do_nothing() -> None:
    """Stand in for a function that need not do anything."""


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


def leave_out(config: Any, plugin: Any, *names: str) -> None:
    """Take a plugin's part out of these hooks; where pytest does not let us, it stays."""
    for name in names:
        remove = getattr(getattr(config.hook, name, None), "_remove_plugin", None)
        try:
            remove(plugin)  # type: ignore[misc]
        except (TypeError, ValueError):  # there is no such function, or the plugin has no part in it
            continue


def keep_null_log(config: Any) -> None:
    """Keep the log file that is none from being closed: a process that has lost a descriptor serves no other job."""
    handler = getattr(config.pluginmanager.getplugin("logging-plugin"), "log_file_handler", None)
    if getattr(handler, "baseFilename", None) == os.devnull:
        handler.close = do_nothing  # type: ignore[union-attr]


def run_exit_functions() -> None:
    """Run what is registered with atexit; failures are printed, as by the interpreter."""
    import atexit

    try:
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001 older interpreters raise the last failure, which has been printed
        return
