"""Which system calls a job may not make: data for `seccomp`, and the reasons in docs/decisions/seccomp.md.

What stands in no row is allowed, up to the last call that was known when this was written. The numbers are the kernel's
(arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h). Imports nothing of the project.
"""

from __future__ import annotations

import errno

import msgspec

LAST_KNOWN = 469
"""file_setattr, of Linux 6.17; numbers are the same on all architectures since 424. What comes after it does not exist:
it was made when nobody could judge it here, and programs have another way where the kernel is older."""

NAMESPACES = 0x7E020000
"""All CLONE_NEW... but CLONE_NEWTIME, whose bit means something else in clone."""
HARMLESS_UNSHARE = 0x00050F00
"""CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD, CLONE_SYSVSEM: parts of the process itself."""
HARMLESS_PERSONALITY = 0x00060008
"""PER_LINUX32, UNAME26, ADDR_NO_RANDOMIZE: what uname says, and no random addresses (setarch -R, sanitizers, gdb)."""
QUERY_PERSONALITY = 0xFFFFFFFF
OWN_WATCH = 0x80001
"""O_CLOEXEC, UFFD_USER_MODE_ONLY: all that userfaultfd takes of who has no privilege."""
TIOCSTI = 0x5412
TIOCLINUX = 0x541C
FAMILIES = (1, 2, 10, 16, 17)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET: what networks are made of. The others are hardly ever used and
rarely tested; AF_VSOCK reaches the machine below this one, AF_ALG what the kernel computes."""


class Refused(msgspec.Struct, frozen=True):
    """Never allowed."""

    error: int = errno.EPERM


class WithBits(msgspec.Struct, frozen=True):
    """Refused where the argument (by number) has one of the bits; the kernel looks at the lower 32, and so do we."""

    argument: int
    bits: int
    error: int = errno.EPERM


class WithOtherBits(msgspec.Struct, frozen=True):
    """Refused where the argument has a bit that is not among these, unless it is `except_for`."""

    argument: int
    bits: int
    except_for: int | None = None
    error: int = errno.EPERM


class WithValue(msgspec.Struct, frozen=True):
    """Refused where the argument is one of the values."""

    argument: int
    values: tuple[int, ...]
    error: int = errno.EPERM


class WithOtherValue(msgspec.Struct, frozen=True):
    """Refused where the argument is none of the values."""

    argument: int
    values: tuple[int, ...]
    error: int = errno.EPERM


Rule = Refused | WithBits | WithOtherBits | WithValue | WithOtherValue


class Call(msgspec.Struct, frozen=True):
    """A system call, its numbers (None where the architecture has none), and what is refused of it."""

    name: str
    x86_64: int | None
    arm64: int | None
    rule: Rule = Refused()


ALWAYS = (
    # keyrings belong to the user, not to a container
    Call("add_key", 248, 217),
    Call("request_key", 249, 218),
    Call("keyctl", 250, 219),
    # programs and watchers in the kernel, and ways of getting around this filter
    Call("bpf", 321, 280),
    Call("perf_event_open", 298, 241),
    Call("userfaultfd", 323, 282),
    Call("io_uring_setup", 425, 425),
    Call("io_uring_enter", 426, 426),
    Call("io_uring_register", 427, 427),
    Call("fanotify_init", 300, 262),
    # files by handle: of the whole file system, wherever the root is
    Call("open_by_handle_at", 304, 265),
    Call("setns", 308, 268),
    # the machine's own. Most of it the kernel refuses to who has no capability over its first user namespace; where
    # a call stands alone among allowed ones and that is so (clock_settime, vhangup) it is left to the kernel
    Call("acct", 163, 89),
    Call("delete_module", 176, 106),
    Call("finit_module", 313, 273),
    Call("init_module", 175, 105),
    Call("ioperm", 173, None),
    Call("iopl", 172, None),
    Call("kexec_file_load", 320, 294),
    Call("kexec_load", 246, 104),
    Call("quotactl", 179, 60),
    Call("quotactl_fd", 443, 443),
    Call("reboot", 169, 142),
    Call("settimeofday", 164, 170),
    # no longer made, but in between
    Call("create_module", 174, None),
    Call("get_kernel_syms", 177, None),
    Call("query_module", 178, None),
    Call("nfsservctl", 180, 42),
    Call("swapoff", 168, 225),
    Call("swapon", 167, 224),
    Call("syslog", 103, 116),
    # its flags are in memory, where no filter can look; the C libraries then use clone
    Call("clone3", 435, 435, Refused(errno.ENOSYS)),
    # keys typed, and screens read, on somebody else's terminal
    Call("ioctl", 16, 29, WithValue(1, (TIOCSTI, TIOCLINUX))),
    Call("personality", 135, 92, WithOtherBits(0, HARMLESS_PERSONALITY, QUERY_PERSONALITY)),
    # the error that a kernel without the family gives
    Call("socket", 41, 198, WithOtherValue(0, FAMILIES, errno.EAFNOSUPPORT)),
    Call("socketpair", 53, 199, WithOtherValue(0, FAMILIES, errno.EAFNOSUPPORT)),
)
"""Refused to jobs, and to what a template loads."""

CONTAINERS = (
    Call("clone", 56, 220, WithBits(0, NAMESPACES)),
    Call("unshare", 272, 97, WithOtherBits(0, HARMLESS_UNSHARE)),
    Call("mount", 165, 40),
    Call("umount2", 166, 39),
    Call("pivot_root", 155, 41),
    Call("open_tree", 428, 428),
    Call("move_mount", 429, 429),
    Call("fsopen", 430, 430),
    Call("fsconfig", 431, 431),
    Call("fsmount", 432, 432),
    Call("fspick", 433, 433),
    Call("mount_setattr", 442, 442),
    Call("open_tree_attr", 467, 467),
)
"""What containers are made with: refused to jobs; a template makes those of its forks."""

WATCHING = (
    # by who has no privilege, of its own writing
    Call("userfaultfd", 323, 282, WithOtherValue(0, (OWN_WATCH,))),
)
"""What a template may do of what is always refused to jobs: its forks do before they are jobs."""

LAUNCHING = frozenset({"clone3", "setns"} | {call.name for call in CONTAINERS})
"""What a pool member needs to launch jobs. None has a sixth argument."""
