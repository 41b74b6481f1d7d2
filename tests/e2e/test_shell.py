"""maelstrom-pytest --shell: an interactive shell where a test would run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.programs import PYTEST, Programs, Terminal, alive, descendants, eventually, write_project

TESTS = """
import os, pytest

@pytest.mark.parametrize("x", [1, 2])
def test_p(x): pass

def test_shown():
    status = open("/proc/self/status").read()
    links = [os.readlink(f"/proc/self/ns/{kind}") != "" for kind in ("net", "mnt")]
    mounts = sorted(line.split()[1] for line in open("/proc/self/mounts"))
    words = [os.getcwd(), os.getuid(), os.getgid(), os.environ["OWN"], "HOME" in os.environ, links, mounts]
    print("seen", hash_of(words), flush=True)
    raise SystemExit

def hash_of(words):
    import hashlib
    return hashlib.sha256(repr(words).encode()).hexdigest()[:16]
"""


@pytest.fixture
def suite(project: Path) -> Path:
    return write_project(project, {"sub/test_a.py": TESTS, "sub/test_b.py": "def test_other(): pass\n"})


def shell(programs: Programs, directory: Path, test: str) -> Terminal:
    return Terminal(programs, PYTEST, "--shell", test, cwd=directory, env={"OWN": "value"})


def test_a_shell_is_where_the_test_runs(programs: Programs, suite: Path):
    with shell(programs, suite, "sub/test_a.py::test_p[2]") as terminal:
        assert eventually(lambda: terminal.read() and "history:" in terminal.text)
        terminal.type("PS1='$ '; stty -echo; echo $PWD:$OWN:$((6 * 7)); test -t 0 && echo terminal\n")
        assert eventually(lambda: terminal.read() and f"{suite}:value:42\r\n" in terminal.text)
        assert eventually(lambda: terminal.read() and "terminal\r\n" in terminal.text)
        terminal.type("history | cat -v; touch made; exit 6\n")
        assert terminal.wait() == 6
        assert terminal.text.count("-m pytest 'sub/test_a.py::test_p[2]'") == 2  # on the screen, and in the history
        assert terminal.settings == terminal.before
    assert not (suite / "made").exists()


def test_the_shell_sees_what_the_test_sees(programs: Programs, suite: Path):
    """The mounts, identity, directory and environment of the test's own job, told by the test."""
    run = programs.run(PYTEST, "--no-template", "sub/test_a.py::test_shown", cwd=suite, env={"OWN": "value"})
    told = next(line.split()[1] for line in run.out.splitlines() if line.startswith("seen "))
    with shell(programs, suite, "sub/test_a.py::test_shown") as terminal:
        assert eventually(lambda: terminal.read() and "history:" in terminal.text)
        terminal.type("$(history 2 | sed -n '1s/^ *[0-9]* *//p') -s -p no:cacheprovider; exit\n")
        terminal.wait()
        assert f"seen {told}" in terminal.text


def test_the_name_alone_is_enough(programs: Programs, suite: Path):
    with shell(programs, suite, "test_other") as terminal:
        assert eventually(lambda: terminal.read() and "history:" in terminal.text)
        assert "the container of sub/test_b.py::test_other" in terminal.text
        terminal.type("exit 3\n")
        assert terminal.wait() == 3


def test_a_shell_that_hangs_up_with_us_leaves_nothing(programs: Programs, suite: Path):
    with shell(programs, suite, "sub/test_b.py::test_other") as terminal:
        assert eventually(lambda: terminal.read() and "history:" in terminal.text)
        terminal.type("sleep 65431 & sleep 65431\n")
        assert eventually(lambda: terminal.read() and "sleep 65431" in terminal.text)
        below = descendants(terminal.process.pid)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait() == 128 + signal.SIGTERM
        assert terminal.settings == terminal.before
        assert not any(alive(pid) for pid in below)


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("sub/test_a.py::test_p", "2 tests match sub/test_a.py::test_p\r\n    sub/test_a.py::test_p[1]\r\n"),
        ("test_nowhere", "there is no test test_nowhere"),
        (
            "sub/test_a.py::test_nowhere",
            "failed to find the test sub/test_a.py::test_nowhere: pytest says\r\nERROR: not",
        ),
        ("sub/test_c.py::test_x", "there is no test sub/test_c.py::test_x"),
    ],
)
def test_a_test_that_is_not_one_is_an_error(programs: Programs, suite: Path, test: str, words: str):
    with shell(programs, suite, test) as terminal:
        assert terminal.wait() == 2
        assert words in terminal.text
        assert "Traceback" not in terminal.text


def test_a_file_that_cannot_be_imported_is_an_error_that_shows_why(programs: Programs, project: Path):
    write_project(project, {"test_a.py": "import nowhere\n"})
    with shell(programs, project, "test_a.py::test_x") as terminal:
        assert terminal.wait() == 2
        assert "No module named 'nowhere'" in terminal.text
        assert "Traceback (most recent" not in terminal.text.replace("importlib", "")


def test_a_shell_needs_a_terminal(programs: Programs, suite: Path):
    done = programs.run(PYTEST, "--shell", "sub/test_b.py::test_other", cwd=suite).check(2)
    assert "standard input is no terminal" in done.single_message
