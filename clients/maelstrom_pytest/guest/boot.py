"""The first process of a job: a reaper in front of pytest.

The first process of a pid namespace ignores every signal it has no handler for, even one it sends itself, and
inherits all orphans. Tests must not run there. So it forks: the child becomes what `python -m pytest` would be,
the first process passes signals on, reaps, and reports how the child ended.

Runs inside the container; see the package. Imports nothing but the standard library, before the fork next to
nothing. The bootstrap has taken the current directory off `sys.path`; `Pytest.run` puts it back.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, NoReturn

RESULT_DESCRIPTOR = 3
MOUNTS_DESCRIPTOR = 4  # of templates, whose control socket has the result channel's number
HIGH_DESCRIPTOR = 200  # out of the way of tests that count descriptors or expect the low ones to be free
CHANNEL_LOST = signal.SIGRTMAX  # the child to the reaper: I can no longer reach the result channel
FORWARDED = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2),
    signal.SIGABRT,
)
FROM_TERMINALS = (signal.SIGINT, signal.SIGQUIT)


def load(directory: str, name: str) -> dict[str, Any]:
    """Run a module of the guest and return its namespace; neither it nor its directory becomes importable."""
    from importlib.machinery import SourceFileLoader

    module = "maelstrom_guest." + name
    code = SourceFileLoader(module, os.path.join(directory, name + ".py")).get_code(module)
    if code is None:
        raise ImportError(name)
    namespace: dict[str, Any] = {"__name__": module, "__package__": ""}
    exec(code, namespace)  # noqa: S102 our own file
    return namespace


def read_request() -> bytes:
    """Return what is on standard input, and leave /dev/null there."""
    chunks = []
    while True:
        chunk = os.read(0, 1 << 20)
        if not chunk:
            break
        chunks.append(chunk)
    null = os.open(os.devnull, os.O_RDONLY)
    if null != 0:
        os.dup2(null, 0)
        os.close(null)
    return b"".join(chunks)


def hide_channel() -> int:
    """Move the result channel to a high descriptor, closed on exec; return the descriptor."""
    for target in (HIGH_DESCRIPTOR, 60, 20):  # smaller ones where the limit of open files is tiny
        try:
            os.dup2(RESULT_DESCRIPTOR, target, inheritable=False)
        except OSError:
            continue
        os.close(RESULT_DESCRIPTOR)
        return target
    os.set_inheritable(RESULT_DESCRIPTOR, False)
    return RESULT_DESCRIPTOR


def reap(child: int, directory: str, channel: int, terminal: bool) -> NoReturn:
    """Wait until the child has ended, report how, and end the same way."""
    lost = []

    def forward(number: int, _frame: FrameType | None) -> None:
        try:
            os.kill(child, number)
        except OSError:
            pass

    for number in FORWARDED:
        # what is typed at a terminal reaches the child by itself
        signal.signal(number, signal.SIG_IGN if terminal and number in FROM_TERMINALS else forward)
    signal.signal(CHANNEL_LOST, lambda _number, _frame: lost.append(True))
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            break
    killer = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    code = None if killer is not None else os.WEXITSTATUS(status)
    try:
        channel_module = load(directory, "channel")
        record = {"type": "ended", "code": code, "signal": killer, "channel_lost": bool(lost)}
        channel_module["Channel"](channel).send(record)
    except OSError:  # nobody listens any more: the exit code still tells
        pass
    if killer is not None and os.getpid() != 1:
        signal.signal(killer, signal.SIG_DFL) if killer not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), killer)
    os._exit(128 + killer if killer is not None else code or 0)


def serve(directory: str, safe_path: bool) -> NoReturn:
    """Become a template, below a first process as well: its forks then have the process id that it had."""
    request = read_request()
    child = os.fork()
    if child:
        for descriptor in (0, 1, 2, RESULT_DESCRIPTOR, MOUNTS_DESCRIPTOR):
            os.close(descriptor)
        while os.waitpid(-1, 0)[0] != child:
            pass
        os._exit(0)
    forks = load(directory, "forks")["Forks"](directory)
    load(directory, "start")["run_template"](load, directory, request, forks, safe_path)
    raise AssertionError("a template never returns")


def main(directory: str, safe_path: bool) -> None:
    """Read the request, fork, and be the reaper or pytest."""
    terminal = sys.argv[2:3] == ["terminal"]
    request = os.fsencode("".join(sys.argv[3:])) if terminal else read_request()
    channel = hide_channel()
    reaper = os.getpid()
    child = os.fork()
    if child:
        reap(child, directory, channel, terminal)
    start = load(directory, "start")
    start["run"](load, directory, request, channel, reaper, safe_path)


if __name__ == "maelstrom_guest":
    begin = serve if sys.argv[2:] == ["template"] else main
    begin(sys.argv[1], bool(getattr(sys.flags, "safe_path", False)) or bool(sys.flags.isolated))
