"""Becomes `python -m pytest ARGS`: the interpreter's state as that command would have it, plus one plugin.

Runs inside the container, in the reaper's child; see the package.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


# Warming up costs a template as much as it saves in some hundreds of forks.
FEW, MANY = 0, 400

GATE_MODULES = ("channel", "expressions", "fill", "heap", "hooks", "renew", "safety")


def run(
    load: Callable[[str, str], dict[str, Any]],
    directory: str,
    request_text: bytes,
    descriptor: int,
    reaper: int,
    safe_path: bool,
) -> None:
    """Serve the request; ends by SystemExit with pytest's exit status, as pytest's own main module does."""
    request = json.loads(request_text.decode("utf-8"))
    arguments = prepare(request, safe_path)
    channel_module = load(directory, "channel")
    channel = channel_module["Channel"](descriptor, reaper)
    imitate_module_run(arguments)
    import pytest

    plugin = make_plugin(load, directory, request, channel_module, channel, reaper)
    plugins = [plugin]
    if request.get("early"):
        identify, places = load(directory, "reports")["identify"], load(directory, "places")["places"]
        plugins.append(load(directory, "early")["Early"](request["early"], identify, places, channel_module["encode"]))
    status = call_main(pytest, plugins)
    plugin.send_end(status)
    raise SystemExit(status)


def run_template(
    load: Callable[[str, str], dict[str, Any]], directory: str, request_text: bytes, forks: Any, safe_path: bool
) -> NoReturn:
    """Become a template: pytest with everything loaded that all tests need, forked by `forks` for each of them.

    Never returns: this process serves until it is killed, its forks end as the tests they run.
    """
    request = json.loads(request_text.decode("utf-8"))
    modules = {name: load(directory, name) for name in GATE_MODULES}
    watch = modules["safety"]["Watch"](request.get("private"))  # sees what is there before anything is loaded
    arguments = prepare(request, safe_path)
    expressions = modules["expressions"]["Expressions"]()
    expressions.load(request.get("expressions", ()))
    expressions.install()
    imitate_module_run(arguments)
    import pytest

    # It imports pytest, which must not be before the path is the caller's: the current directory may hold the project
    # of what pytest itself imports, as Pygments.
    modules["template"] = load(directory, "template")
    for_many = request.get("forks", FEW) >= MANY
    if for_many:
        load(directory, "warm")["warm_up"]()
    running = make_plugin(load, directory, request, modules["channel"], None, 0)
    gate = modules["template"]["Gate"](forks, running, watch, modules, expressions, for_many)
    status = call_main(pytest, [running, gate])
    if not gate.in_job:  # a mistake in the arguments, a plugin that gave up
        forks.refuse(f"pytest ended with exit status {status} before its tests were loaded")
    gate.finish(status)
    raise SystemExit(status)  # not reached


def prepare(request: dict[str, Any], safe_path: bool) -> list[str]:
    """Put first on the path what the caller has there, else the current directory, as `-m`; return the arguments."""
    first = request.get("path", "" if safe_path else os.getcwd())
    if first:
        sys.path.insert(0, first)
    return [os.fsdecode(os.fsencode(argument)) for argument in request["args"]]


def make_plugin(
    load: Callable[[str, str], dict[str, Any]],
    directory: str,
    request: dict[str, Any],
    channel_module: dict[str, Any],
    channel: Any,
    reaper: int,
) -> Any:
    """Return the plugin for a request, with the parts it needs of other modules."""
    take_reins = load(directory, "options")["take_reins"]
    if request["mode"] == "coverage":
        return load(directory, "cov_report")["Combining"](request, channel, take_reins)
    return load(directory, "plugin")["make_plugin"](
        request=request,
        channel=channel,
        channel_lost_error=channel_module["ChannelLostError"],
        channel_lost_code=channel_module["CHANNEL_LOST_CODE"],
        reaper=reaper,
        reports=load(directory, "reports"),
        foreign=load(directory, "hooks")["foreign"],
        take_reins=take_reins,
        load=partial(load, directory),
    )


def imitate_module_run(arguments: list[str]) -> None:
    """Give `sys.argv` and the main module the contents that `-m pytest` gives them."""
    import importlib.util
    import runpy  # noqa: F401 -m imports it: it is in sys.modules natively

    spec = importlib.util.find_spec("pytest.__main__")
    main = sys.modules["__main__"].__dict__
    for name in [name for name in main if not name.startswith("__")]:
        del main[name]
    path = spec.origin if spec is not None and spec.origin else "pytest"
    main.update(
        __file__=path,
        __package__="pytest",
        __spec__=spec,
        __doc__="The pytest entry point.",
        __loader__=spec.loader if spec is not None else None,
    )
    if spec is not None and sys.version_info < (3, 15):
        main["__cached__"] = spec.cached
    sys.argv[:] = [path, *arguments]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = [sys.orig_argv[0], "-m", "pytest", *arguments]


def call_main(pytest: Any, plugins: list[Any]) -> int:
    """Call pytest as its main module does; newer ones take the program's name for the usage text."""
    from _pytest import config

    inner = getattr(config, "_main", None)
    name = getattr(config, "_get_prog_name", None)
    try:
        if inner is not None and name is not None:
            status = int(inner(plugins=plugins, prog=name(sys.argv)))
        else:
            status = int(pytest.main(plugins=plugins))
        sys.stdout.flush()
    except BrokenPipeError:
        return 1
    return status
