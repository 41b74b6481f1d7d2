"""Becomes `python -m pytest ARGS`: the interpreter's state as that command would have it, plus one plugin.

Runs inside the container, in the reaper's child; see the package.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


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
    if not safe_path:
        sys.path.insert(0, os.getcwd())
    arguments = [os.fsdecode(os.fsencode(argument)) for argument in request["args"]]
    module_namespace = load(directory, "channel")
    channel = module_namespace["Channel"](descriptor, reaper)
    imitate_module_run(arguments)
    import pytest

    reports = load(directory, "reports")
    plugin_module = load(directory, "plugin")
    plugin = plugin_module["make_plugin"](
        request=request,
        channel=channel,
        channel_lost_error=module_namespace["ChannelLostError"],
        reaper=reaper,
        describe=reports["describe"],
        render=reports["render"],
        reason=reports["reason"],
    )
    try:
        status = int(call_main(pytest, plugin))
        sys.stdout.flush()
    except BrokenPipeError:
        status = 1
    plugin.send({"type": "session", "status": status, "warnings": plugin.warnings, "deselected": plugin.deselected})
    raise SystemExit(status)


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


def call_main(pytest: Any, plugin: Any) -> int:
    """Call pytest as its main module does; newer ones take the program's name for the usage text."""
    from _pytest import config

    inner = getattr(config, "_main", None)
    name = getattr(config, "_get_prog_name", None)
    if inner is not None and name is not None:
        return inner(plugins=[plugin], prog=name(sys.argv))  # type: ignore[no-any-return]
    return pytest.main(plugins=[plugin])  # type: ignore[no-any-return]
