"""Programs as a user types them: in a directory, with a home and a cache of their own, on pipes or on a terminal."""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pytest

from tests.support.privileges import ORDINARY_UID, ordinary_user

ROOT = Path(__file__).parents[2]
IMPORT_ROOTS = tuple(str(ROOT / name) for name in ("core", "container", "worker", "broker", "clients"))
PATIENCE = float(os.environ.get("MAELSTROM_TEST_PATIENCE", "120"))
"""Seconds after which something that is waited for is taken to never come."""
RUN = "maelstrom_run"
PYTEST = "maelstrom_pytest"
GO_TEST = "maelstrom_go_test"
BORROWED = ("PATH", "LANG", "LC_ALL", "TZ")
HOST = {"host": ["/usr", "/bin", "/lib", "/lib64", "/etc"]}
USUAL_MOUNTS = [
    {"type": "proc", "mount_point": "/proc"},
    {"type": "tmp", "mount_point": "/tmp"},
    {"type": "devices", "devices": ["null"]},
]


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended and what it wrote."""

    code: int
    out: str
    err: str

    def check(self, code: int) -> Self:
        """Return it if it ended with this code; else the test fails, and shows what was written."""
        assert self.code == code, f"exit code {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"
        return self

    @property
    def single_message(self) -> str:
        """The message on standard error: one, with at most a hint, and no traceback."""
        lines = self.err.splitlines()
        assert "Traceback" not in self.err
        assert lines
        assert all(line.startswith("  hint: ") for line in lines[1:]), self.err
        return self.err


@dataclass(frozen=True, slots=True)
class Programs:
    """Runs the programs of the tree with `home` as HOME; caches, state and temporary files lie below it."""

    home: Path
    prefix: tuple[str, ...] = ()
    """A command in front of the program's own, as `setpriv` with its options."""
    plugins: bool = False
    """Whether pytest loads what is installed beside it: of the environment that runs these tests that costs each
    process more than pytest itself."""

    @property
    def cache(self) -> Path:
        return self.home / "cache" / "maelstrom"

    @property
    def with_plugins(self) -> Programs:
        """The same, where pytest loads the plugins that are installed."""
        return replace(self, plugins=True)

    @property
    def temporary(self) -> Path:
        return self.home / "temporary"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return what a program sees: nothing of the configuration of whoever runs the tests."""
        self.temporary.mkdir(exist_ok=True)
        borrowed = {name: os.environ[name] for name in BORROWED if name in os.environ}
        own = {
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_CONFIG_DIRS": str(self.home / "config"),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS),
            **({} if self.plugins else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
        }
        return {**borrowed, **own, **(extra or {})}

    def command(self, program: str, arguments: Iterable[str]) -> list[str]:
        """Return the command line; maelstrom-pytest is told the interpreter and a cache that tests share."""
        own: tuple[str, ...] = ()
        if program == PYTEST:
            own = ("--cache-root", str(self.cache))
            arguments = tuple(arguments)
            if "--python" not in arguments and "--image" not in arguments:
                own += ("--python", sys.executable)
        return [*self.prefix, sys.executable, "-m", program, *own, *arguments]

    @contextmanager
    def start(
        self, program: str, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, **options: Any
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a program, gone at the end of the block; its streams are pipes unless `options` say otherwise."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = self.command(program, arguments)
        with subprocess.Popen(command, cwd=cwd, env=self.environment(env), **{**pipes, **options}) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(
        self, program: str, *arguments: str, cwd: Path, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> Done:
        """Run a program to its end."""
        with self.start(program, *arguments, cwd=cwd, env=env) as process:
            out, err = process.communicate(stdin, timeout=PATIENCE)
        return Done(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def jobs(self, *specs: object, cwd: Path, options: tuple[str, ...] = ()) -> Done:
        """Run maelstrom-run with a stream of objects on its standard input."""
        return self.run(RUN, *options, cwd=cwd, stdin=stream(*specs))


@contextmanager
def ordinary_programs(name: str) -> Iterator[Programs]:
    """Have programs run as an ordinary user, with a home whose name begins so; skip the test where that cannot be."""
    if os.getuid() != 0:
        pytest.skip("the caller is an ordinary user already")
    try:
        prefix = ordinary_user()
    except OSError as error:
        pytest.skip(f"the interpreter cannot be made reachable for another user: {error}")
    home = Path(tempfile.mkdtemp(prefix=name))
    ordinary = Programs(home, prefix)
    ordinary.temporary.mkdir()
    for path in (home, ordinary.temporary):
        os.chown(path, ORDINARY_UID, ORDINARY_UID)
    try:
        yield ordinary
    finally:
        shutil.rmtree(home)


def stream(*specs: object) -> bytes:
    """Return objects as maelstrom-run reads them; texts stand for themselves."""
    return "\n".join(spec if isinstance(spec, str) else json.dumps(spec) for spec in specs).encode()


def job(program: str, *arguments: str, **fields: object) -> dict[str, object]:
    """Return the specification of a job that sees this machine's programs."""
    base: dict[str, object] = {"layers": [HOST], "mounts": USUAL_MOUNTS, "environment": {"PATH": "/usr/bin:/bin"}}
    return {**base, "program": program, "arguments": list(arguments), **fields}


def shell_job(script: str, **fields: object) -> dict[str, object]:
    """Return the specification of a job that is a shell script."""
    return job("sh", "-c", script, **fields)


def write_project(directory: Path, files: Mapping[str, str]) -> Path:
    """Write the files of a project into a new directory."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def descendants(pid: int) -> set[int]:
    """Return the processes below `pid`."""
    found: set[int] = set()
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has just ended
        return found
    for child in children:
        found |= {int(child), *descendants(int(child))}
    return found


def alive(pid: int) -> bool:
    """Tell whether a process runs; zombies do not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(truth: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Poll until something is true: for what no descriptor tells."""
    end = time.monotonic() + seconds
    while not truth():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def sleepers(pid: int, seconds: str) -> set[int]:
    """Return the processes below `pid` that are `sleep` for a time that marks them."""

    def matches(process: int) -> bool:
        try:
            return Path(f"/proc/{process}/cmdline").read_bytes() == f"sleep\0{seconds}\0".encode()
        except OSError:
            return False

    return {process for process in descendants(pid) if matches(process)}


class Terminal:
    """A terminal with a program in its foreground; a context manager, at whose end the program is gone."""

    def __init__(
        self,
        programs: Programs,
        program: str,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        size: tuple[int, int] = (100, 30),
    ) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.before = termios.tcgetattr(slave)
        command = ["setsid", "--ctty", *programs.command(program, arguments)]
        environment = programs.environment({"TERM": "xterm", **(env or {})})
        self.process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=slave, stdout=slave, stderr=slave)
        self._slave = slave  # kept open: the settings can still be read when the program is gone
        self.text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may come in two parts

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def read(self) -> bool:
        """Read what there is to read now; always true, for use in conditions that are polled."""
        while self._read(0):
            pass
        return True

    def wait(self) -> int:
        """Read until the program has ended; return its exit code."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, f"did not end: {self.text!r}"
            self._read(0.1)
        self.read()
        return self.process.returncode

    @property
    def settings(self) -> list[Any]:
        """The terminal's modes now."""
        return termios.tcgetattr(self._slave)

    @property
    def screen(self) -> list[str]:
        """What a user sees: carriage returns and erasures are carried out, colours ignored."""
        lines = []
        for line in self.text.replace("\r\n", "\n").split("\n"):
            shown = line.rpartition("\r\x1b[K")[2]
            lines.append(shown)
        return lines

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        self.text += self._decoder.decode(os.read(self._master, 65536))
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)
        os.close(self._slave)
        os.close(self._master)
