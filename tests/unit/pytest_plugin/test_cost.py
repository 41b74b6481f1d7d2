"""Without the option the plugin costs next to nothing."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.programs import IMPORT_ROOTS

CODE = """
import sys
import pytest
before = set(sys.modules)
import maelstrom_pytest.plugin
print(*sorted(set(sys.modules) - before))
"""


def test_loading_the_plugin_imports_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["maelstrom_pytest", "maelstrom_pytest.plugin"]
