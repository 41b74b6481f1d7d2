"""pytest with the plugin, as a user types it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.programs import PATIENCE, Done, Programs


@dataclass(frozen=True)
class Session:
    """Runs pytest of an environment."""

    python: Path
    programs: Programs

    def environment(self) -> dict[str, str]:
        return self.programs.environment({"MAELSTROM_CACHE_ROOT": str(self.programs.cache)})

    def pytest(self, *arguments: str, cwd: Path, **variables: str) -> Done:
        """Run it to its end, with environment variables beside the usual."""
        done = subprocess.run(
            [str(self.python), "-m", "pytest", *arguments],
            cwd=cwd,
            env={**self.environment(), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 3,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def session(programs: Programs) -> Session:
    """Return the pytest of the environment that these tests run in."""
    return Session(Path(sys.executable), programs.with_plugins)
