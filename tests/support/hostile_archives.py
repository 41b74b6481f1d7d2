"""Archives that mean no good, or are merely strange, and what is to become of each: an error or a tree.

What is here is small; archives that are a burden (bombs, a million entries) are made by the tests that bound them.
over 400 lines because it is one table.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from dataclasses import dataclass, field

from tests.support.archives import (
    BLOCK,
    BLOCK_DEVICE,
    CHARACTER,
    CHECKSUM,
    CONTIGUOUS,
    DIRECTORY,
    END,
    FIFO,
    LONG_LINK,
    PAX_GLOBAL,
    SPARSE,
    base_256,
    directory,
    hard_link,
    header,
    long,
    member,
    pax,
    symlink,
)
from tests.support.images import zstd_compress


@dataclass(frozen=True, slots=True)
class Case:
    """An archive, and either the error (a regular expression) or the beginnings of what `listing` says of the tree."""

    data: bytes
    error: str | None = None
    tree: dict[bytes, str] = field(default_factory=dict)


ODD = [
    b"\xff\xfe",
    b"new\nline",
    b"\x1b[31mred",
    b"-rf",
    b"\xed\xa0\x80",
    b"a\\b",
    b"caf\xc3\xa9",
    b"cafe\xcc\x81",
    b" ",
]
DEEP = b"/".join([b"d"] * 128)
LONG = b"/".join([b"n" * 255] * 15 + [b"n" * 252, b"ab"])
"""4095 bytes."""

TAKEN = "is used as a directory, but is something else"
TWICE = "appears more than once"
NO_FILE = "is a hard link to .*, which is not a file of the layer"
DOTS = r"contains \.\."
OTHER = "something that is no file, directory or link"
DAMAGED = "the archive is damaged"
SPARSE_FILE = "holds a sparse file"
HUGE = 1 << 50


def _whole(*members: bytes) -> bytes:
    return b"".join(members) + END


def bad(error: str, *members: bytes) -> Case:
    return Case(_whole(*members), error=error)


def good(tree: dict[bytes, str], *members: bytes) -> Case:
    return Case(_whole(*members), tree=tree)


OUTSIDE = {
    "dot-dot": bad(DOTS, member(b"../outside", b"x")),
    "dot-dot-deeper": bad(DOTS, member(b"a/../../outside", b"x")),
    "dot-dot-that-stays-inside": bad(DOTS, directory(b"a"), member(b"a/../b", b"x")),
    "dot-dot-of-a-directory": bad(DOTS, directory(b"..", mode=0o777)),
    "dot-dot-in-a-pax-header": bad(DOTS, pax((b"path", b"../outside")), member(b"inside", b"x")),
    "dot-dot-in-a-long-name": bad(DOTS, long(b"../outside"), member(b"inside", b"x")),
    "dot-dot-in-a-prefix": bad(DOTS, member(b"outside", b"x", prefix=b"..")),
    "dot-dot-in-a-global-header": bad(DOTS, pax((b"path", b"../o"), kind=PAX_GLOBAL), member(b"inside", b"x")),
    "absolute": good({b"etc": "directory 755", b"etc/passwd": "file 644 1"}, member(b"/etc/passwd", b"x")),
    "absolute-twice": good({b"x": "file 644 1"}, member(b"///./x", b"x")),
    "dots": good({b"a": "directory", b"a/b": "file 644 1"}, directory(b"./"), member(b"././a/.//b", b"x")),
    "through-an-absolute-symlink": bad(TAKEN, symlink(b"s", b"/tmp"), member(b"s/x", b"x")),
    "through-a-relative-symlink": bad(TAKEN, symlink(b"s", b".."), member(b"s/x", b"x")),
    "through-a-symlink-to-here": bad(TAKEN, directory(b"d"), symlink(b"s", b"d"), member(b"s/x", b"x")),
    "through-a-chain": bad(
        TAKEN, symlink(b"a", b"/"), symlink(b"b", b"a/tmp"), symlink(b"c", b"b"), member(b"c/x", b"x")
    ),
    "through-a-symlink-inside": bad(TAKEN, directory(b"d"), symlink(b"d/s", b"../.."), member(b"d/s/x", b"x")),
    "through-a-loop": bad(TAKEN, symlink(b"a", b"b"), symlink(b"b", b"a"), member(b"a/x", b"x")),
    "directory-through-a-symlink": bad(TAKEN, symlink(b"s", b".."), directory(b"s/new")),
    "directory-over-a-symlink": bad(TAKEN, symlink(b"s", b".."), directory(b"s", mode=0o777)),
    "symlink-through-a-symlink": bad(TAKEN, symlink(b"s", b".."), symlink(b"s/new", b"x")),
    "whiteout-through-a-symlink": bad(TAKEN, symlink(b"s", b".."), member(b"s/.wh.outside")),
    "opaque-through-a-symlink": bad(TAKEN, symlink(b"s", b".."), member(b"s/.wh..wh..opq")),
    "symlinks-anywhere": good(
        {b"a": "symlink /etc/passwd", b"b": "symlink ../../../.."},
        symlink(b"a", b"/etc/passwd"),
        symlink(b"b", b"../../../.."),
    ),
    "hard-link-outside": bad(DOTS, hard_link(b"x", b"../outside")),
    "hard-link-to-an-absolute-path": bad(NO_FILE, hard_link(b"x", b"/etc/passwd")),
    "hard-link-through-a-symlink": bad(NO_FILE, symlink(b"s", b".."), hard_link(b"x", b"s/outside")),
    "hard-link-through-an-absolute-symlink": bad(NO_FILE, symlink(b"s", b"/etc"), hard_link(b"x", b"s/passwd")),
    "hard-link-below-a-symlink": bad(TAKEN, symlink(b"s", b".."), member(b"f"), hard_link(b"s/x", b"f")),
    "hard-link-to-a-symlink": good(
        {b"s": "symlink ../outside", b"x": "symlink ../outside"}, symlink(b"s", b"../outside"), hard_link(b"x", b"s")
    ),
    "hard-link-then-written": bad(TWICE, member(b"f", b"x"), hard_link(b"x", b"f"), member(b"x", b"other")),
    "hard-link-to-itself": bad(NO_FILE, hard_link(b"x", b"x")),
    "hard-link-before-its-target": bad(NO_FILE, hard_link(b"x", b"f"), member(b"f")),
    "hard-link-to-a-directory": bad(NO_FILE, directory(b"d"), hard_link(b"x", b"d")),
    "hard-link-to-the-root": bad(NO_FILE, hard_link(b"x", b"/")),
    "hard-link-to-a-whiteout": bad(NO_FILE, member(b".wh.f"), hard_link(b"x", b"f")),
    "hard-link": good(
        {b"f": "file 644 1 1500000000000000000 2", b"x": "file 644 1"}, member(b"f", b"x"), hard_link(b"x", b"/f")
    ),
}

KINDS = {
    "character-device": bad(OTHER, member(b"null", kind=CHARACTER)),
    "block-device": bad(OTHER, member(b"sda", kind=BLOCK_DEVICE)),
    "overlay-whiteout": bad(OTHER, member(b"gone", kind=CHARACTER)),
    "fifo": bad(OTHER, member(b"pipe", kind=FIFO)),
    "unknown-kind": bad(OTHER, member(b"what", kind=b"Z")),
    "volume-label": bad(OTHER, member(b"label", kind=b"V")),
    "multi-volume": bad(OTHER, member(b"rest", b"x", b"M")),
    "contiguous-file": good({b"f": "file 644 1"}, member(b"f", b"x", CONTIGUOUS)),
    "old-file": good({b"f": "file 644 1"}, member(b"f", b"x", b"\0")),
    "old-directory": good({b"d": "directory"}, member(b"d/", kind=b"\0")),
    "sparse-old-gnu": bad(
        SPARSE_FILE,
        header(b"s", SPARSE, tail={386: b"%011o\0%011o\0" % (0, 0), 483: b"%011o\0" % 4096}, magic=b"ustar  \0"),
    ),
    "sparse-old-gnu-that-claims-a-pebibyte": bad(
        "holds more than|sparse", header(b"s", SPARSE, tail={483: base_256(HUGE)}, magic=b"ustar  \0")
    ),
    "sparse-pax-0.0": bad(
        "holds more than|sparse",
        pax(
            (b"GNU.sparse.size", b"%d" % HUGE),
            (b"GNU.sparse.numblocks", b"1"),
            (b"GNU.sparse.offset", b"0"),
            (b"GNU.sparse.numbytes", b"1"),
        ),
        member(b"s", b"x"),
    ),
    "sparse-pax-0.1": bad(
        "holds more than|sparse",
        pax((b"GNU.sparse.size", b"%d" % HUGE), (b"GNU.sparse.map", b"0,1")),
        member(b"s", b"x"),
    ),
    "sparse-pax-1.0": bad(
        "holds more than|sparse",
        pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"%d" % HUGE)),
        member(b"s", b"1\n0\n1\n".ljust(BLOCK, b"\0") + b"x"),
    ),
    "sparse-pax-1.0-with-a-map-without-end": bad(
        SPARSE_FILE,
        pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"1")),
        member(b"s", b"9999999999\n" * 100),
    ),
}

TWICE_OVER = {
    "file-twice": bad(TWICE, member(b"x", b"1"), member(b"x", b"2")),
    "file-twice-by-other-paths": bad(TWICE, member(b"x", b"1"), member(b"./x", b"2")),
    "file-then-directory": bad(TAKEN, member(b"x", b"1"), directory(b"x")),
    "file-then-symlink": bad(TWICE, member(b"x", b"1"), symlink(b"x", b"/")),
    "file-then-whiteout": bad(TWICE, member(b"x", b"1"), member(b".wh.x")),
    "file-then-below-it": bad(TAKEN, member(b"x", b"1"), member(b"x/y", b"2")),
    "directory-then-file": bad(TWICE, directory(b"x"), member(b"x", b"1")),
    "directory-then-symlink": bad(TWICE, directory(b"x"), symlink(b"x", b"/")),
    "directory-then-whiteout": bad(TWICE, directory(b"x"), member(b".wh.x")),
    "directory-with-contents-then-symlink": bad(TWICE, member(b"x/y", b"1"), symlink(b"x", b"/tmp")),
    "symlink-then-file": bad(TWICE, symlink(b"x", b"../outside"), member(b"x", b"1")),
    "symlink-twice": bad(TWICE, symlink(b"x", b"a"), symlink(b"x", b"b")),
    "whiteout-then-file": bad(TWICE, member(b".wh.x"), member(b"x", b"1")),
    "whiteout-then-below-it": bad(TAKEN, member(b".wh.x"), member(b"x/y", b"1")),
    "directory-twice": good({b"x": "directory 700"}, directory(b"x", 0o755), directory(b"x", 0o700)),
    "case-only": good({b"Name": "file 644 1", b"name": "file 644 2"}, member(b"name", b"12"), member(b"Name", b"1")),
}

NAMES = {
    "odd-bytes": good(dict.fromkeys(ODD, "file 644 1"), *(member(name, b"x") for name in ODD)),
    "odd-bytes-in-pax": good(dict.fromkeys(ODD, "file"), *(pax((b"path", name)) + member(b"n", b"x") for name in ODD)),
    "binary-in-pax": good(
        {b"\xff": "file 644 1"}, pax((b"hdrcharset", b"BINARY"), (b"path", b"\xff")), member(b"n", b"x")
    ),
    "odd-targets": good({b"s": "symlink \udcff\udcfe"}, symlink(b"s", b"\xff\xfe")),
    "empty-name": bad("the root of a layer must be a directory", member(b"", b"x")),
    "empty-name-of-a-directory": good({}, directory(b"")),
    "root-as-a-file": bad("the root of a layer must be a directory", member(b"/", b"x")),
    "root-as-a-symlink": bad("the root of a layer must be a directory", symlink(b".", b"/tmp")),
    "null-in-pax": bad("contains a null byte", pax((b"path", b"a\0b")), member(b"n", b"x")),
    "null-in-a-target": bad(
        "empty, too long or contains a null byte", pax((b"linkpath", b"a\0b")), symlink(b"s", b"x")
    ),
    "null-in-a-hard-link": bad("contains a null byte|not a file", pax((b"linkpath", b"n\0b")), hard_link(b"s", b"x")),
    "100-bytes": good({b"n" * 100: "file 644 1"}, member(b"n" * 100, b"x")),
    "prefix-of-155-bytes": good(
        {b"p" * 155: "directory", b"p" * 155 + b"/n": "file"}, member(b"n", b"x", prefix=b"p" * 155)
    ),
    "255-bytes": good({b"n" * 255: "file 644 1"}, long(b"n" * 255), member(b"n", b"x")),
    "256-bytes": bad("too long a component", long(b"n" * 256), member(b"n", b"x")),
    "4095-bytes": Case(
        _whole(long(LONG), member(b"n", b"x")),
        tree=dict.fromkeys((LONG[:end] for end in [*(255 + 256 * depth for depth in range(15)), 4092]), "directory 755")
        | {LONG: "file 644 1"},
    ),
    "4096-bytes": bad("is too long", long(LONG + b"c"), member(b"n", b"x")),
    "a-megabyte": bad("too long a component", long(b"n" * (1 << 20)), member(b"n", b"x")),
    "a-megabyte-in-pax": bad("path is too long", pax((b"path", b"n" * (1 << 20))), member(b"n", b"x")),
    "128-deep": Case(
        _whole(long(DEEP), member(b"n", b"x")),
        tree={DEEP[: 2 * depth + 1]: "directory" for depth in range(127)} | {DEEP: "file 644 1"},
    ),
    "129-deep": bad("is too deep", long(DEEP + b"/d"), member(b"n", b"x")),
    "target-of-4095-bytes": good({b"s": "symlink " + "t" * 4095}, long(b"t" * 4095, LONG_LINK), symlink(b"s", b"t")),
    "target-of-4096-bytes": bad("too long", long(b"t" * 4096, LONG_LINK), symlink(b"s", b"t")),
    "empty-target": bad("empty", symlink(b"s", b"")),
}

ATTRIBUTES = {
    "set-id-bits": good(
        {b"f": "file 755", b"d": "directory 1777"}, member(b"f", mode=0o6755), directory(b"d", mode=0o7777)
    ),
    "no-rights": good({b"f": "file 0 ", b"d": "directory 500"}, member(b"f", mode=0), directory(b"d", mode=0)),
    "root-without-rights": good({b"f": "file"}, directory(b"./", mode=0), member(b"f")),
    "extended-attributes": good(
        {b"d": "directory 755", b"f": "file"},
        pax((b"SCHILY.xattr.user.overlay.opaque", b"y"), (b"LIBARCHIVE.xattr.user.overlay.opaque", b"eQ==")),
        directory(b"d"),
        pax((b"SCHILY.xattr.security.capability", b"\1\0\0\2\0\4"), (b"SCHILY.xattr.trusted.overlay.metacopy", b"")),
        member(b"f"),
    ),
    "overlay-redirect": good(
        {b"d": "directory 755"}, pax((b"SCHILY.xattr.user.overlay.redirect", b"/etc")), directory(b"d")
    ),
    "before-1901": good({b"f": "file 644 0 -2147483648000000000"}, member(b"f", mtime=base_256(-(1 << 60)))),
    "time-before-the-epoch": good({b"f": "file 644 0 -1500000000"}, pax((b"mtime", b"-1.5")), member(b"f")),
    "end-of-time": good({b"f": "file"}, member(b"f", mtime=base_256(1 << 80))),
    "time-in-pax": good({b"f": "file"}, pax((b"mtime", b"1e300")), member(b"f")),
    "time-that-is-infinite": bad("modification time", pax((b"mtime", b"inf")), member(b"f")),
    "time-that-is-no-number": bad("modification time", pax((b"mtime", b"nan")), member(b"f")),
    "mode-of-many-bits": good({b"f": "file 777"}, member(b"f", mode=base_256(2**40 - 1, 8))),
    "negative-mode": good({b"f": "file 777"}, member(b"f", mode=base_256(-1, 8))),
}

SIZES = {
    "size-in-base-256": good({b"f": "file 644 3"}, member(b"f", b"abc", size=base_256(3))),
    "size-with-spaces": good({b"f": "file 644 3"}, member(b"f", b"abc", size=b"   3 \0")),
    "negative-size": bad(DAMAGED, member(b"f", b"abc", size=base_256(-512))),
    "size-of-minus-one": bad(DAMAGED, member(b"f", b"abc", size=base_256(-1))),
    "negative-size-of-a-directory": bad(DAMAGED, member(b"d", kind=DIRECTORY, size=base_256(-512))),
    "negative-size-in-pax": bad(DAMAGED, pax((b"size", b"-512")), member(b"f", b"abc")),
    "negative-size-of-a-long-name": bad(DAMAGED, member(b"l", kind=b"L", size=base_256(-512)), member(b"f")),
    "negative-size-of-a-pax-header": bad(DAMAGED, member(b"p", kind=b"x", size=base_256(-1)), member(b"f")),
    "size-beyond-the-end": bad(DAMAGED, header(b"f", size=1 << 33)),
    "size-of-many-bits": bad("holds more than", header(b"f", size=base_256(1 << 80))),
    "size-of-what-is-left-out": bad("holds more than", header(b".wh..wh.x", b"Z", size=base_256(1 << 80))),
    "size-that-is-no-number": bad(DAMAGED, member(b"f", b"abc", size=b"zzzzzzzzzzz\0")),
    "size-in-pax-that-is-too-large": bad(DAMAGED, pax((b"size", b"100000")), member(b"f", b"abc")),
    "size-in-pax-of-many-digits": bad(DAMAGED, pax((b"size", b"9" * 5000)), member(b"f", b"abc"), member(b"g", b"x")),
    "long-name-of-hostile-size": bad("damaged|excessive", header(b"l", b"L", size=1 << 33)),
    "pax-header-of-hostile-size": bad("damaged|excessive", header(b"p", b"x", size=base_256(1 << 60))),
    "pax-record-of-length-zero": bad(DAMAGED, member(b"p", b"0 a=b\n", b"x"), member(b"f")),
    "pax-record-beyond-its-header": bad(DAMAGED, member(b"p", b"99999 a=b\n", b"x"), member(b"f")),
    "pax-record-without-a-value": bad(DAMAGED, member(b"p", b"4 a\n", b"x"), member(b"f")),
    "pax-record-of-a-negative-length": bad(DAMAGED, member(b"p", b"-6 a=b\n", b"x"), member(b"f")),
    "pax-record-taken-back": good({b"f": "file"}, pax((b"path", b"a"), (b"path", b"")), member(b"f")),
    "a-thousand-long-names": bad("headers", *[long(b"n")] * 1000, member(b"f")),
    "a-thousand-global-headers": bad("headers", *[pax((b"comment", b"x"), kind=PAX_GLOBAL)] * 1000, member(b"f")),
    "global-headers-between-members": good(
        {b"%d" % number: "file" for number in range(100)},
        *(pax((b"comment", b"x"), kind=PAX_GLOBAL) + member(b"%d" % number) for number in range(100)),
    ),
}

_SIGNED = int(header(b"\xff" * 9)[CHECKSUM].rstrip(b" \0"), 8) - 9 * 256
"""As the tar of an old Sun has it: bytes are signed."""
_first, _second = member(b"first", b"1" * 700), member(b"second", b"2")
_both = _whole(_first, _second)
_BOTH = {b"first": "file 644 700", b"second": "file 644 1"}
_ONE = {b"first": "file 644 700"}
_xz = lzma.compress(_both)
_gz = gzip.compress(_both, mtime=0)
_bz = bz2.compress(_both)
_zstd = zstd_compress(_both)

DAMAGES = {
    "nothing": Case(b"", "damaged"),
    "text": Case(b"this is no archive\n" * 100, DAMAGED),
    "zeros": Case(bytes(10240)),
    "wrong-checksum-first": Case(header(b"f", checksum=1) + END, DAMAGED),
    "wrong-checksum-second": bad(DAMAGED, _first, header(b"f", checksum=1)),
    "checksum-of-signed-bytes": good({b"\xff" * 9: "file"}, header(b"\xff" * 9, checksum=_SIGNED)),
    "cut-in-a-header": Case(_both[:200], DAMAGED),
    "cut-in-the-second-header": Case(_both[: len(_first) + 200], DAMAGED),
    "cut-in-data": Case(_both[: BLOCK + 300], DAMAGED),
    "cut-in-padding": Case(_both[: BLOCK + 700], DAMAGED),
    "cut-after-a-member": Case(_first, tree=_ONE),
    "cut-after-a-long-name": Case(_first + long(b"n" * 200), DAMAGED),
    "cut-after-a-pax-header": Case(_first + pax((b"path", b"n")), DAMAGED),
    "end-after-a-pax-header": bad(DAMAGED, _first, pax((b"path", b"n"))),
    "one-block-of-zeros-in-the-middle": Case(_first + bytes(BLOCK) + _second + END, tree=_ONE),
    "another-archive-after-the-end": Case(_whole(_first) + _both, tree=_ONE),
    "gzip": Case(_gz, tree=_BOTH),
    "bzip2": Case(_bz, tree=_BOTH),
    "xz": Case(_xz, tree=_BOTH),
    "zstd": Case(_zstd, tree=_BOTH),
    "zstd-frames": Case(zstd_compress(_both[:700]) + zstd_compress(_both[700:]), tree=_BOTH),
    "zstd-cut": Case(_zstd[: len(_zstd) // 2], DAMAGED),
    "zstd-that-only-begins-so": Case(b"\x28\xb5\x2f\xfd" + bytes(100), DAMAGED),
    "gzip-in-gzip": Case(gzip.compress(_gz, mtime=0), DAMAGED),
    "gzip-members": Case(gzip.compress(_both[:700], mtime=0) + gzip.compress(_both[700:], mtime=0), tree=_BOTH),
    "gzip-members-that-are-empty": Case(gzip.compress(b"", mtime=0) * 100 + _gz, tree=_BOTH),
    "gzip-members-after-zeros": Case(
        gzip.compress(_both[:700], mtime=0) + bytes(1 << 19) + gzip.compress(_both[700:]), tree=_BOTH
    ),
    "gzip-with-rubbish-after-it": Case(_gz + b"rubbish", DAMAGED),
    "gzip-with-a-wrong-checksum": Case(_gz[:-8] + b"\0\0\0\0" + _gz[-4:], DAMAGED),
    "gzip-with-a-wrong-length": Case(_gz[:-4] + b"\0\0\0\1", DAMAGED),
    "gzip-without-its-end": Case(_gz[:-8], DAMAGED),
    "gzip-cut": Case(_gz[: len(_gz) // 2], DAMAGED),
    "gzip-of-nothing": Case(gzip.compress(b"", mtime=0), "damaged"),
    "xz-streams": Case(lzma.compress(_both[:700]) + lzma.compress(_both[700:]), tree=_BOTH),
    "xz-with-a-wrong-checksum": Case(_xz[:-30] + bytes([_xz[-30] ^ 1]) + _xz[-29:], DAMAGED),
    "xz-cut": Case(_xz[:-12], DAMAGED),
    "bzip2-cut": Case(_bz[:-4], DAMAGED),
    "bzip2-with-a-wrong-checksum": Case(_bz[:-5] + bytes([_bz[-5] ^ 0x10]) + _bz[-4:], DAMAGED),
}

WHITEOUTS = {
    "whiteout": good({b"d": "directory 755", b"d/gone": "other 20000 0"}, member(b"d/.wh.gone")),
    "whiteout-whatever-its-kind": good(
        {b"a": "other 20000 0", b"b": "other 20000 0"}, directory(b".wh.a"), symlink(b".wh.b", b"/")
    ),
    "whiteout-with-contents": good({b"gone": "other 20000 0"}, member(b".wh.gone", b"contents")),
    "opaque": good({b"d": "directory 755 user.overlay.opaque"}, member(b"d/.wh..wh..opq")),
    "opaque-then-contents": good(
        {b"d": "directory 700 user.overlay.opaque", b"d/f": "file"},
        member(b"d/.wh..wh..opq"),
        directory(b"d", 0o700),
        member(b"d/f"),
    ),
    "opaque-root": good({}, member(b".wh..wh..opq")),
    "book-keeping-of-aufs": good({}, directory(b".wh..wh.plnk"), member(b".wh..wh.aufs")),
    "whiteout-of-nothing": bad("a whiteout of nothing", member(b".wh.")),
    "whiteout-of-here": bad("a whiteout of nothing", member(b".wh..")),
    "whiteout-of-above": bad("a whiteout of nothing", member(b"d/.wh...")),
    "whiteout-as-a-directory": bad("a whiteout as a directory", member(b".wh.d/f")),
    "whiteout-outside": bad(DOTS, member(b"../.wh.outside")),
    "opaque-outside": bad(DOTS, member(b"../.wh..wh..opq")),
    "opaque-file": bad(TAKEN, member(b"f", b"x"), member(b"f/.wh..wh..opq")),
}

CASES: dict[str, Case] = {
    **OUTSIDE,
    **KINDS,
    **TWICE_OVER,
    **NAMES,
    **ATTRIBUTES,
    **SIZES,
    **DAMAGES,
    **WHITEOUTS,
}
