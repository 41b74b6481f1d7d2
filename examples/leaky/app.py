"""A small program with the habits of real ones: it listens, caches, configures itself, and registers things.

Each of its functions touches something that the whole process, or the whole machine, has only one of.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

PORT = 18080
CACHE = Path(tempfile.gettempdir()) / "leaky-example-cache.txt"

formats: list[str] = []
servers: list[socket.socket] = []
helpers: list[subprocess.Popen[bytes]] = []


def serve() -> socket.socket:
    """Listen on the port that the program is known by, until the program ends."""
    server = socket.create_server(("127.0.0.1", PORT))
    servers.append(server)
    return server


def remember(answer: str) -> None:
    """Write the cache, which must not be there yet."""
    with CACHE.open("x") as file:
        file.write(answer)


def settings() -> dict[str, str]:
    """Read the settings, with defaults for what the environment does not say."""
    return {
        "colour": os.environ.get("LEAKY_COLOUR", "auto"),
        "level": os.environ.get("LEAKY_LEVEL", "info"),
    }


def register(name: str) -> list[str]:
    """Add a format; return all there are."""
    formats.append(name)
    return formats


def load(name: str) -> list[int]:
    """Read numbers from the data directory, which becomes the working directory."""
    os.chdir("data")
    return [int(line) for line in Path(name).read_text().split()]


def reload_on_request() -> None:
    """Reload the settings on SIGUSR1, unless somebody else already handles that signal."""
    if signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL:
        message = "SIGUSR1 is taken"
        raise RuntimeError(message)
    signal.signal(signal.SIGUSR1, lambda *_: settings())


def start_helper() -> subprocess.Popen[bytes]:
    """Start the helper process; a socket's name makes sure that there is only one on the machine."""
    lock = socket.socket(socket.AF_UNIX)
    lock.bind("\0leaky-example-helper")
    helper = subprocess.Popen(  # `cat` ends when we do
        ["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[lock.fileno()]
    )
    lock.close()  # the helper still holds it
    helpers.append(helper)
    return helper
