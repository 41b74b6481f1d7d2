"""What containers measured, given to pytest-cov as a data file beside its own: it combines and reports both."""

from __future__ import annotations

import os
import secrets
from typing import Any

import pytest

from maelstrom_pytest.covered import Combined


def write(config: pytest.Config, covered: Combined) -> None:
    """Write the data file, where pytest-cov measures this session."""
    controller: Any = getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    if controller is None or not covered:
        return
    from coverage import CoverageData

    path = os.path.join(controller.topdir, controller.cov.config.data_file)
    data = CoverageData(basename=os.path.abspath(path), suffix=f"maelstrom.{os.getpid()}.{secrets.token_hex(4)}")
    for context, lines in covered.lines():
        data.set_context(context)
        data.add_lines(lines)
    for context, arcs in covered.arcs():
        data.set_context(context)
        data.add_arcs(arcs)
    data.add_file_tracers(covered.tracers)
    data.write()
    getattr(data, "close", bool)()  # not there in older ones
