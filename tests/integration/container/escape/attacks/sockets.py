"""Talks to abstract sockets of others, and to what is below this machine; the names are the arguments."""

import socket
import sys

from base import attempt, got, tried


def connect(name: str, kind: int) -> str:
    with socket.socket(socket.AF_UNIX, kind) as client:
        client.connect(f"\0{name}")
    return "connected"


for name in sys.argv[1:]:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        attempt(name, lambda name=name, kind=kind: connect(name, kind))
with open("/proc/net/unix") as file:
    listed = file.read()
for name in sys.argv[1:]:
    if name in listed:
        got("sees", name)
for line in ("127.0.0.1", "::1"):
    family = socket.AF_INET6 if ":" in line else socket.AF_INET
    with open("/proc/net/tcp6" if ":" in line else "/proc/net/tcp") as file:
        if len(file.readlines()) > 1:
            got("sees sockets of", family)
tried()
