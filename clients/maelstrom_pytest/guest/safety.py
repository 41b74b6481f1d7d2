"""What a fork cannot carry: seen before a process offers itself as a template, and said in one sentence.

A fork has one thread, whatever ran in its parent; it shares open files, with their positions, sockets and pipes with
all its siblings; and it gets fresh private file systems and a root of its own, without what was written while the
template was loading (but for directories, which are made again). Whoever needs more than that must be run in a process
of its own.

Runs inside the container; see the package. Imports nothing but the standard library.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

PRIVATE = ("/tmp", "/run", "/dev/shm")  # noqa: S108 fresh in each container
MAX_ENTRIES = 10_000  # looked at in the private file systems
# what is made again by whoever misses it
CACHES = ("__pycache__", ".pytest_cache", ".hypothesis", ".cache", ".mypy_cache", ".ruff_cache", ".numba_cache")
# devices without a state that could be shared
STATELESS = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9)}  # null, zero, full, random, urandom
WRITES = {"open", "os.rename", "os.mkdir", "os.symlink", "os.link"}  # events of the interpreter
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Watch:
    """Sees what is started, opened and written from now on."""

    def __init__(self, private: Iterable[str] | None = None) -> None:
        self.private = tuple(PRIVATE if private is None else private)
        self.written: list[tuple[str, str]] = []
        self.watching = True
        self.again()
        sys.addaudithook(self._hook())

    def again(self) -> None:
        """Take what there is now for granted: the process has become another one."""
        self.descriptors = set(descriptors())
        self.entries = set(self._entries())
        del self.written[:]
        self.watching = True

    def stop(self) -> None:
        """Look no longer: what follows is the tests' own."""
        self.watching = False

    def _hook(self) -> Callable[[str, Any], None]:
        # a hook stays for the life of the process and its forks: when it is not needed it must cost next to nothing
        def hook(event: str, arguments: Any) -> None:
            if not self.watching or event not in WRITES or len(self.written) >= MAX_ENTRIES:
                return
            path = arguments[1] if event == "os.rename" else arguments[0]
            if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
                return
            if event == "os.mkdir" and os.path.isdir(path):
                return
            if isinstance(path, (str, bytes)):
                self.written.append((event, os.path.abspath(os.fsdecode(path))))

        return hook

    def objection(self, own: Iterable[int] = (), own_file: str | None = None) -> str | None:
        """Return why this process must not be forked, None if it may be.

        What is said to be `own`, descriptors and a file, is seen to by others.
        """
        return (
            _threads()
            or _processes()
            or _loops()
            or self._open_files(set(own))
            or self._changed_files()
            or self._written_files(own_file)
        )

    def reopened(self) -> list[int]:
        """Return the descriptors of files for reading, whose positions forks must not share."""
        return [number for number in self._new() if stat.S_ISREG(os.fstat(number).st_mode)]

    def directories(self) -> list[str]:
        """Return the directories that were made, the upper ones first: a fork has to make them again."""
        made = set(self._entries()) - self.entries
        made.update(path for event, path in self.written if event == "os.mkdir")
        return sorted(path for path in made if os.path.isdir(path) and not os.path.islink(path))

    def _new(self) -> Iterator[int]:
        return (number for number in descriptors() if number not in self.descriptors)

    def _open_files(self, own: set[int]) -> str | None:
        for number in self._new():
            if number in own:
                continue
            status = os.fstat(number)
            flags = fcntl.fcntl(number, fcntl.F_GETFL)
            name = os.readlink(f"/proc/self/fd/{number}")
            if stat.S_ISDIR(status.st_mode):
                continue
            if stat.S_ISCHR(status.st_mode) and (os.major(status.st_rdev), os.minor(status.st_rdev)) in STATELESS:
                continue
            if stat.S_ISREG(status.st_mode):
                if flags & os.O_ACCMODE == os.O_RDONLY:
                    continue  # opened anew in each fork
                return f"it keeps a file open for writing: {name}"
            return f"it keeps open what cannot be shared between tests: {name}"
        return None

    def _entries(self) -> Iterator[str]:
        count = 0
        for root in self.private:
            for directory, directories, files in os.walk(root):
                directories[:] = [name for name in directories if name not in CACHES]
                for name in (*files, *directories):
                    yield os.path.join(directory, name)
                    count += 1
                    if count >= MAX_ENTRIES:
                        return

    def _changed_files(self) -> str | None:
        made = {path for path in set(self._entries()) - self.entries if os.path.islink(path) or not os.path.isdir(path)}
        return f"it made {min(made)} while it was loaded" if made else None

    def _written_files(self, own_file: str | None) -> str | None:
        roots = ("/dev", "/proc", "/sys")
        for _event, path in self.written:
            if path == own_file or os.path.isdir(path):
                continue  # made again in each fork; or opened for a file without a name, which is a descriptor if kept
            parts = path.split("/")
            if any(cache in parts for cache in CACHES) or path.startswith(tuple(root + "/" for root in roots)):
                continue
            # what is in a private file system has been judged by what is there now
            if os.path.exists(path) and not any(path.startswith(root + "/") for root in self.private):
                return f"it wrote {path} while it was loaded"
        return None


def descriptors() -> list[int]:
    """Return the open descriptors."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            os.fstat(int(name))
        except OSError:  # the listing's own
            continue
        found.append(int(name))
    return found


def _threads() -> str | None:
    tasks = len(os.listdir("/proc/self/task"))
    if tasks > 1:  # some libraries stop their threads for a fork, and start them when they need them again
        _try_fork()
        tasks = len(os.listdir("/proc/self/task"))
    if tasks <= 1:
        return None
    threading = sys.modules.get("threading")
    for thread in [] if threading is None else threading.enumerate():
        if thread is not threading.main_thread():  # type: ignore[union-attr]
            target = getattr(thread, "_target", None)
            module = getattr(target, "__module__", None) or type(thread).__module__
            return f"it started a thread: {thread.name} (of {module})"
    names = {_name(task) for task in os.listdir("/proc/self/task") if int(task) != os.getpid()}
    return f"a library of it started {tasks - 1} thread{'s' if tasks > 2 else ''}: {', '.join(sorted(names))}"


def _try_fork() -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer interpreters warn of forks beside threads
        child = os.fork()
        if child == 0:
            os._exit(0)
    os.waitpid(child, 0)


def _name(task: str) -> str:
    try:
        with open(f"/proc/self/task/{task}/comm", encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return "?"


def _processes() -> str | None:
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    if found is not None:
        return f"it started process {found.si_pid} and did not wait for its end"
    try:
        with open("/proc/thread-self/children", encoding="ascii") as stream:
            child = stream.read().split()[0]
        with open(f"/proc/{child}/cmdline", encoding="utf-8", errors="replace") as stream:
            words = stream.read().replace("\0", " ").strip()
    except (OSError, IndexError):
        words = ""
    return "it started a process that still runs" + (f": {words[:200]}" if words else "")


def _loops() -> str | None:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    events = sys.modules["asyncio.events"]
    # asking the policy would make a loop
    local = getattr(getattr(events, "_event_loop_policy", None), "_local", None)
    loop = events._get_running_loop() or getattr(local, "_loop", None)
    if loop is not None and not loop.is_closed():
        return "it keeps an event loop of asyncio open"
    return None
