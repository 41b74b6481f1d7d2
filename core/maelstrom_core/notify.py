"""Tells the service manager that started us how far we are, by the protocol of sd_notify(3).

    tell("READY=1", "STATUS=listening on 127.0.0.1:4000")

Imports nothing of the project.
"""

from __future__ import annotations

import contextlib
import os
import socket


def tell(*lines: str) -> bool:
    """Say it, if there is somebody to say it to; return whether there is. That nobody listens is no error."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # a name without a file
        address = f"\0{address[1:]}"
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.sendto("\n".join(lines).encode(), address)
        return True
    return False
