"""Realised layers under a real overlay: what FS9 to FS19 say about unions, seen through the kernel."""

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from maelstrom_container.doctor_host import ThisHost
from maelstrom_container.store import LayerStore
from maelstrom_core import spec


@pytest.fixture
def stack(tmp_path):
    """Return a function that stacks archives, from the bottom up, and returns the files seen: path to contents."""
    attempt = ThisHost(tmp_path).attempt()
    if attempt.get("overlay", 1) or shutil.which("unshare") is None:
        pytest.skip("this machine does not let a user mount overlays")
    (tmp_path / "merged").mkdir()
    (tmp_path / "seen").mkdir()

    def show(*layers):
        with LayerStore(tmp_path / "cache") as store:
            paths = []
            for number, members in enumerate(layers):
                archive(tmp_path / f"{number}.tar", members)
                (layer,) = store.realise(spec.TarLayer(f"{number}.tar"), project_directory=tmp_path)
                paths.insert(0, Path(layer.path))
            lower = ":".join(os.path.relpath(path, tmp_path) for path in paths)
            script = f"mount -t overlay -o userxattr,lowerdir={lower} none merged && cp -r merged/. seen"
            subprocess.run(
                ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script], cwd=tmp_path, check=True
            )
        seen = tmp_path / "seen"
        return {str(path.relative_to(seen)): path.read_text() for path in seen.rglob("*") if path.is_file()}

    return show


def archive(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            elif name.startswith("hard:"):
                info.name, info.type, info.linkname = name.removeprefix("hard:"), tarfile.LNKTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content.encode()))


def test_fs11_fs13_directories_are_united_at_each_level(stack):
    assert stack(
        {"Pie/Apple": "1", "Cake/Chocolate": "1", "a/b/c/d": "1"}, {"Pie/KeyLime": "2", "Cookies/x": "2", "a/g": "2"}
    ) == {"Pie/Apple": "1", "Cake/Chocolate": "1", "a/b/c/d": "1", "Pie/KeyLime": "2", "Cookies/x": "2", "a/g": "2"}


def test_fs14_fs15_the_top_replaces_what_is_of_another_kind(stack):
    assert stack({"x/below": "1", "y": "1"}, {"x": "2", "y/below": "2"}) == {"x": "2", "y/below": "2"}


def test_fs16_whiteout_hides_only_its_file(stack):
    assert stack({"dir/a": "1", "dir/b": "1"}, {"dir/.wh.a": ""}) == {"dir/b": "1"}


def test_fs17_whiteout_of_one_hard_link_leaves_the_other(stack):
    assert stack({"a": "1", "hard:b": "a"}, {".wh.a": ""}) == {"b": "1"}


def test_fs18_whiteout_of_a_directory_hides_everything_below(stack):
    assert stack({"dir/a/b": "1", "c": "1"}, {".wh.dir": ""}) == {"c": "1"}


def test_fs19_opaque_directory_shows_only_its_own(stack):
    assert stack({"dir/a": "1", "dir/sub/b": "1"}, {"dir/.wh..wh..opq": "", "dir/sub/c": "2"}) == {"dir/sub/c": "2"}


def test_fs20_three_layers(stack):
    assert stack({"d/a": "1", "d/b": "1"}, {"d/b": "2", "d/c": "2"}, {"d/c": "3"}) == {
        "d/a": "1",
        "d/b": "2",
        "d/c": "3",
    }
