"""Gives a fork of a template what a process of its own would have: descriptors, random numbers, the collector.

Runs inside the container; see the package. Imports nothing but the standard library; of pytest it knows the names of
some attributes, and does without those that a version has not got.
"""

from __future__ import annotations

import gc
import os
import stat
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

TWISTS = 400  # how many blocks of random numbers may have been drawn without it looking as if seeded
BLOCK = 624


class Renewal:
    """What has to be done in forks of this process."""

    def __init__(self) -> None:
        import random

        self.random_before = random.getstate()
        self.collecting = True
        self.copies: list[tuple[int, int, bool]] = []
        self.captures: list[Any] = []
        self.reopened: list[int] = []
        self.directories: list[tuple[str, int]] = []
        self.random_seeded: Any = None
        self.reseed_numpy = False
        self.log_file: Any = None

    def own_descriptors(self, config: Any) -> set[int]:
        """Return the descriptors that are known here, or are of pytest."""
        own = {number for number, _stream, _inheritable in copies_of_outputs()}
        for capture in captures(config):
            own.update((capture.targetfd_save, capture.tmpfile.fileno()))
        handler = log_file(config)
        if handler is not None:
            own.add(handler.stream.fileno())
        return own

    def prepare(self, config: Any, reopened: list[int], directories: list[str]) -> None:
        """Look at the process as it is now, the last time before it forks."""
        flush(sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
        self.collecting = gc.isenabled()
        self.directories += [(path, stat.S_IMODE(os.stat(path).st_mode)) for path in directories]
        self.copies = copies_of_outputs()
        self.captures = list(captures(config))
        self.log_file = log_file(config)
        known = {capture.tmpfile.fileno() for capture in self.captures}
        known.update(capture.targetfd_save for capture in self.captures)
        if self.log_file is not None:
            known.add(self.log_file.stream.fileno())
        self.copies = [copy for copy in self.copies if copy[0] not in known]
        self.reopened = [number for number in reopened if number not in known]
        state = sys.modules["random"].getstate()
        self.random_seeded = state if seeded(self.random_before, state) else None
        self.reseed_numpy = "numpy.random" in sys.modules and not numpy_seeded()

    def perform(self) -> None:
        """Make the fork a process of its own. Descriptors 0, 1 and 2 are new already."""
        for capture in self.captures:
            renew_capture(capture)
        for number, stream, inheritable in self.copies:
            os.dup2(stream, number, inheritable=inheritable)
        for number in self.reopened:
            reopen(number)
        if self.log_file is not None:
            renew_log_file(self.log_file)
        for path, mode in self.directories:
            remake(path, mode)
        ssl = sys.modules.get("ssl")
        if ssl is not None:  # so that its generator is there, and in this process, before jobs feed it
            ssl.RAND_bytes(1)
        if self.collecting:
            gc.enable()

    def renew_randomness(self, job: bool) -> None:
        """Take new seeds where a process of its own would have had some from the system.

        The standard library's `random` has done so after the fork, even where the project had given it a seed, which a
        process of its own would go on from. But a fork may be put back and serve several jobs.
        """
        random = sys.modules["random"]
        if self.random_seeded is not None:
            random.setstate(self.random_seeded)
        elif not job:
            self.random_before = random.getstate()
        else:
            random.seed()
        if not job:
            return
        if self.reseed_numpy:
            sys.modules["numpy.random"].seed()
        tempfile = sys.modules.get("tempfile")
        if tempfile is not None:
            tempfile._name_sequence = None  # type: ignore[attr-defined] # made for a process id, which is the same
        ssl = sys.modules.get("ssl")
        if ssl is not None:  # OpenSSL knows a fork by its process id
            ssl.RAND_add(os.urandom(32), 32.0)
        hypothesis = sys.modules.get("hypothesis.core")
        if hypothesis is not None and getattr(hypothesis, "_hypothesis_global_random", None) is not None:
            hypothesis._hypothesis_global_random = None  # type: ignore[attr-defined]


def flush(*streams: Any) -> None:
    """Write what streams hold back, as far as they are streams."""
    for stream in streams:
        with suppress(AttributeError, ValueError, OSError):
            stream.flush()


def log_file(config: Any) -> Any:
    """Return the handler of pytest's log file, None if it writes none."""
    handler = getattr(config.pluginmanager.getplugin("logging-plugin"), "log_file_handler", None)
    if handler is None or getattr(handler, "stream", None) is None or handler.baseFilename == os.devnull:
        return None
    return handler


def captures(config: Any) -> Iterator[Any]:
    """Yield pytest's captures of descriptors."""
    manager = config.pluginmanager.getplugin("capturemanager")
    both = getattr(manager, "_global_capturing", None)
    for name in ("in_", "out", "err"):
        capture = getattr(both, name, None)
        if getattr(capture, "targetfd_save", None) is not None:
            yield capture


def renew_capture(capture: Any) -> None:
    """Let a capture write to this process's output, and collect in a file of this process."""
    os.dup2(capture.targetfd, capture.targetfd_save, inheritable=False)
    if capture.targetfd == 0:
        return
    target = capture.tmpfile.fileno()
    fresh = temporary_file()
    os.dup2(fresh, target, inheritable=False)
    os.close(fresh)
    if getattr(capture, "_state", "") == "started":
        os.dup2(target, capture.targetfd)


def temporary_file() -> int:
    """Return a descriptor of a file without a name, where the standard library would make it."""
    directory = getattr(sys.modules.get("tempfile"), "tempdir", None) or "/tmp"  # noqa: S108 fresh in there
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return os.memfd_create("capture")


def copies_of_outputs() -> list[tuple[int, int, bool]]:
    """Return the descriptors that are copies of 1 or 2: number, which of them, inheritable."""
    identities = {}
    for stream in (1, 2):
        try:
            status = os.fstat(stream)
        except OSError:
            continue
        if stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode) or stat.S_ISREG(status.st_mode):
            identities[status.st_dev, status.st_ino] = stream
    found = []
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number <= 2:
            continue
        try:
            status = os.fstat(number)
        except OSError:  # the listing's own
            continue
        source = identities.get((status.st_dev, status.st_ino))
        if source is not None:
            found.append((number, source, os.get_inheritable(number)))
    return found


def reopen(number: int) -> None:
    """Give a file that is open for reading a position that no other process shares."""
    try:
        fresh = os.open(f"/proc/self/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    os.lseek(fresh, os.lseek(number, 0, os.SEEK_CUR), os.SEEK_SET)
    os.dup2(fresh, number, inheritable=os.get_inheritable(number))
    os.close(fresh)


def remake(path: str, mode: int) -> None:
    """Make a directory that the template has made."""
    try:
        os.makedirs(path)
        os.chmod(path, mode)
    except OSError:  # it is there already, or cannot be had: the tests will say
        return


def renew_log_file(handler: Any) -> None:
    """Open pytest's log file anew: the template's is in the template's file system."""
    try:
        fresh = os.open(handler.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError:
        return
    os.dup2(fresh, handler.stream.fileno(), inheritable=False)
    os.close(fresh)


def seeded(before: Any, after: Any) -> bool:
    """Tell whether random numbers were given a seed between two looks, rather than just drawn.

    Drawing moves on along the sequence that the first state begins; a seed jumps elsewhere.
    """
    if before is None or after is None or before[1][:BLOCK] == after[1][:BLOCK]:
        return False
    generator = sys.modules["random"].Random()
    generator.setstate(before)
    for _ in range(TWISTS):
        generator.getrandbits(32 * BLOCK)
        if generator.getstate()[1][:BLOCK] == after[1][:BLOCK]:
            return False
    return True


def numpy_seeded() -> bool:
    """Tell whether numpy's global generator has been given a seed: it forgets the one it began with."""
    try:
        generator = sys.modules["numpy.random.mtrand"]._rand._bit_generator
        sequence = getattr(generator, "seed_seq", None) or getattr(generator, "_seed_seq", None)
    except Exception:  # noqa: BLE001 a stand-in, or another numpy
        return True
    return sequence is None
