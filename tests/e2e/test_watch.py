"""maelstrom-pytest --watch: rounds as files change, what they concern first, until ^C."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import PYTEST, Programs, alive, descendants, eventually, sleepers, write_project

FILES = {
    ".gitignore": "generated.py\n",
    "maths.py": "def add(a, b): return a - b\n",
    "test_maths.py": "import maths\ndef test_add(): assert maths.add(1, 1) == 2\n",
    "test_other.py": "def test_other(): pass\n",
}


@contextmanager
def watching(programs: Programs, project: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A program that watches, in a process group of its own, and the file that it writes to."""
    output = project.parent / "output"
    with output.open("wb") as file:
        options = {"stdout": file, "stderr": subprocess.STDOUT, "process_group": 0}
        with programs.start(PYTEST, "--watch", "--slots", "1", *arguments, cwd=project, **options) as process:
            yield process, output


def summaries(output: Path) -> int:
    return output.read_text().count("Test Summary")


def test_rounds_follow_changes_until_ctrl_c(programs: Programs, project: Path):
    write_project(project, FILES)
    with watching(programs, project, "--report", "run.jsonl") as (process, output):
        assert eventually(lambda: "waiting for changes" in output.read_text())
        assert "Failed Tests    : 1" in output.read_text()
        (project / "maths.py").write_text("def add(a, b): return a + b\n")
        assert eventually(lambda: summaries(output) == 2)
        text = output.read_text()
        assert "changed: maths.py" in text
        second = text.partition("changed: ")[2]
        assert second.index("test_maths.py::test_add") < second.index("test_other.py::test_other")
        assert "Successful Tests: 2" in second
        assert eventually(lambda: output.read_text().count("waiting for changes") == 2)
        below = descendants(process.pid)
        os.killpg(process.pid, 2)
        assert process.wait(60) == 130
        assert "Traceback" not in output.read_text()
        assert not any(alive(pid) for pid in below)


def test_what_git_ignores_and_reports_begin_no_round(programs: Programs, project: Path):
    write_project(project, FILES)
    with watching(programs, project, "--junit-xml", "report.xml") as (_process, output):
        assert eventually(lambda: "waiting for changes" in output.read_text())
        assert (project / "report.xml").exists()
        (project / "generated.py").write_text("x = 1\n")
        (project / "test_new.py").write_text("def test_new(): pass\n")
        assert eventually(lambda: summaries(output) == 2)
        assert "changed: test_new.py\n" in output.read_text()


def test_a_change_ends_the_round_that_runs(programs: Programs, project: Path):
    write_project(project, {"test_a.py": "import subprocess\ndef test_sleeps(): subprocess.run(['sleep', '65432'])\n"})
    with watching(programs, project) as (process, output):
        assert eventually(lambda: sleepers(process.pid, "65432"))
        (project / "test_a.py").write_text("def test_quick(): pass\n")
        assert eventually(lambda: "Successful Tests: 1" in output.read_text())
        assert "test_a.py::test_sleeps: was running" in output.read_text()
        assert not sleepers(process.pid, "65432")
