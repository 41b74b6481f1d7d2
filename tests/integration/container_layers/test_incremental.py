"""A layer of many files, again and again while they change: always what a new one would be, and little is written."""

import os
import random
import stat

import pytest

from maelstrom_container import digest_cache, incremental
from maelstrom_container.store import LayerStore
from maelstrom_core.spec import GlobLayer

FOLDERS, FILES = 5, 8


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    for folder in range(FOLDERS):
        (root / "src" / f"d{folder}").mkdir(parents=True)
        for file in range(FILES):
            (root / "src" / f"d{folder}" / f"f{file}.py").write_text(f"{folder} {file}\n")
    return root


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Small layers are kept, too, and times are trusted at once: each test changes sizes."""
    monkeypatch.setattr(incremental, "FEWEST", 10)
    monkeypatch.setattr(incremental, "MOST_CHANGED", 0.2)
    monkeypatch.setattr(digest_cache, "SETTLED", -(10**18))


def realise(root, project, layer=None):
    with LayerStore(root) as store:
        return [each.path for each in store.realise(layer or GlobLayer(glob="src/**"), project_directory=project)]


def tree(layers):
    """Return what the layers show together."""
    seen = {}
    for layer in layers:
        for folder, folders, files in os.walk(layer):
            for name in folders + files:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                shown = [stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_mtime_ns]
                if stat.S_ISREG(status.st_mode):
                    with open(path, "rb") as file:
                        shown.append(file.read())
                elif stat.S_ISLNK(status.st_mode):
                    shown = [os.readlink(path)]
                seen[os.path.relpath(path, layer)] = shown
    return seen


def files_in(layer):
    return sorted(os.path.join(folder, name) for folder, _, files in os.walk(layer) for name in files)


def test_nothing_is_made_when_nothing_has_changed(tmp_path, project):
    first = realise(tmp_path / "cache", project)
    assert len(first) == 1
    assert realise(tmp_path / "cache", project) == first


def test_of_one_file_that_has_changed_one_is_written(tmp_path, project):
    (base,) = realise(tmp_path / "cache", project)
    changed = project / "src" / "d3" / "f4.py"
    changed.write_text("changed, and longer")
    below, above = realise(tmp_path / "cache", project)
    assert below == base
    assert files_in(above) == [f"{above}/src/d3/f4.py"]
    assert tree([below, above]) == tree(realise(tmp_path / "other", project))
    assert realise(tmp_path / "cache", project) == [below, above]


def test_a_first_layer_has_one_name_for_each_file_and_its_mode_whatever_the_mask(tmp_path, project):
    (project / "src" / "d1" / "f1.py").chmod(0o666)
    mask = os.umask(0o077)
    try:
        (base,) = realise(tmp_path / "cache", project)
    finally:
        os.umask(mask)
    assert {os.stat(file).st_nlink for file in files_in(base)} == {1}
    assert not os.listdir(tmp_path / "cache" / "layers" / "blake3" / "blob")
    assert stat.S_IMODE(os.stat(f"{base}/src/d1/f1.py").st_mode) == 0o666
    assert tree([base])["src/d2/f2.py"] == tree([project])["src/d2/f2.py"]


def test_a_layer_that_is_made_anew_links_to_the_last_one_what_has_stayed_the_same(tmp_path, project):
    (base,) = realise(tmp_path / "cache", project)
    (project / "src" / "d1" / "f1.py").unlink()
    (project / "src" / "d1" / "f2.py").write_text("changed, and longer")
    (made,) = realise(tmp_path / "cache", project)
    own = {os.path.relpath(file, made) for file in files_in(made) if os.stat(file).st_nlink == 1}
    assert own == {"src/d1/f2.py"}
    assert made != base


def test_a_file_that_changes_before_it_is_read_is_what_it_has_become(tmp_path, project, monkeypatch):
    scan = incremental.scan

    def late(path):
        result = scan(path)
        if path.endswith(b"d3/"):
            (project / "src" / "d3" / "f4.py").write_text("changed, and longer")
            (project / "src" / "d3" / "f5.py").write_text("")
        return result

    monkeypatch.setattr(incremental, "scan", late)
    (made,) = realise(tmp_path / "cache", project)
    assert tree([made])["src/d3/f4.py"] == tree([project])["src/d3/f4.py"]
    assert tree([made])["src/d3/f5.py"][-1] == b""


def test_what_is_as_it_was_needs_no_layer_above(tmp_path, project):
    first = realise(tmp_path / "cache", project)
    fresh = project / "src" / "d3" / "fresh.py"
    fresh.write_text("x")
    assert len(realise(tmp_path / "cache", project)) == 2
    fresh.unlink()
    assert realise(tmp_path / "cache", project) == first


@pytest.mark.parametrize("change", ["remove", "replace", "remove a directory", "many"])
def test_what_cannot_be_put_above_is_made_anew(tmp_path, project, change):
    realise(tmp_path / "cache", project)
    file = project / "src" / "d1" / "f1.py"
    if change == "many":
        for number in range(FILES):
            (project / "src" / "d1" / f"f{number}.py").write_text("changed, and longer")
            (project / "src" / "d2" / f"f{number}.py").write_text("changed, and longer")
    else:
        file.unlink()
        if change == "replace":
            file.symlink_to("f2.py")
        elif change == "remove a directory":
            for number in range(FILES):
                (project / "src" / "d1" / f"f{number}.py").unlink(missing_ok=True)
            (project / "src" / "d1").rmdir()
    made = realise(tmp_path / "cache", project)
    assert len(made) == 1
    assert tree(made) == tree(realise(tmp_path / "other", project))


def test_a_layer_that_is_gone_from_the_cache_is_made_anew(tmp_path, project):
    (base,) = realise(tmp_path / "cache", project)
    os.rename(base, tmp_path / "gone")
    (project / "src" / "d3" / "f4.py").write_text("changed, and longer")
    made = realise(tmp_path / "cache", project)
    assert len(made) == 1
    assert tree(made) == tree(realise(tmp_path / "other", project))


def test_files_that_changed_a_moment_ago_are_not_trusted(tmp_path, project, monkeypatch):
    """Their times could stay the same when they change again: here they do."""
    monkeypatch.setattr(digest_cache, "SETTLED", 3600 * 10**9)
    paths = [
        os.fsencode(f"{project}/{folder}") for folder in ("src/", *(f"src/d{number}/" for number in range(FOLDERS)))
    ]
    frozen = {path: incremental.scan(path) for path in paths}
    monkeypatch.setattr(incremental, "scan", frozen.__getitem__)
    realise(tmp_path / "cache", project)
    (project / "src" / "d3" / "f4.py").write_text("changed, and longer")
    assert tree(realise(tmp_path / "cache", project))["src/d3/f4.py"][-1] == b"changed, and longer"


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "layer",
    [
        GlobLayer(glob="src/**"),
        GlobLayer(glob="src/**/*.py", strip_prefix="src", prepend_prefix="/p/q"),
        GlobLayer(glob="**"),
    ],
    ids=["all", "some", "project"],
)
def test_whatever_changes_the_layers_together_are_what_a_new_one_is(tmp_path, project, seed, layer):
    chance = random.Random(seed)
    for step in range(8):
        for _ in range(chance.randrange(3)):
            change(project, chance, length=100 * seed + 10 * step)
        made = realise(tmp_path / "cache", project, layer)
        (new,) = realise(tmp_path / f"other{step}", project, layer)
        assert tree(made) == tree([new]), step


def change(project, chance, length):
    folders = [
        project / "src",
        *(path for path in (project / "src").rglob("*") if path.is_dir() and not path.is_symlink()),
    ]
    folder = chance.choice(folders)
    path = folder / f"f{chance.randrange(FILES + 2)}.py"
    kind = chance.choice(["write", "write", "write", "chmod", "remove", "link", "mkdir", "tag", "directory mode"])
    if kind == "write" and not path.is_dir() and not path.is_symlink():
        path.write_text("x" * (length + chance.randrange(10)))
    elif kind == "chmod" and path.is_file() and not path.is_symlink():
        path.chmod(chance.choice([0o600, 0o644, 0o755]))
    elif kind == "remove" and (path.is_file() or path.is_symlink()):
        path.unlink()
    elif kind == "link" and not path.exists() and not path.is_symlink():
        path.symlink_to(f"f{chance.randrange(FILES)}.py")
    elif kind == "mkdir":
        (folder / f"sub{chance.randrange(2)}").mkdir(exist_ok=True)
    elif kind == "tag":
        (folder / "CACHEDIR.TAG").touch()
    elif kind == "directory mode":
        folder.chmod(chance.choice([0o700, 0o755]))
