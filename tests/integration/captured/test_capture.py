"""Jobs whose upper directories are on disk: what is there afterwards, as a layer of later jobs, and who is kept out."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from maelstrom_container.captured.archive import write_archive
from maelstrom_container.extract import extract_tar
from maelstrom_core.job import Capture, Container, ExecutionError, Exited, HostTree, LayerDirectory, Outcome
from maelstrom_core.spec import Seccomp, TmpMount
from tests.support.pool import Pool, container, python, shell


def printed(outcome: Outcome) -> str:
    assert isinstance(outcome, Exited), outcome
    assert outcome.code == 0, outcome
    return outcome.effects.stdout.data.decode()


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    directory = tmp_path / "capture"
    directory.mkdir(mode=0o700)
    return Capture(str(directory), trees=False)


def layer_of(capture: Capture, tmp_path: Path) -> LayerDirectory:
    """Return what a capture is as a layer: written as an archive, and unpacked again."""
    archive, layer = tmp_path / "archive.tar", tmp_path / "layer"
    write_archive(capture, archive)
    layer.mkdir()
    root = os.open(layer, os.O_RDONLY)
    try:
        with archive.open("rb") as file:
            extract_tar(file, root)
    finally:
        os.close(root)
    return LayerDirectory(str(layer))


def base_layer(tmp_path: Path) -> LayerDirectory:
    base = tmp_path / "base"
    for name in ("kept", "removed", "changed", "replaced/old", "renamed/inner", "piped"):
        path = base / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
    return LayerDirectory(str(base))


def user(**fields: object) -> dict[str, object]:
    return {"user": os.getuid(), "group": os.getgid(), **fields}


def test_ex24_what_is_captured_is_on_disk_and_the_next_job_goes_on_with_it(pool: Pool, capture: Capture) -> None:
    within = container(writable=True)
    printed(pool.run(shell("echo contents > /foo", within=within, capture=capture)))
    assert Path(capture.directory, "0/foo").read_text() == "contents\n"
    assert printed(pool.run(shell("cat /foo", within=within, capture=capture))) == "contents\n"
    printed(pool.run(shell("test ! -e /foo", within=within)))


@pytest.mark.parametrize("number", [0, None], ids=["root", "caller"])
def test_a_capture_is_a_layer_of_later_jobs_deletions_included(
    pool: Pool, capture: Capture, tmp_path: Path, number: int | None
) -> None:
    base = base_layer(tmp_path)
    own = user() if number is None else {"user": 0, "group": 0}
    script = """
        cd /data && rm removed && echo more >> changed && rm -r replaced && mkdir replaced && echo new > replaced/new
        mv renamed moved && rm piped && mkfifo piped && ln -s /nowhere link && echo x > one && ln one two
        chmod 751 kept && mkdir -m 700 shut && echo deep > shut/deep && chmod 4755 one && chmod 0 shut
    """
    printed(pool.run(shell(script, within=container(base, writable=True, **own), capture=capture)))
    layer = layer_of(capture, tmp_path)
    later = container(base, layer, **own)
    listing = 'cd /data && find . -printf "%P %y %m %n %l\\n" | sort; cat changed shut/deep'
    lines = printed(pool.run(shell(listing, within=later))).splitlines()
    found = {line.split()[0]: line.split()[1:] for line in lines if " " in line.strip()}
    names = ["changed", "kept", "link", "moved", "moved/inner", "one", "replaced", "replaced/new", "shut"]
    assert set(found) >= {*names, "shut/deep", "two"}
    assert not {"removed", "renamed", "replaced/old", "piped"} & set(found)
    assert found["link"][-1] == "/nowhere"
    assert found["one"][:3] == ["f", "755", "2"], "another name of the same file, and no set-id bit"
    assert found["kept"][1] == "751"
    assert lines[-3:] == ["changed", "more", "deep"]


def test_special_files_are_left_out_but_hide_what_they_replaced(pool: Pool, capture: Capture, tmp_path: Path) -> None:
    script = """
import os, socket
os.remove('/data/piped'); os.mkfifo('/data/piped')
os.remove('/data/kept'); socket.socket(socket.AF_UNIX).bind('/data/kept')
try: os.mknod('/data/device', 0o20666, os.makedev(1, 3))
except OSError: pass
try: os.mknod('/data/fake', 0o20666, 0)
except OSError: pass
"""
    base = base_layer(tmp_path)
    printed(pool.run(python(script, within=container(base, writable=True), capture=capture)))
    left_out = write_archive(capture, tmp_path / "archive.tar")
    assert left_out == (b"data/kept", b"data/piped")
    with tarfile.open(tmp_path / "archive.tar") as archive:
        assert archive.getnames() == ["data", "data/.wh.kept", "data/.wh.piped"]


def test_trees_of_this_machine_are_read_only_where_a_layer_is_to_be_made(
    pool: Pool, capture: Capture, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    base = container(writable=True)
    within = Container((*base.layers, HostTree(str(tree), "/tree")), writable=True)
    outcome = pool.run(shell("touch /tree/x", within=within, capture=capture))
    assert isinstance(outcome, Exited)
    assert b"Read-only" in outcome.effects.stderr.data


def test_without_a_writable_root_there_is_nothing_to_capture(pool: Pool, capture: Capture) -> None:
    outcome = pool.run(shell("true", within=container(), capture=capture))
    assert isinstance(outcome, ExecutionError)
    assert "read-only" in outcome.message


def test_a_directory_that_is_not_there_is_said(pool: Pool, tmp_path: Path) -> None:
    lost = Capture(str(tmp_path / "missing"))
    assert "upper directories" in str(pool.run(shell("true", within=container(writable=True), capture=lost)))
    printed(pool.run(shell("true", within=container(writable=True))))


def test_nothing_of_the_job_moves_when_it_is_over(pool: Pool, capture: Capture) -> None:
    """What a job left running, to swap directories and links while they are read, is gone with it."""
    script = """
        mkdir /swap; (setsid sh -c 'while :; do rm -rf /swap; ln -s / /swap; rm /swap; mkdir /swap; done' &) ; true
    """
    printed(pool.run(shell(script, within=container(writable=True), capture=capture)))
    root = Path(capture.directory, "0")
    assert len({root.lstat().st_mtime_ns for _ in range(1000)}) == 1


def test_a_job_cannot_write_what_the_kernel_notes_in_attributes(pool: Pool, capture: Capture, tmp_path: Path) -> None:
    script = """
import os
os.mkdir('/d'); open('/d/f', 'w').write('x')
for path in ('/d', '/d/f'):
    for name, value in (('opaque', b'y'), ('redirect', b'/etc'), ('metacopy', b''), ('whiteout', b'y')):
        for space in ('user', 'trusted'):
            try: os.setxattr(path, f'{space}.overlay.{name}', value)
            except OSError: pass
    try: os.setxattr(path, 'user.mine', b'1')
    except OSError: pass
"""
    within = container(writable=True, seccomp=Seccomp.OFF)
    printed(pool.run(python(script, within=within, capture=capture)))
    layer = layer_of(capture, tmp_path)
    assert printed(pool.run(shell("cat /d/f", within=container(layer)))) == "x"
    names = [name for path in ("d", "d/f") for name in os.listxattr(Path(layer.path, path))]
    assert set(names) <= {"user.overlay.opaque"}, "what makes a new directory opaque is the kernel's own"


def test_mounts_are_no_part_of_a_capture(pool: Pool, capture: Capture) -> None:
    within = container(writable=True, mounts=(TmpMount("/tmp"),))
    printed(pool.run(shell("echo x > /tmp/x; echo y > /y", within=within, capture=capture)))
    assert os.listdir(f"{capture.directory}/0") == ["y"]


def test_captured_and_other_jobs_of_one_member_do_not_mix(tmp_path: Path) -> None:
    pool = Pool(slots=1)
    try:
        within = container(writable=True)
        for round_ in range(3):
            directory = tmp_path / str(round_)
            directory.mkdir()
            job = shell("test ! -e /mark && touch /mark", within=within, capture=Capture(str(directory)))
            printed(pool.run(job))
            printed(pool.run(shell("test ! -e /mark && touch /mark", within=within)))
            printed(pool.run(shell("test ! -e /mark && touch /mark", within=within)))
            assert os.listdir(directory / "0") == ["mark"]
    finally:
        pool.close()
