"""From one archive to another: changes that keep enough in order to get past the first look. Pure.

A header that was changed gets a new checksum, mostly: else every other change would be the last thing noticed.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Sequence
from random import Random

from tests.support.archives import BLOCK, PAX, PAX_GLOBAL, base_256, long, member, pax, seal

NAMES = (
    *(b"", b".", b"..", b"/", b"../outside", b"/outside", b"a", b"a/", b"a/b", b"a/../..", b"link", b"link/outside"),
    *(b"a/b/c", b".wh.a", b".wh..wh..opq", b"a/.wh.b", b".wh..", b"\xff", b"\xed\xa0\x80", b"n" * 100, b"A"),
)
KINDS = b"\x000123456789AKLNSVXgxZ"
NUMBERS = (
    *(b"00000000000\0", b"00000000001\0", b"00000001000\0", b"77777777777\0", b"\0" * 12, b" " * 12, b"-0000000001\0"),
    *(base_256(value) for value in (0, 1, 512, 1 << 40, (1 << 87) - 1, -1, -512, -(1 << 60))),
)
RECORDS = (
    *((b"path", name) for name in NAMES),
    *((b"linkpath", name) for name in NAMES),
    *((b"size", value) for value in (b"0", b"1", b"512", b"-1", b"1e3", b"9" * 30)),
    *((b"mtime", value) for value in (b"0", b"-1.5", b"nan", b"inf", b"1e300", b"x")),
    *((b"hdrcharset", b"BINARY"), (b"GNU.sparse.major", b"1"), (b"GNU.sparse.map", b"0,1"), (b"comment", b"x" * 600)),
    (b"SCHILY.xattr.user.overlay.opaque", b"y"),
)
FIELDS = {"name": (0, 100), "size": (124, 12), "mtime": (136, 12), "mode": (100, 8), "link": (157, 100)}
KIND_AT = 156

Mutation = Callable[[bytearray, Random, Sequence[bytes]], bytearray]


def mutate(data: bytes, random: Random, corpus: Sequence[bytes]) -> bytes:
    """Return an archive made of another, by up to six changes."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 6)):
        changed = random.choice(MUTATIONS)(changed, random, corpus)
    return bytes(changed[: 1 << 17])


def _headers(data: bytearray) -> list[int]:
    return [at for at in range(0, len(data) - BLOCK + 1, BLOCK) if data[at + 257 : at + 262] == b"ustar"]


def _byte(data: bytearray, random: Random, _corpus: Sequence[bytes]) -> bytearray:
    if data:
        data[random.randrange(len(data))] = random.choice((0, 0xFF, 0x80, random.randrange(256)))
    return data


def _field(data: bytearray, random: Random, _corpus: Sequence[bytes]) -> bytearray:
    if headers := _headers(data):
        at = random.choice(headers)
        name = random.choice(list(FIELDS))
        offset, width = FIELDS[name]
        value = random.choice(NAMES if name in {"name", "link"} else NUMBERS)
        data[at + offset : at + offset + width] = value.ljust(width, b"\0")[:width]
        _reseal(data, at, random)
    return data


def _kind(data: bytearray, random: Random, _corpus: Sequence[bytes]) -> bytearray:
    if headers := _headers(data):
        at = random.choice(headers)
        data[at + KIND_AT] = random.choice(KINDS)
        _reseal(data, at, random)
    return data


def _reseal(data: bytearray, at: int, random: Random) -> None:
    if random.random() < 0.95:
        data[at : at + BLOCK] = seal(data[at : at + BLOCK])


def _insert(data: bytearray, random: Random, _corpus: Sequence[bytes]) -> bytearray:
    at = random.randrange(0, len(data) + 1, BLOCK)
    made = random.choice(
        (
            pax(random.choice(RECORDS), kind=PAX),
            pax(random.choice(RECORDS), random.choice(RECORDS), kind=PAX_GLOBAL),
            long(random.choice(NAMES)),
            long(random.choice(NAMES), b"K"),
            member(random.choice(NAMES), b"x" * random.choice((0, 1, 512, 600))),
            bytes(BLOCK),
        )
    )
    data[at:at] = made * random.choice((1, 1, 1, 2, 70))
    return data


def _splice(data: bytearray, random: Random, corpus: Sequence[bytes]) -> bytearray:
    other = random.choice(corpus)
    at, start = (random.randrange(0, len(each) + 1, BLOCK) for each in (data, other))
    data[at:at] = other[start : start + BLOCK * random.randint(1, 4)]
    return data


def _drop(data: bytearray, random: Random, _corpus: Sequence[bytes]) -> bytearray:
    at = random.randrange(0, len(data) + 1, BLOCK)
    del data[at : at + BLOCK]
    return data


def _repeat(data: bytearray, random: Random, _corpus: Sequence[bytes]) -> bytearray:
    at = random.randrange(0, len(data) + 1, BLOCK)
    data[at:at] = data[at : at + BLOCK] * random.choice((1, 2, 400))
    return data


def _cut(data: bytearray, random: Random, _corpus: Sequence[bytes]) -> bytearray:
    return data[: random.randrange(len(data) + 1)]


def _compress(data: bytearray, random: Random, _corpus: Sequence[bytes]) -> bytearray:
    pack = random.choice((lambda text: gzip.compress(text, 1, mtime=0), bz2.compress, lzma.compress))
    cut = random.randrange(len(data) + 1)
    return bytearray(pack(data[:cut]) + pack(data[cut:]) if random.random() < 0.3 else pack(data))


MUTATIONS: tuple[Mutation, ...] = (
    *(_byte, _field, _field, _field, _kind, _kind, _insert, _insert),
    *(_splice, _drop, _repeat, _cut, _compress),
)
