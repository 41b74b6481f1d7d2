"""maelstrom-pytest with templates: nothing leaks, what cannot be forked is said, templates may die."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.programs import PATIENCE, PYTEST, Programs, descendants, eventually, sleepers, write_project

# each state is spoilt by every test that runs, and looked at before
LEAKS = """
import builtins, locale, logging, os, random, signal, socket, sys, tempfile, time
import pytest

REGISTRY = []
BEFORE = {
    "path": list(sys.path), "cwd": os.getcwd(), "handlers": len(logging.getLogger().handlers), "tz": time.tzname,
    "umask": os.umask(0o022) or os.umask(0o022), "print": builtins.print, "sigusr1": signal.getsignal(signal.SIGUSR1),
    "locale": locale.setlocale(locale.LC_ALL), "environment": dict(os.environ), "seen": set(),
}
BEFORE["environment"].pop("PYTEST_CURRENT_TEST", None)
SEEDED = random.Random(1).random()

def environment():
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}

@pytest.mark.parametrize("number", range(4))
def test_finds_everything_as_it_was(number):
    assert REGISTRY == []
    assert sys.path == BEFORE["path"]
    assert os.getcwd() == BEFORE["cwd"]
    assert environment() == BEFORE["environment"]
    assert len(logging.getLogger().handlers) <= BEFORE["handlers"] + 3  # pytest's own, while a test runs
    assert not any(isinstance(handler, logging.FileHandler) and handler.baseFilename != os.devnull
                   for handler in logging.getLogger().handlers)
    assert os.umask(0o077) == BEFORE["umask"]
    assert builtins.print is BEFORE["print"]
    assert signal.getsignal(signal.SIGUSR1) == BEFORE["sigusr1"]
    assert locale.setlocale(locale.LC_ALL) == BEFORE["locale"]
    assert time.tzname == BEFORE["tz"]
    assert not os.path.exists("/tmp/left") and not os.path.exists("left-here")
    assert os.listdir("/dev/shm") == []
    assert os.getpid() == 2
    server = socket.create_server(("127.0.0.1", 8765))

    REGISTRY.append(number)
    sys.path.insert(0, "/nowhere")
    os.environ["LEFT"] = "1"
    logging.getLogger().addHandler(logging.FileHandler("/tmp/log"))
    builtins.print = lambda *arguments: None
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    locale.setlocale(locale.LC_ALL, "C")
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    for place in ("/tmp/left", "left-here", "/dev/shm/left"):
        with open(place, "w") as file:
            file.write("x")
    os.chdir("/")

@pytest.mark.parametrize("number", range(2))
def test_random_numbers_differ(number, capsys):
    with capsys.disabled():
        os.write(2, f"RANDOM {random.random()}\\n".encode())
    assert False
"""


@pytest.mark.parametrize("options", [(), ("--no-template",)])
def test_nothing_leaks_from_test_to_test(programs: Programs, project: Path, options: tuple[str, ...]):
    write_project(project, {"test_leaks.py": LEAKS, "pytest.ini": "[pytest]\n"})
    done = programs.run(PYTEST, *options, cwd=project).check(1)
    assert "as pytest counts: 2 failed, 4 passed" in done.out
    assert "note:" not in done.out
    assert not (project / "left-here").exists()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n",
            "a thread",
        ),
        ("import subprocess\nsubprocess.Popen(['sleep', '1000'])\n", "a process"),
        ("import socket\nSERVER = socket.create_server(('127.0.0.1', 0))\n", "keeps open"),
        ("open('made-while-loading', 'w').close()\n", "while it was loaded"),
        ("open('/tmp/made', 'w').close()\n", "it made /tmp/made"),
    ],
)
def test_what_cannot_be_forked_is_run_all_the_same_and_said_once(
    programs: Programs, project: Path, source: str, said: str
):
    tests = "".join(f"def test_{number}(): pass\n" for number in range(5))
    write_project(project, {"test_a.py": source + tests, "test_b.py": tests})
    done = programs.run(PYTEST, cwd=project).check(0)
    assert "Successful Tests: 10" in done.out
    notes = [line for line in done.out.splitlines() if line.startswith("note:")]
    assert len(notes) == 1
    assert "test_a.py" in notes[0]
    assert said in notes[0]


def test_a_directory_that_is_made_while_loading_is_there_in_each_test(programs: Programs, project: Path):
    source = "import os, tempfile\nimport pytest\nDIRECTORY = tempfile.mkdtemp()\n"
    source += (
        "@pytest.mark.parametrize('n', range(5))\ndef test_directory(n):\n    assert os.listdir(DIRECTORY) == []\n"
    )
    source += "    open(DIRECTORY + '/left', 'w').close()\n"
    write_project(project, {"test_a.py": source})
    done = programs.run(PYTEST, cwd=project).check(0)
    assert "Successful Tests: 5" in done.out
    assert "note:" not in done.out


def test_a_conftest_that_cannot_be_forked_concerns_all(programs: Programs, project: Path):
    conftest = "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
    write_project(project, {"conftest.py": conftest, "test_a.py": "def test_a(): pass\n"})
    done = programs.run(PYTEST, cwd=project).check(0)
    assert "Successful Tests: 1" in done.out
    assert done.out.count("note:") == 1


def test_a_mark_opts_a_test_out(programs: Programs, project: Path):
    source = "import os, pytest\nPID = os.getppid()\n"
    for number in range(5):
        source += f"def test_{number}(): assert PID == 0 or os.getpid() == 2\n"
    source += "@pytest.mark.maelstrom_no_template\ndef test_alone(): assert open('/proc/1/cmdline').read()\n"
    ini = "[pytest]\nmarkers = maelstrom_no_template: not to be forked\naddopts = --strict-markers\n"
    write_project(project, {"test_a.py": source, "pytest.ini": ini})
    assert "Successful Tests: 6" in programs.run(PYTEST, cwd=project).check(0).out


def test_a_sample_can_be_verified(programs: Programs, project: Path):
    source = "".join(f"def test_{number}(): assert True\n" for number in range(6))
    write_project(project, {"test_a.py": source})
    done = programs.run(PYTEST, "--verify-templates", "3", cwd=project).check(0)
    assert "Successful Tests: 6" in done.out
    assert "note:" not in done.out


LEAK_IN_COMPANY = """
STATE = []
def test_a(): STATE.append(1)
def test_b(): assert STATE == []
def test_c(): pass
def test_d(): pass
def test_e(): assert False
"""


def test_in_auto_a_leak_is_named_and_not_reported_as_a_failure(programs: Programs, project: Path):
    write_project(project, {"test_a.py": LEAK_IN_COMPANY})
    done = programs.run(PYTEST, "--isolation", "auto", cwd=project).check(1)
    assert "as pytest counts: 1 failed, 4 passed" in done.out
    (note,) = [line for line in done.out.splitlines() if line.startswith("note:")]
    assert "test_a.py::test_b failed after test_a.py::test_a in its process and passed alone" in note


def processes_like(pid: int, marker: str) -> set[int]:
    """Return the processes below `pid` with a text in their command line."""
    found = set()
    for process in descendants(pid):
        try:
            if marker.encode() in Path(f"/proc/{process}/cmdline").read_bytes():
                found.add(process)
        except OSError:
            continue
    return found


def templates(client: int) -> list[int]:
    """Return the templates, but not their forks, which have their command line in a deeper namespace of processes."""
    depths: dict[int, int] = {}
    for pid in processes_like(client, "/.maelstrom/guest\0template"):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        depths[pid] = len(status.partition("NSpid:")[2].partition("\n")[0].split())
    return [pid for pid, depth in depths.items() if depth == min(depths.values())]


def test_kill_9_of_templates_in_the_middle_costs_no_verdict(programs: Programs, project: Path):
    source = "import subprocess\nimport pytest\n@pytest.mark.parametrize('n', range(12))\n"
    source += "def test_sleeps(n): subprocess.run(['sleep', '0.44444'])\n"
    write_project(project, {"test_a.py": source})
    with programs.start(PYTEST, "--slots", "2", cwd=project) as process:
        assert eventually(lambda: sleepers(process.pid, "0.44444") and templates(process.pid))
        for pid in templates(process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        out, err = process.communicate(timeout=PATIENCE)
    assert b"Successful Tests: 12" in out, out + err
    assert process.returncode == 0


def test_a_second_run_sees_what_has_changed(programs: Programs, project: Path):
    """Whatever changes is seen: a file that is new, a file that is another."""
    tests = "".join(f"def test_{number}(): pass\n" for number in range(3))
    write_project(project, {"test_a.py": tests, "pytest.ini": "[pytest]\n"})
    assert "Successful Tests: 3" in programs.run(PYTEST, cwd=project).check(0).out
    assert "Successful Tests: 3" in programs.run(PYTEST, cwd=project).check(0).out
    (project / "test_b.py").write_text("def test_new(): pass\n")
    assert "Successful Tests: 4" in programs.run(PYTEST, cwd=project).check(0).out
    (project / "test_a.py").write_text("def test_0(): assert False\n")
    assert "as pytest counts: 1 failed, 1 passed" in programs.run(PYTEST, cwd=project).check(1).out


DEAR_EXPRESSION = """
import re
import pytest

EXPRESSION = "|".join(f"(?P<n{number}>[a-{chr(98 + number % 20)}]+{number})" for number in range(90))
parser = re._parser if hasattr(re, "_parser") else re.sre_parse
parsed = []

@pytest.mark.parametrize("number", range(20))
def test_compiles(number, monkeypatch):
    parse = parser.parse
    monkeypatch.setattr(parser, "parse", lambda *those: parsed.append(1) or parse(*those))
    pattern = re.compile(EXPRESSION)
    assert pattern.fullmatch("abc1").lastgroup == "n1" and pattern.groups == 90
    for more in range(60):
        assert re.compile("x" * more + EXPRESSION).fullmatch("abc2")
    assert parsed == []
"""


def test_what_tests_compile_again_and_again_is_compiled_once_for_later_runs(programs: Programs, project: Path):
    write_project(project, {"test_a.py": DEAR_EXPRESSION, "pytest.ini": "[pytest]\n"})
    programs.run(PYTEST, cwd=project).check(1)
    assert "as pytest counts: 20 passed" in programs.run(PYTEST, cwd=project).check(0).out
    # processes that no template knows compile for themselves
    assert "as pytest counts: 20 failed" in programs.run(PYTEST, "--no-template", cwd=project).check(1).out
