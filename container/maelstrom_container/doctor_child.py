"""Tries what a container needs, in a process of its own: `python -I -S doctor_child.py DIRECTORY` prints JSON.

DIRECTORY is empty and on the file system to be tried. The answer maps each step to the errno it failed with, 0 if it
did not; steps that could not be reached are missing. A script: imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
import sys

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18


def main(directory: str) -> None:
    """Try one step after the other."""
    os.chdir(directory)
    for name in ("lower", "top", "merged", "tmp", "proc"):
        os.mkdir(name)
    results = {
        "whiteout": _errno(lambda: os.mknod("top/whiteout", stat.S_IFCHR, os.makedev(0, 0))),
        "opaque": _errno(lambda: os.setxattr("top", "user.overlay.opaque", b"y")),
    }
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()

    def call(function: str, *arguments: object) -> int:
        return 0 if getattr(libc, function)(*arguments) == 0 else ctypes.get_errno()

    def write(path: str, text: str) -> None:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def mount(kind: str, target: str, options: str, flags: int = 0) -> int:
        return call("mount", b"none", target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())

    results["user namespace"] = call("unshare", CLONE_NEWUSER)
    if not results["user namespace"]:
        results["setgroups"] = _errno(lambda: write("/proc/self/setgroups", "deny"))
        results["id map"] = _errno(lambda: write("/proc/self/uid_map", f"{user} {user} 1")) or _errno(
            lambda: write("/proc/self/gid_map", f"{group} {group} 1")
        )
        results["namespaces"] = call("unshare", CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)
        if not results["namespaces"]:
            results["mount"] = mount("", "/", "", MS_REC | MS_PRIVATE) or mount("tmpfs", "tmp", "")
            results["overlay"] = mount("overlay", "merged", "lowerdir=top:lower,userxattr")
            results["proc"] = _in_child(lambda: mount("proc", "proc", ""))
    sys.stdout.write(json.dumps(results))


def _errno(action: object) -> int:
    try:
        action()  # type: ignore[operator]
    except OSError as error:
        return error.errno or -1
    return 0


def _in_child(action: object) -> int:
    """Run in the first process of the new pid namespace, to which alone its proc can be mounted."""
    child = os.fork()
    if child == 0:
        os._exit(action())  # type: ignore[operator]
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main(sys.argv[1])
