"""Archives that are a burden: what they cost is bounded, in memory, in bytes written and in entries.

Each is unpacked by a process of its own, through the store, as the `tar` of a layer; the kernel keeps its limits.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives import END, MTIME, PAX_GLOBAL, base_256, directory, header, member, pax
from tests.support.images import zstd_compress
from tests.support.programs import ROOT

ENTRIES = int(os.environ.get("MAELSTROM_TEST_ENTRIES", "20000"))
"""How many an archive of many entries has; a million on demand."""
MIB = 1 << 20
MEMORY = 48 * MIB
"""What unpacking may take on top of the program itself, whatever the archive."""

CHILD = """
import json, resource, sys
from pathlib import Path
import bz2, lzma, zlib, maelstrom_container.extract
from maelstrom_container.store import LayerStore
from maelstrom_core.errors import MaelstromError
from maelstrom_core.spec import TarLayer

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

file_size, address_space = (int(each) for each in sys.argv[3:5])
resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
before, kind, message, entries = peak(), None, None, 0
with LayerStore(Path(sys.argv[1])) as store:
    try:
        (layer,) = store.realise(TarLayer(sys.argv[2]), project_directory=Path("/"))
        entries = sum(1 for _ in Path(layer.path).rglob("*"))
    except MaelstromError as error:
        kind, message = type(error).__name__, error.message
print(json.dumps({"kind": kind, "message": message, "memory": peak() - before, "entries": entries}))
"""

Unpack = Callable[..., dict[str, Any]]


@pytest.fixture
def unpack(tmp_path: Path) -> Unpack:
    def run(data: bytes, *, file_size: int = 300 * MIB) -> dict[str, Any]:
        archive = tmp_path / "layer.tar"
        archive.write_bytes(data)
        roots = os.pathsep.join(str(ROOT / name) for name in ("core", "container"))
        arguments = [str(tmp_path / "cache"), str(archive), str(file_size), str(1 << 30)]
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *arguments],
            env=os.environ | {"PYTHONPATH": roots},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        assert told["memory"] < MEMORY, told
        assert list((tmp_path / "cache" / "layers" / "tmp").iterdir()) == []
        assert list((tmp_path / "cache" / "layers" / "removing").iterdir()) == []
        return told

    return run


def test_a_bomb_is_noticed_before_it_has_filled_the_disk(unpack: Unpack) -> None:
    """32 GiB are said to be there; 256 MiB are believed of however small an archive."""
    told = unpack(bz2.compress(header(b"zeros", size=32 << 30)) + bz2.compress(bytes(MIB)) * 300)
    assert told["kind"] == "SpecError"
    assert "decompresses to more than 1000 times its size" in told["message"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd_compress])
@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g"])
def test_a_header_that_decompresses_without_end_is_not_kept(
    unpack: Unpack, pack: Callable[[bytes], bytes], kind: bytes
) -> None:
    told = unpack(pack(header(b"h", kind, size=base_256(1 << 40))) + pack(b"0" * MIB) * 64)
    assert told["kind"] == "SpecError"
    assert "header of excessive size" in told["message"]


def test_a_dictionary_of_xz_is_bounded(unpack: Unpack) -> None:
    """It is the archive that says how much memory unpacking takes."""
    small = {"id": lzma.FILTER_LZMA2, "preset": 0}
    data = bytearray(lzma.compress(member(b"f") + END, filters=[small]))
    properties = (lzma._encode_filter_properties(each) for each in (small, small | {"dict_size": 512 * MIB}))
    data[12:24] = data[12:24].replace(*properties)
    # the header of a block ends with a checksum of its own
    end = 12 + (data[12] + 1) * 4
    data[end - 4 : end] = zlib.crc32(data[12 : end - 4]).to_bytes(4, "little")
    told = unpack(bytes(data))
    assert told["kind"] == "SpecError"
    assert "emory" in told["message"]


def test_entries_cost_no_memory(unpack: Unpack) -> None:
    told = unpack(gzip.compress(b"".join(member(b"%d" % number) for number in range(ENTRIES)) + END, 1))
    assert (told["kind"], told["entries"]) == (None, ENTRIES)


def test_a_directory_that_is_named_again_and_again_costs_no_memory(unpack: Unpack) -> None:
    told = unpack(gzip.compress(directory(b"d") * ENTRIES + END, 1))
    assert (told["kind"], told["entries"]) == (None, 1)


def test_global_headers_are_not_kept(unpack: Unpack) -> None:
    """64 MiB of them, each for a keyword of its own."""
    value = b"v" * (1 << 16)
    parts = (
        gzip.compress(pax((b"comment.%d" % number, value), kind=PAX_GLOBAL) + directory(b"d"), 1)
        for number in range(1024)
    )
    told = unpack(b"".join(parts) + gzip.compress(END))
    assert (told["kind"], told["entries"]) == (None, 1)


def test_extended_headers_that_are_slow_to_search(unpack: Unpack) -> None:
    """Digits without end, and records without an equals sign (CVE-2024-6232); this test would not end."""
    digits = pax((b"comment", b"1" * (2_000_000))) + member(b"f")
    assert unpack(digits + END)["kind"] is None
    told = unpack(member(b"p", b"5 aa\n" * 400_000, b"x") + member(b"f") + END)
    assert "an extended header cannot be read" in told["message"]


def test_empty_members_of_gzip_are_read_in_passing(unpack: Unpack) -> None:
    told = unpack(gzip.compress(b"", mtime=0) * 50_000 + gzip.compress(member(b"f", mtime=MTIME) + END))
    assert (told["kind"], told["entries"]) == (None, 1)
