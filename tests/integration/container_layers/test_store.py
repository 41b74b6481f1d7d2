"""The store on a real file system: shared by threads and processes, surviving their deaths."""

import errno
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from maelstrom_container import layer_writer
from maelstrom_container.manifest_builder import ManifestBuilder
from maelstrom_container.store import LayerStore
from maelstrom_core import spec
from maelstrom_core.errors import InfrastructureError, SpecError
from maelstrom_core.job import HostTree, LayerDirectory


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    (root / "dir").mkdir(parents=True)
    for number in range(20):
        (root / "dir" / f"{number}.py").write_text(f"value = {number}\n" * 100)
    (root / "link").symlink_to("dir/0.py")
    return root


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


GLOB = spec.GlobLayer(glob="**")


def realise(store, layer, project):
    (realised,) = store.realise(layer, project_directory=project)
    assert isinstance(realised, LayerDirectory)
    return Path(realised.path)


def contents(directory):
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in directory.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def test_lb21_layer_has_the_contents_modes_and_times_of_the_files(root, project):
    (project / "dir" / "0.py").chmod(0o750)
    os.utime(project / "dir" / "0.py", ns=(1, 1_234_567_891))
    with LayerStore(root) as store:
        made = realise(store, GLOB, project)
        assert contents(made) == contents(project)
        status = (made / "dir" / "0.py").stat()
        assert (status.st_mode & 0o7777, status.st_mtime_ns) == (0o750, 1_234_567_891)
        assert (made / "link").readlink() == Path("dir/0.py")


def test_layers_never_share_files_with_the_user(root, project):
    with LayerStore(root) as store:
        made = realise(store, GLOB, project)
        assert not (made / "dir" / "1.py").samefile(project / "dir" / "1.py")


def test_lb21_stubs_symlinks_and_prefixes(root, project):
    with LayerStore(root) as store:
        stubs = realise(store, spec.StubsLayer(("/foo/{bar,baz}", "/foo/qux/")), project)
        assert sorted(each.name for each in (stubs / "foo").iterdir()) == ["bar", "baz", "qux"]
        links = realise(store, spec.SymlinksLayer((spec.Symlink("/a/b", "/c"),)), project)
        assert (links / "a" / "b").readlink() == Path("/c")
        layer = spec.PathsLayer(paths=("dir/0.py",), strip_prefix="dir", prepend_prefix="/baz/")
        assert (realise(store, layer, project) / "baz" / "0.py").is_file()


def test_lb21_tar(root, project):
    with tarfile.open(project / "layer.tar", "w") as tar:
        info = tarfile.TarInfo("bin/foo.bin")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"foo"))
    with LayerStore(root) as store:
        made = realise(store, spec.TarLayer("layer.tar"), project)
        assert (made / "bin" / "foo.bin").read_bytes() == b"foo"


def test_damaged_tar_is_an_error_naming_the_file_and_leaves_nothing(root, project):
    (project / "layer.tar").write_bytes(b"x" * 2048)
    with LayerStore(root) as store, pytest.raises(SpecError, match=r"layer\.tar"):
        store.realise(spec.TarLayer("layer.tar"), project_directory=project)
    assert list((root / "layers" / "tmp").iterdir()) == list((root / "layers" / "removing").iterdir()) == []


def test_layer_survives_the_store_and_is_not_made_again(root, project):
    with LayerStore(root) as store:
        inode = realise(store, GLOB, project).stat().st_ino
    with LayerStore(root) as store:
        assert realise(store, GLOB, project).stat().st_ino == inode


def test_editing_one_file_copies_one_file(root, project):
    with LayerStore(root) as store:
        first = realise(store, GLOB, project)
        (project / "dir" / "7.py").write_text("changed")
        with LayerStore(root) as other:
            second = realise(other, GLOB, project)
            shared = {n for n in range(20) if (first / f"dir/{n}.py").samefile(second / f"dir/{n}.py")}
        assert shared == set(range(20)) - {7}


def test_concurrent_calls_build_once(root, project, monkeypatch):
    started, builds = threading.Barrier(4), []
    original = ManifestBuilder.build
    monkeypatch.setattr(ManifestBuilder, "build", lambda self: builds.append(1) or original(self))

    def call(_number):
        started.wait()
        return realise(store, GLOB, project)

    with LayerStore(root) as store, ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(call, range(4)))) == 1
    assert builds == [1]


def test_different_layers_with_equal_contents_are_one_directory(root, project):
    layers = [spec.StubsLayer(("/a", "/b")), spec.StubsLayer(("/b", "/a")), spec.StubsLayer(("/{a,b}",))]
    with LayerStore(root) as store, ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(lambda layer: realise(store, layer, project), layers))) == 1


def test_errors_are_not_remembered(root, project):
    layer = spec.PathsLayer(paths=("late",))
    with LayerStore(root) as store:
        with pytest.raises(SpecError, match="late"):
            store.realise(layer, project_directory=project)
        (project / "late").write_text("here")
        assert contents(realise(store, layer, project)) == {"late": "here"}


def test_file_that_changes_while_a_layer_is_made_is_read_again(root, project, monkeypatch):
    original, edits = layer_writer.write_manifest, iter(["edited"])

    def edit_first(*arguments):
        for text in edits:
            (project / "dir" / "3.py").write_text(text)
        return original(*arguments)

    monkeypatch.setattr(layer_writer, "write_manifest", edit_first)
    with LayerStore(root) as store:
        assert contents(realise(store, GLOB, project)) == contents(project)


def test_layers_in_use_outlive_a_target_of_nothing_and_go_with_the_store(root, project):
    with LayerStore(root, target_size=0) as store:
        made = realise(store, GLOB, project)
        realise(store, spec.StubsLayer(("/x/",)), project)
        assert contents(made) == contents(project)
    assert not made.exists()
    assert list((root / "layers" / "blake3" / "blob").iterdir()) == []


def test_host_and_project_layers_are_shown_in_place(root, project):
    with LayerStore(root) as store:
        assert HostTree("/usr", "/usr") in store.realise(spec.HostLayer(("/usr",)), project_directory=project)
        shown = store.realise(spec.ProjectLayer("."), project_directory=project)
        assert [tree.source for tree in shown] == [str(project.resolve())]


CHILD = """
import os, sys
from pathlib import Path
sys.path[:0] = sys.argv[3].split(os.pathsep)
from maelstrom_container.store import LayerStore
from maelstrom_core.spec import GlobLayer
with LayerStore(Path(sys.argv[1])) as store:
    print("open", flush=True)
    (layer,) = store.realise(GlobLayer(glob="**"), project_directory=Path(sys.argv[2]))
    print(layer.path, flush=True)
    sys.stdin.read()
"""
IMPORTS = os.pathsep.join(path for path in sys.path if Path(path).name in {"core", "container"})


def start(root, project):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, root, project, IMPORTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_processes_share_layers_and_do_not_evict_each_others(root, project):
    with start(root, project) as first, start(root, project) as second:
        paths = [(each.stdout.readline(), each.stdout.readline())[1].strip() for each in (first, second)]
        assert paths[0] == paths[1]
        with LayerStore(root, target_size=0) as store:
            assert str(realise(store, GLOB, project)) == paths[0]
        assert contents(Path(paths[0])) == contents(project)
        for each in (first, second):
            each.stdin.close()
    assert (first.returncode, second.returncode) == (0, 0)


@pytest.mark.parametrize("lines", [1, 2])
def test_killed_process_leaves_nothing_half_made(root, project, lines):
    with start(root, project) as child:
        for _ in range(lines):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    with LayerStore(root) as store:
        assert list((root / "layers" / "tmp").iterdir()) == []
        assert contents(realise(store, GLOB, project)) == contents(project)


def test_what_was_made_outside_of_the_store_becomes_a_layer_once(root):
    digest = "1" * 64
    with LayerStore(root) as store:
        assert store.find(digest) is None
        for word in ("first", "second"):
            scratch = store.scratch()
            (scratch / "dir").mkdir()
            (scratch / "dir" / "file").write_text(word)
            made = store.adopt(digest, scratch, 5)
            assert contents(Path(made.path)) == {"dir/file": "first"}
            assert not scratch.exists()
        assert store.find(digest) == made
        assert store.realise(spec.StoredLayer(digest), project_directory=root) == (made,)
    assert list((root / "layers" / "tmp").iterdir()) == []
    with LayerStore(root, target_size=0) as store, pytest.raises(InfrastructureError, match="is gone from the cache"):
        store.realise(spec.StoredLayer(digest), project_directory=root)


MANY_LAYERS = """
import resource, sys
from pathlib import Path
from maelstrom_container.store import LayerStore
from maelstrom_core.errors import InfrastructureError
from maelstrom_core.spec import StubsLayer

soft, hard, layers = map(int, sys.argv[2:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
with LayerStore(Path(sys.argv[1])) as store:
    try:
        for number in range(layers):
            store.realise(StubsLayer((f"/{number}",)), project_directory=Path("/"))
    except InfrastructureError as error:
        print(error.render())
    open("/dev/null").close()  # there is room for other things
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def many_layers(root, *numbers):
    command = [sys.executable, "-c", MANY_LAYERS, str(root), *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": ":".join(sys.path)})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_run_may_use_more_layers_than_it_could_open_files(root):
    assert many_layers(root, 160, 1024, 400) == "(640, 1024)\n"


def test_more_layers_than_open_files_are_allowed_at_all_are_a_clear_error(root):
    for _ in range(2):  # what is made, and what is there
        told = many_layers(root, 160, 160, 400)
        assert "so many entries of the cache are in use that all 160 open files are" in told
        assert "hint: raise what you may have, as with `ulimit -Hn`" in told
    assert list((root / "layers" / "tmp").iterdir()) == []


def test_a_full_disk_costs_what_nobody_uses(tmp_path):
    with LayerStore(tmp_path) as store:
        used, unused, wanted = ("1" * 64, "2" * 64, "3" * 64)
        for digest in (used, unused):
            store.layer(digest, lambda _root: 1)
        store.release(unused)

        def fill(root):
            os.close(os.open("half", os.O_CREAT, dir_fd=root))
            if store.has_layer(unused):
                raise OSError(errno.ENOSPC, "No space left on device")
            return 1

        layer = store.layer(wanted, fill)
        assert os.listdir(layer.path) == ["half"]
        assert store.has_layer(used)
        assert os.listdir(tmp_path / "layers" / "tmp") == []
