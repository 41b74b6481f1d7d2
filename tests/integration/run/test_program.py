"""maelstrom-run as a process, with a client that runs nothing: signals, pipes, what is imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from functools import partial
from maelstrom_core.edge import run_program
from maelstrom_run.cli import run_cli
from tests.unit.run.fake import FakeBackend
sys.exit(run_program("maelstrom-run", partial(run_cli, sys.argv[1:], FakeBackend())))
"""


def environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAELSTROM_")}
    return clean | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "XDG_CONFIG_HOME": "/nowhere",
        "XDG_CONFIG_DIRS": "/nowhere",
    }


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], input=stdin, env=environment(), capture_output=True, check=False
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSEGV, signal.SIGKILL, signal.SIGPIPE])
def test_one_is_killed_by_the_signal_that_killed_the_job(number):
    assert run("--", "signal", str(int(number))).returncode == -number


def test_one_is_killed_by_sigkill_where_the_signal_does_not_kill():
    assert run("--", "signal", str(int(signal.SIGCHLD))).returncode == -signal.SIGKILL


def test_output_of_a_killed_job_is_not_lost():
    assert run("--", "signal", "15").stdout == b"before\n"


def test_stream_through_pipes():
    done = run(stdin=b'{"program": "print", "arguments": ["out", "err"]} {"program": "exit", "arguments": ["3"]}')
    assert (done.returncode, done.stdout) == (3, b"out")
    assert done.stderr == b"errjob 2: exited with code 3\n"


def test_empty_standard_input_that_cannot_be_waited_for():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.DEVNULL, env=environment(), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_job_starts_before_the_stream_ends_and_interruption_ends_the_program():
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b'{"program": "print", "arguments": ["ready\\n", ""]}{"program": "hold"}')
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stderr.read().splitlines() == [
            b"maelstrom-run: 1 job done, 0 failed, 1 running: job 2",
            b"maelstrom-run: interrupted",
        ]


def test_reader_of_the_output_may_go_away():
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b'{"program": "print", "arguments": ["x", ""]}')
        process.stdin.flush()
        assert process.wait() == 141
        assert process.stderr.read() == b""


def test_errors_have_no_traceback():
    done = run("--slots", "0", "true")
    assert done.returncode == 2
    assert done.stderr == b"maelstrom-run: option --slots: 0 is too small, the smallest is 1\n"


def imported(script: str) -> set[str]:
    code = f"import sys; old = set(sys.modules)\n{script}\nprint(*sorted(set(sys.modules) - old))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=True)
    return set(done.stdout.decode().split())


def test_importing_the_configuration_is_cheap():
    heavy = {"asyncio", "click", "dataclasses", "inspect", "logging", "msgspec", "rich", "tomllib"}
    assert not heavy & imported("import maelstrom_core.config, maelstrom_core.config_sources, maelstrom_core.edge")


def test_help_needs_neither_asyncio_nor_specifications():
    script = "import io; sys.stdout, out = io.StringIO(), sys.stdout\n"
    script += "from maelstrom_run.cli import run_cli; run_cli(['--help'], None); sys.stdout = out"
    heavy = {"asyncio", "logging", "msgspec", "rich", "uvloop", "maelstrom_core.spec", "blake3"}
    assert not heavy & imported(script)


def test_one_loads_no_more_than_it_needs():
    script = "from tests.unit.run.fake import FakeBackend; from maelstrom_run.cli import run_cli\n"
    script += "run_cli(['true'], FakeBackend())"
    assert not {"rich", "uvloop", "tomllib", "elftools", "sqlite3", "maelstrom_run.many"} & imported(script)


def test_a_stream_needs_no_asyncio():
    script = "from tests.unit.run.fake import FakeBackend; from maelstrom_run.cli import run_cli\n"
    script += "run_cli(['--file', '/dev/null'], FakeBackend()); import maelstrom_client.callbacks"
    assert not {"asyncio", "concurrent.futures", "logging", "ssl", "subprocess", "uvloop"} & imported(script)
