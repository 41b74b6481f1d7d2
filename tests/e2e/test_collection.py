"""maelstrom-pytest: tests begin while others are being collected, and nothing is collected twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_pytest import verdicts
from tests.support.programs import PYTEST, Done, Programs, eventually, sleepers, write_project

QUICK = "".join(f"def test_{number}(): pass\n" for number in range(4))
SLEEPS = "import subprocess\ndef test_sleeps(): subprocess.run(['sleep', '51.515'])\n"
SLOW_IMPORT = "import subprocess\nsubprocess.run(['sleep', '52.525'])\n" + QUICK
# keeps pytest busy while the tests of the other file run: as long as they will take, since nothing tells one container
# what another does
LATER = "import time\ntime.sleep(2)\n"


def both_sleep(programs: Programs, project: Path, *options: str) -> bool:
    """Tell whether a test sleeps while a file is still being collected that sleeps, too."""
    with programs.start(PYTEST, "--slots", "2", *options, cwd=project) as process:
        return eventually(
            lambda: sleepers(process.pid, "51.515") and sleepers(process.pid, "52.525"), seconds=20
        )  # each of them sleeps for longer


def test_in_a_first_run_tests_begin_while_other_files_are_collected(programs: Programs, project: Path):
    write_project(project, {"test_a.py": SLEEPS, "test_b.py": SLOW_IMPORT, "pytest.ini": "[pytest]\n"})
    assert both_sleep(programs, project)


def test_when_a_file_has_changed_the_tests_of_the_last_run_begin_at_once(programs: Programs, project: Path):
    write_project(project, {"test_b.py": "def test_sleeps(): pass\n", "pytest.ini": "[pytest]\n"})
    programs.run(PYTEST, cwd=project).check(0)
    write_project(project, {"test_a.py": SLOW_IMPORT, "test_b.py": SLEEPS})  # test_b is collected behind test_a
    assert both_sleep(programs, project)


def told(done: Done) -> list[str]:
    """Return what a run said, without the times and in an order of its own."""
    lines = [line for line in done.out.splitlines() if "..." not in line and " in " not in line]
    return sorted([*lines, *(f"{name} {word}" for name, word in verdicts(done).items())])


FAILING = "".join(f"def test_{number}(): assert 0\n" for number in range(4))
BROKEN = {"test_a.py": QUICK, "test_b.py": LATER + "import nothing_of_this_name\n"}
CHOOSY = """
def pytest_collection_modifyitems(config, items):
    gone = [item for item in items if item.name in ("test_1", "test_2")]
    items[:] = [item for item in reversed(items) if item not in gone]
    config.hook.pytest_deselected(items=gone)
"""


@pytest.mark.parametrize(
    ("files", "arguments", "expected"),
    [
        (BROKEN, (), (2, "1 error in")),
        (BROKEN, ("--", "--continue-on-collection-errors"), (1, "as pytest counts: 4 passed, 1 error")),
        ({**BROKEN, "test_b.py": LATER + "import pytest\npytest.exit('enough')\n"}, (), (2, "enough")),
        ({"test_a.py": QUICK, "test_b.py": LATER, "conftest.py": CHOOSY}, (), (0, "2 passed, 2 deselected")),
        ({"test_a.py": QUICK, "test_b.py": LATER}, ("-k", "test_1"), (0, "1 passed, 3 deselected")),
        ({"test_a.py": QUICK, "test_b.py": LATER}, ("--", "--deselect", "test_a.py::test_1"), (0, "1 deselected")),
        ({"test_a.py": FAILING, "test_b.py": LATER}, ("--", "-x"), (1, "as pytest counts: 1 failed")),
        ({"test_a.py": QUICK, "test_b.py": LATER}, ("--", "--collect-only"), (0, "test_3")),
        ({"test_a.py": QUICK, "test_b.py": LATER}, ("--list",), (0, "test_a.py::test_3")),
    ],
)
def test_what_begins_early_changes_nothing(
    programs: Programs, project: Path, files: dict[str, str], arguments: tuple[str, ...], expected: tuple[int, str]
):
    code, said = expected
    write_project(project, {**files, "pytest.ini": "[pytest]\n"})
    one_slot = programs.run(PYTEST, "--slots", "1", "--no-collection-cache", *arguments, cwd=project).check(code)
    early = programs.run(PYTEST, "--slots", "2", "--no-collection-cache", *arguments, cwd=project).check(code)
    assert said in early.out
    if "-x" not in arguments:  # which tests are through when one fails is chance
        assert told(early) == told(one_slot)
    assert "note:" not in early.out
    assert early.err == ""


VANDAL = """
import os
import pytest
if os.path.exists("/.maelstrom/early"):  # while all is collected
    for attempt in (
        lambda: open("/.maelstrom/early/left", "w"),
        lambda: os.unlink("/.maelstrom/early/items"),
        lambda: os.chmod("/.maelstrom/early", 0o777),
        lambda: os.mkdir("/.maelstrom/early/left"),
    ):
        with pytest.raises(OSError):
            attempt()
    with open("/.maelstrom/early/items", "wb") as pipe:
        pipe.write(b"\\0\\0\\0\\x09nonsense")
"""


def test_what_is_collected_can_neither_change_the_cache_nor_disturb_the_run(programs: Programs, project: Path):
    write_project(project, {"test_a.py": VANDAL + QUICK, "test_b.py": QUICK, "pytest.ini": "[pytest]\n"})
    done = programs.run(PYTEST, "--no-collection-cache", cwd=project).check(0)
    assert "Successful Tests: 8" in done.out
    pipes = programs.cache / "pytest-early"
    assert {path.name for path in pipes.rglob("*")} == {"0", "items"}


# each time that this file is collected it has another reason to be skipped
SKIPPED = "import pytest\npytest.skip(open('/proc/sys/kernel/random/uuid').read().strip(), allow_module_level=True)\n"


def reason(programs: Programs, project: Path, *options: str, tests: int = 4) -> str:
    """Run all tests; return the reason that collection gave for skipping a file."""
    done = programs.run(PYTEST, *options, cwd=project).check(0)
    assert f"Successful Tests: {tests}" in done.out
    (line,) = [line for line in done.out.splitlines() if "test_skipped.py: ignored (" in line]
    return line


def test_a_second_run_collects_nothing_until_a_file_has_changed(programs: Programs, project: Path):
    write_project(project, {"test_a.py": QUICK, "test_skipped.py": SKIPPED, "pytest.ini": "[pytest]\n"})
    first = reason(programs, project)
    assert reason(programs, project) == first
    assert reason(programs, project, "--no-collection-cache") != first
    assert reason(programs, project) == first
    (project / "test_a.py").write_text(QUICK + "def test_new(): pass\n")
    changed = reason(programs, project, tests=5)
    assert changed != first
    assert reason(programs, project, tests=5) == changed
    (project / "test_a.py").write_text(QUICK)
    assert reason(programs, project) not in {first, changed}


ANEW = """
import os, uuid
import pytest
@pytest.mark.parametrize("name", [f"{uuid.uuid4()}-{number}" for number in range(4)])
def test_a(name): assert not name.endswith("-2")
@pytest.mark.parametrize("name", ["x", uuid.uuid4().hex])
def test_b(name): pass
"""


@pytest.mark.parametrize("options", [(), ("--no-template",), ("--isolation", "module")])
def test_tests_whose_ids_are_made_anew_are_found_again(programs: Programs, project: Path, options: tuple[str, ...]):
    write_project(project, {"test_a.py": ANEW})
    for _ in range(2):  # in the second run what was collected in the first is known
        done = programs.run(PYTEST, *options, cwd=project).check(1)
        assert "as pytest counts: 1 failed, 5 passed" in done.out
