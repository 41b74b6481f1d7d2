"""Options of pytest and of well-known plugins that mean a session as a whole, taken back for a process of it.

Runs inside the container; see the package. Imports nothing but the standard library.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

# What would start other processes, stop early, choose or sort tests by what earlier runs left, or ask a terminal.
# Options that no plugin has defined are left undefined.
DISTRIBUTION: dict[str, object] = {
    "numprocesses": None,
    "dist": "no",
    "tx": [],
    "distload": False,
    "looponfail": False,
    "forked": False,
}
SINGLE: dict[str, object] = {
    "maxfail": 0,
    "lf": False,
    "failedfirst": False,
    "newfirst": False,
    "stepwise": False,
    "stepwise_skip": False,
    "stepwise_reset": False,
    "usepdb": False,
    "trace": False,
    "htmlpath": None,  # a report to a file that goes with the container
}


def take_reins(config: Any, *, single: bool, more: Mapping[str, object], reporting: bool = False) -> bool:
    """Set the options of a process that collects, or of one that runs single tests; tell whether xdist was wanted.

    `more` are values that the session has for all its processes. One that is `reporting` coverage does so.
    """
    distributed = bool(getattr(config.option, "numprocesses", None)) or bool(getattr(config.option, "tx", None))
    neutralise(config, dict(DISTRIBUTION, **SINGLE) if single else DISTRIBUTION)
    neutralise(config, more)
    if not reporting:
        quieten(config)
    return distributed


def add_known(parser: Any, known: Iterable[tuple[str, bool]]) -> None:
    """Add the plugin's own options, and whether each has a value: an image's pytest reads them, and has no plugin."""
    try:
        for name, has_value in known:
            parser.addoption("--" + name, action="store" if has_value else "store_true")
    except ValueError:  # it is installed here as well
        return


def neutralise(config: Any, options: Mapping[str, object]) -> None:
    """Give options the value they have when nobody asks for anything."""
    for name, value in options.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)


def quieten(config: Any) -> None:
    """Keep plugins from doing for each test what is done once for a session."""
    rerunning = config.pluginmanager.getplugin("rerunfailures")
    if hasattr(rerunning, "HAS_PYTEST_HANDLECRASHITEM"):  # a thread that serves workers of pytest-xdist: there are none
        rerunning.HAS_PYTEST_HANDLECRASHITEM = False
    coverage = getattr(config.pluginmanager.getplugin("_cov"), "options", None)
    if coverage is not None:  # measured, but neither printed nor judged by the coverage of one test
        coverage.cov_report = {}
        coverage.cov_fail_under = None
