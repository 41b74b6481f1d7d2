"""Finding shared libraries of binaries built for the purpose (LB19)."""

import shutil
import subprocess
from pathlib import Path

import pytest

from maelstrom_container.build import build
from maelstrom_container.digest_cache import DigestCache
from maelstrom_container.shared_libraries import find_shared_libraries
from maelstrom_core.errors import SpecError
from maelstrom_core.spec import SharedLibraryDependenciesLayer

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.fixture
def built(tmp_path):
    """Build a program that needs liba, which needs libb; each finds the other beside itself."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "b.c").write_text("int b(void) { return 0; }\n")
    (tmp_path / "a.c").write_text("int b(void); int a(void) { return b(); }\n")
    (tmp_path / "main.c").write_text("int a(void); int main(void) { return a(); }\n")

    def cc(*arguments):
        subprocess.run(["cc", *arguments], cwd=tmp_path, check=True)

    cc("-shared", "-fPIC", "-o", "lib/libb.so.1", "b.c", "-Wl,-soname,libb.so.1")
    cc(
        "-shared",
        "-fPIC",
        "-o",
        "lib/liba.so",
        "a.c",
        "lib/libb.so.1",
        "-Wl,-soname,liba.so",
        "-Wl,-rpath,$ORIGIN",
        "-Wl,--enable-new-dtags",
    )
    cc(
        "-o",
        "main",
        "main.c",
        "lib/liba.so",
        "-Wl,-rpath,$ORIGIN/lib",
        "-Wl,--enable-new-dtags",
        "-Wl,--allow-shlib-undefined",
    )
    return tmp_path


def test_lb19_closure_through_runpath_and_origin_without_the_binary(built):
    found = find_shared_libraries([str(built / "main")])
    assert {str(built / "lib/liba.so"), str(built / "lib/libb.so.1")} <= set(found)
    assert any("ld-" in Path(path).name for path in found)
    assert str(built / "main") not in found


def test_lb19_layer_holds_files_with_their_modes_where_symlinks_lead(built):
    (built / "lib" / "libb.so.1").rename(built / "lib" / "libb.so.1.0")
    (built / "lib" / "libb.so.1").symlink_to("libb.so.1.0")
    (built / "lib" / "libb.so.1.0").chmod(0o750)
    layer = SharedLibraryDependenciesLayer(shared_library_dependencies=("main",), strip_prefix=str(built))
    with DigestCache(None) as digests:
        manifest = build(layer, str(built), digests).manifest
    nodes = {entry.path: entry.node for entry in manifest.entries}
    assert nodes[b"lib/libb.so.1"].mode == 0o750


def test_what_a_binary_needs_is_remembered_until_it_changes(built, monkeypatch):
    layer = SharedLibraryDependenciesLayer(shared_library_dependencies=("main",))
    monkeypatch.setattr("maelstrom_container.known_binaries.is_settled", lambda _changed: True)

    def libraries():
        with DigestCache(None) as digests:
            entries = build(layer, str(built), digests, built / "known").manifest.entries
        return {Path(entry.path.decode()).name for entry in entries}

    first = libraries()
    with monkeypatch.context() as patch:
        patch.setattr("maelstrom_container.known_binaries.read_binary", None)
        assert libraries() == first
    shutil.copyfile(built / "lib/libb.so.1", built / "main")
    assert not {"liba.so", "libb.so.1"} & libraries()


def test_missing_library_is_an_error_naming_it_and_who_needs_it(built):
    (built / "lib" / "libb.so.1").unlink()
    with pytest.raises(SpecError, match=r"libb\.so\.1 that .*liba\.so needs"):
        find_shared_libraries([str(built / "main")])


def test_library_of_another_architecture_is_passed_over(built):
    library = built / "lib" / "libb.so.1"
    data = bytearray(library.read_bytes())
    data[18] ^= 0x01
    library.write_bytes(data)
    with pytest.raises(SpecError, match=r"libb\.so\.1"):
        find_shared_libraries([str(built / "main")])


@pytest.mark.parametrize("text", ["#!/bin/sh\n", "\x7fELF", "\x7fELF\x02\x01\x01" + "\x00" * 20])
def test_what_is_no_sound_binary_is_the_users_error(tmp_path, text):
    (tmp_path / "binary").write_text(text)
    with pytest.raises(SpecError, match="binary"):
        find_shared_libraries([str(tmp_path / "binary")])
