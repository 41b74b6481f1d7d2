"""A machine within this one, for whoever runs the tests: namespaces in which we may do what only root may.

Nothing of it outlives the process that is put in front: neither processes, nor mounts, network and files of its own.
"""

from __future__ import annotations

import shutil
import subprocess

TOOLS = {
    **dict.fromkeys(("setpriv", "unshare", "nsenter", "mount"), "util-linux"),
    **dict.fromkeys(("ip", "bridge", "tc", "ss"), "iproute2"),
    "openssl": "openssl",
}
"""What is used of this machine, and the packages that have it."""

# The shell is the first process there: it waits for those that nobody else waits for. When it ends, all end.
WITHIN = (
    *("setpriv", "--pdeathsig", "KILL", "unshare", "--user", "--map-root-user", "--mount", "--net", "--ipc", "--pid"),
    *("--fork", "--kill-child", "--mount-proc", "sh", "-c", '"$@"; exit $?', "sh"),
)
"""The command in front of a program that is to run there; it ends when whoever has started it ends."""

_TRY = """
set -e
mount -t tmpfs none /run
ip netns add try
ip link add switch type bridge
ip link add near type veth peer name far
ip link set far netns try
nsenter --net=/run/netns/try true
"""


def what_is_missing() -> str | None:
    """Return why there can be no such machine here; None if there can."""
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        return f"not installed: {', '.join(missing)}"
    tried = subprocess.run([*WITHIN, "sh", "-c", _TRY], capture_output=True, text=True, check=False)
    return f"there can be no network of our own: {tried.stderr.strip()}" if tried.returncode else None
