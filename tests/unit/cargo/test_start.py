"""What cargo-maelstrom imports before cargo works beside it."""

import subprocess
import sys

MODULES = (
    "cargo_maelstrom.program, cargo_maelstrom.calls, maelstrom_test_runner.native_call, "
    "maelstrom_test_runner.native_telling, maelstrom_test_runner.told, maelstrom_test_runner.opening"
)


def test_asyncio_is_not_imported_before_cargo_begins():
    script = f"import sys, {MODULES}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "cargo_maelstrom.calls" in loaded
    assert {"asyncio", "ssl", "maelstrom_client.client"} & set(loaded) == set()
