"""Commands to put in front of a program, so that it runs as somebody else or on a host that forbids things."""

from __future__ import annotations

import errno
import functools
import os
import subprocess
import sys
from pathlib import Path

from maelstrom_container import seccomp

ORDINARY_UID = 12345
WITHOUT_USER_NAMESPACES = (
    "unshare",
    "--user",
    "--map-root-user",
    "sh",
    "-c",
    'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"',
    "sh",
)
"""The limit is that of a namespace of its own: the host's is left alone."""

OUTER = """
import ctypes, os, sys
prctl = ctypes.CDLL(None, use_errno=True).prctl
program = ctypes.create_string_buffer(bytes.fromhex(sys.argv[1]))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
given = Program(len(program) // 8, ctypes.addressof(program))
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, ctypes.byref(given), 0, 0) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""

# In a mount namespace of its own: a directory that only root may enter is covered by one that everybody may, and what
# is needed of it is shown again at its place.
_REACHABLE = """
set -e
closed=$1 needed=$2; shift 2
aside=$(mktemp -d)
mount --bind "$needed" "$aside"
mount -t tmpfs -o mode=755 none "$closed"
mkdir -p "$needed"
mount --bind "$aside" "$needed"
umount "$aside"
rmdir "$aside"
exec "$@"
"""


def ordinary_user() -> tuple[str, ...]:
    """Return the command that runs a program as an ordinary user; nothing if we are one. Raises OSError if impossible.

    The interpreter may live in root's home: it is made reachable, in a mount namespace that is the program's own.
    """
    if os.getuid() != 0:
        return ()
    user = ("setpriv", f"--reuid={ORDINARY_UID}", f"--regid={ORDINARY_UID}", "--clear-groups")
    closed = [path for path in reversed(Path(sys.base_prefix).parents) if not path.stat().st_mode & 0o001]
    command = user
    if closed:
        script = ("sh", "-c", _REACHABLE, "sh", str(closed[0]), sys.base_prefix)
        command = ("unshare", "--mount", "--propagation=private", *script, *user)
    _try(*command, sys.executable, "-c", "import msgspec")
    return command


@functools.cache
def can_forbid_user_namespaces() -> bool:
    """Tell whether WITHOUT_USER_NAMESPACES works here."""
    try:
        _try(*WITHOUT_USER_NAMESPACES, "true")
    except OSError:
        return False
    return True


def without_clone3() -> tuple[str, ...]:
    """Return the command for a machine that says that there is no clone3, as filters do that cannot look at its flags.

    For x86-64.
    """
    clone3 = 435
    instructions = [
        (seccomp.LOAD, 0, 0, seccomp.NUMBER_AT),
        (seccomp.JUMP_IF_EQUAL, 0, 1, clone3),
        (seccomp.RETURN, 0, 0, seccomp.ERRNO | errno.ENOSYS),
        (seccomp.RETURN, 0, 0, seccomp.ALLOW),
    ]
    program = b"".join(seccomp.INSTRUCTION.pack(*instruction) for instruction in instructions)
    return (sys.executable, "-c", OUTER, program.hex())


def _try(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, cwd="/")
    except subprocess.CalledProcessError as error:
        raise OSError(error.stderr.decode(errors="replace").strip()) from error
