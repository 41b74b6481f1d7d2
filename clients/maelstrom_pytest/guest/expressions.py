"""Regular expressions that have been compiled in an earlier run, and need not be compiled in each test again.

In a session of many tests an expression is compiled once; where each test has a process of its own, each does it, and a
lexer has hundreds. What compiling comes to depends on nothing but the expression, its flags and the interpreter. So
expressions that cost tests much are compiled by a process of their own, in which nothing of the project runs
(`compile_all`), and templates know the result (`Expressions.load`): forks get a pattern as if they had compiled it,
in a fiftieth of the time. Those that a test is the first to compile are told (`noted`).

Left alone: what depends on the locale, what warns or prints when it is compiled, what is no plain text.

Runs inside the container; see the package. Imports nothing but the standard library.
"""

from __future__ import annotations

import _sre  # type: ignore[import-not-found]
import marshal
import sys
from _imp import source_hash
from time import perf_counter  # by name: tests replace functions of `time`

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, NoReturn

WORTH = 2e-3  # seconds in one job: what comes to less is not told
SIZE_LIMIT = 1 << 21  # characters that one job tells of
LOCALE, DEBUG = 4, 128  # the flags' values, which are part of compiled code

SLOT = 16  # bytes of the index: a digest, where the entry is, how long it is
NOTHING = bytes(SLOT)

HEADER = marshal.dumps(("maelstrom expressions 1", sys.version, _sre.MAGIC, _sre.CODESIZE))


def compiler() -> Any:
    """Return the module that compiles expressions; `re` has imported it."""
    return sys.modules["re._compiler" if sys.version_info >= (3, 11) else "sre_compile"]


def digest(pattern: str | bytes, flags: int) -> bytes:
    """Return eight bytes that stand for an expression in the index; not alone in that, now and then."""
    return source_hash(flags, pattern.encode("utf-8", "surrogatepass") if isinstance(pattern, str) else pattern)


def pack(entries: dict[tuple[str | bytes, int], Any]) -> bytes:
    """Return the contents of a file: a header, an index (open addressing, a power of two of slots), and entries."""
    size = 1 << (2 * len(entries) + 1).bit_length()
    slots, parts, at = [NOTHING] * size, [], 4 + len(HEADER) + 4 + size * SLOT
    for (pattern, flags), entry in entries.items():
        part = marshal.dumps((pattern, flags, entry))
        name = digest(pattern, flags)
        slot = int.from_bytes(name, "little") & (size - 1)
        while slots[slot] != NOTHING:
            slot = (slot + 1) & (size - 1)
        slots[slot] = name + at.to_bytes(4, "little") + len(part).to_bytes(4, "little")
        parts.append(part)
        at += len(part)
    numbers = len(HEADER).to_bytes(4, "little"), size.to_bytes(4, "little")
    return b"".join((numbers[0], HEADER, numbers[1], *slots, *parts))


class Table:
    """The contents of a file, which must be whole. To look something up writes to no page but the first."""

    def __init__(self, data: bytes) -> None:
        start = 4 + int.from_bytes(data[:4], "little")
        if data[4:start] != HEADER:
            raise ValueError("of another interpreter")
        self.data = data
        self.mask = int.from_bytes(data[start : start + 4], "little") - 1
        self.start = start + 4

    def find(self, pattern: str | bytes, flags: int) -> tuple[Any] | None:
        """Return what is known of an expression, if it is in here, in a tuple."""
        data, name = self.data, digest(pattern, flags)
        slot = int.from_bytes(name, "little")
        while True:
            at = self.start + (slot & self.mask) * SLOT
            found = data[at : at + SLOT]
            if found == NOTHING:
                return None
            if found[:8] == name:
                first = int.from_bytes(found[8:12], "little")
                entry = marshal.loads(data[first : first + int.from_bytes(found[12:], "little")])  # noqa: S302 ours
                if entry[0] == pattern and entry[1] == flags and type(entry[0]) is type(pattern):
                    return (entry[2],)
            slot += 1

    def entries(self) -> Iterator[tuple[tuple[str | bytes, int], Any]]:
        """Yield all that is in here, as `pack` takes it."""
        for at in range(self.start, self.start + (self.mask + 1) * SLOT, SLOT):
            first, size = (int.from_bytes(self.data[at + skip : at + skip + 4], "little") for skip in (8, 12))
            if size:
                pattern, flags, entry = marshal.loads(self.data[first : first + size])  # noqa: S302 ours
                yield (pattern, flags), entry


class Expressions:
    """What is known, and what has been compiled without having been known."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.new: list[tuple[str | bytes, int]] = []
        self.size = 0
        self.seconds = 0.0

    def load(self, paths: Iterable[str]) -> None:
        """Learn what files hold; those of another interpreter are passed over."""
        for path in paths:
            try:
                with open(path, "rb") as file:
                    self.tables.append(Table(file.read()))
            except (OSError, ValueError):  # noqa: PERF203 a handful of files
                continue

    def install(self) -> None:
        """Have expressions looked up before they are compiled."""
        module = compiler()
        compile_anew = module.compile
        make = _sre.compile

        def compile(p: Any, flags: int = 0) -> Any:  # noqa: A001 its name where it goes
            """Compile an expression, or make it of what is known."""
            if type(p) is not str and type(p) is not bytes:
                return compile_anew(p, flags)
            number = int(flags)
            for table in self.tables:
                found = table.find(p, number)
                if found is None:
                    continue
                if found[0] is None:
                    return compile_anew(p, flags)
                all_flags, code, groups, names, numbers = found[0]
                return make(p, all_flags, memoryview(code).cast("I").tolist(), groups, names, numbers)
            start = perf_counter()
            pattern = compile_anew(p, flags)
            self.note((p, number), perf_counter() - start)
            return pattern

        module.compile = compile

    def note(self, key: tuple[str | bytes, int], seconds: float) -> None:
        """Take note of what was compiled."""
        if self.size + len(key[0]) <= SIZE_LIMIT:
            self.size += len(key[0])
            self.seconds += seconds
            self.new.append(key)

    def begin(self) -> None:
        """Forget what has been compiled up to now: it was no test's."""
        del self.new[:]
        self.size, self.seconds = 0, 0.0

    def record(self) -> dict[str, Any] | None:
        """Return the record of what was compiled since, if that is worth it."""
        if self.seconds < WORTH:
            return None
        found = [[*portable(pattern), flags] for pattern, flags in self.new]
        return {"type": "expressions", "seconds": self.seconds, "found": found}


def portable(pattern: str | bytes) -> tuple[str, bool]:
    """Return a pattern as text, and whether it is one of bytes."""
    return (pattern.decode("latin-1"), True) if isinstance(pattern, bytes) else (pattern, False)


def compile_one(pattern: str | bytes, flags: int) -> Any:
    """Return what an expression is compiled to; None for one that is to be left alone."""
    import warnings

    module, entries = compiler(), []

    class Recorder:
        """Stands in for the module `_sre`, while the one expression is compiled."""

        def __getattr__(self, name: str) -> Any:
            return getattr(_sre, name)

        def compile(self, _pattern: Any, all_flags: int, code: list[int], groups: int, names: Any, numbers: Any) -> Any:
            packed = b"".join(word.to_bytes(4, sys.byteorder) for word in code)
            entries.append((int(all_flags), packed, groups, dict(names), tuple(numbers)))
            return _sre.compile(_pattern, all_flags, code, groups, names, numbers)

    module._sre = Recorder()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            module.compile(pattern, flags)
    except Exception:  # noqa: BLE001 whatever it is, it is to happen where the expression is used
        return None
    finally:
        module._sre = _sre
    return None if entries[0][0] & (LOCALE | DEBUG) else entries[0]


def compile_all(request: bytes, descriptor: int) -> NoReturn:
    """Compile the expressions of a request, write a file with these and those known before to a descriptor, and end."""
    import json
    import os
    import re  # noqa: F401 which imports its compiler

    orders = json.loads(request.decode("ascii"))
    before = Expressions()
    before.load(orders["known"])
    entries = {key: entry for table in before.tables for key, entry in table.entries()}
    for text, is_bytes, flags in orders["new"]:
        pattern = text.encode("latin-1") if is_bytes else text
        entries[pattern, flags] = (
            None if flags & (LOCALE | DEBUG) or _sre.CODESIZE != 4 else compile_one(pattern, flags)
        )
    with os.fdopen(descriptor, "wb") as file:
        file.write(pack(entries))
    raise SystemExit(0)


if __name__ == "maelstrom_expressions":
    compile_all(sys.stdin.buffer.read(), 3)
