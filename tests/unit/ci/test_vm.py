"""What the guest is started with: modules in the order of their needs, and an archive that cpio reads."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.vm.initramfs import archive
from ci.vm.modules import module_name, needs, ordered

NAMES = st.sampled_from("abcdefgh")


@given(
    wanted=st.lists(NAMES),
    needed=st.dictionaries(NAMES, st.lists(NAMES, max_size=3)),
)
def test_each_module_comes_once_and_after_what_it_needs(wanted: list[str], needed: dict[str, list[str]]) -> None:
    # what needs comes before in the alphabet: modules do not need each other in circles
    acyclic = {name: [each for each in below if each > name] for name, below in needed.items()}
    order = ordered(wanted, acyclic.get)
    assert len(order) == len(set(order))
    assert set(wanted) & set(acyclic) <= set(order) <= set(acyclic)
    for position, name in enumerate(order):
        assert set(acyclic[name]) & set(acyclic) <= set(order[:position])


def test_what_a_module_needs_stands_in_it(tmp_path: Path) -> None:
    module = tmp_path / "unix-diag.ko"
    module.write_bytes(b"\x7fELF\0license=GPL\0depends=inet-diag,tcp_diag\0name=x\0")
    assert needs(module) == ["inet_diag", "tcp_diag"]
    assert module_name(module) == "unix_diag"


def test_a_module_may_need_nothing(tmp_path: Path) -> None:
    module = tmp_path / "fuse.ko"
    module.write_bytes(b"\x7fELF\0depends=\0")
    assert needs(module) == []


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio is not installed")
def test_the_archive_is_one_that_cpio_reads(tmp_path: Path) -> None:
    files = {"init": b"#!", "modules/000-a.ko": b"abcde", "modules/001-b.ko": b"", "a/b/c": bytes(1000)}
    subprocess.run(["cpio", "--quiet", "-idm"], input=archive(files), cwd=tmp_path, check=True)
    found = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == files
    assert (tmp_path / "init").stat().st_mode & 0o111
