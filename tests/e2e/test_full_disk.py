"""Full disks: one clear message, nothing half-written. One is a file system in memory, in namespaces of the test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import PATIENCE, PYTEST, RUN, Programs, write_project

SIZE = 256 << 10
FULL = "No space left on device"
BIG = f"head -c {2 * SIZE} /dev/zero | tr '\\0' x > big"


class SmallDisk:
    """A file system of `SIZE` bytes, which `programs` see at `path`; ours to look at is `seen`."""

    def __init__(self, programs: Programs, path: Path) -> None:
        path.mkdir()
        script = 'mount -t tmpfs -o "size=$1" none "$2" && echo mounted && exec cat'
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(SIZE), str(path)]
        self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"mounted\n":
            self.close()
            pytest.skip("a user cannot mount a file system in memory here")
        pid = self._holder.pid
        enter = ("nsenter", "--target", str(pid), "--user", "--mount", "--preserve-credentials", "--wd=.")
        self.path = path
        self.seen = Path(f"/proc/{pid}/root{path}")
        self.programs = Programs(programs.home, enter)

    def fill(self, left: int = 0) -> None:
        """Fill it, but for some bytes."""
        with (self.seen / "filling").open("wb") as file:
            file.write(bytes(SIZE - 2 * 4096 - left))

    def close(self) -> None:
        """End it; what is on it goes with it."""
        self._holder.communicate(timeout=PATIENCE)


@pytest.fixture
def disk(programs: Programs, tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(programs, tmp_path / "disk")
    yield disk
    disk.close()


def contents(disk: SmallDisk) -> dict[str, bytes]:
    return {name: (disk.seen / name).read_bytes() for name in os.listdir(disk.seen) if name != "filling"}


def test_files_are_brought_back_all_or_none(disk: SmallDisk, project: Path):
    (disk.seen / "a").write_text("old")
    script = f"echo new > a; {BIG}; echo shown"
    done = disk.programs.run(RUN, "--out", str(disk.path), "--", "sh", "-c", script, cwd=project).check(1)
    assert f"failed to bring back the files of the job to {disk.path}: {FULL}" in done.single_message
    assert "hint: nothing was changed there: make room" in done.err
    assert done.out == "shown\n"
    assert contents(disk) == {"a": b"old"}


def test_an_archive_is_whole_or_as_it_was(disk: SmallDisk, project: Path):
    (disk.seen / "x.tar").write_text("old")
    script = f"cd /var/tmp && {BIG}"
    done = disk.programs.run(RUN, "--capture", str(disk.path / "x.tar"), "--", "sh", "-c", script, cwd=project)
    done.check(1)
    assert f"failed to write {disk.path}/x.tar: {FULL}" in done.single_message
    assert contents(disk) == {"x.tar": b"old"}


@pytest.mark.parametrize(("option", "what"), [("--joblog", "job log"), ("--results", "file of results")])
def test_a_log_ends_with_a_whole_line_and_the_run_goes_on_from_there(
    disk: SmallDisk, project: Path, option: str, what: str
):
    log = str(project / "log") if option == "--results" else str(disk.path / "log")
    results = () if option == "--joblog" else ("--results", str(disk.path / "results"))
    words = ("--map", "--range", "1..300", "--joblog", log, *results, "--slots", "2")
    command = ("--", "sh", "-c", ":", "a line should not take long to fill a page of a disk " * 4)
    disk.fill()
    done = disk.programs.run(RUN, *words, *command, cwd=project).check(3)
    assert f"failed to write to the {what} {disk.path}/" in done.err
    assert FULL in done.err
    assert "--resume goes on with the jobs that are missing" in done.err
    assert "Traceback" not in done.err
    (written,) = contents(disk).values()
    assert 0 < written.count(b"\n") < 300
    assert written.endswith(b"\n")
    (disk.seen / "filling").unlink()
    assert (
        "jobs ended in earlier runs" in disk.programs.run(RUN, *words, "--resume", *command, cwd=project).check(0).err
    )
    (written,) = contents(disk).values()
    assert written.count(b"\n") == 300 + (option == "--joblog")


def test_what_the_job_of_a_stream_left_is_said_with_its_number(disk: SmallDisk, project: Path):
    image = {"layers": [{"host": ["/usr", "/bin", "/lib", "/lib64", "/etc"]}, {"stubs": ["/w/"]}]}
    spec = {
        **image,
        "working_directory": "/w",
        "enable_writable_file_system": True,
        "environment": {"PATH": "/usr/bin:/bin"},
        "mounts": [{"type": "devices", "devices": ["zero"]}],
        "program": "sh",
        "arguments": ["-c", BIG],
        "out": str(disk.path),
    }
    small = {**spec, "arguments": ["-c", "echo x > small"]}
    done = disk.programs.jobs(small, spec, cwd=project, options=("--slots", "1")).check(1)
    assert f"job 2: failed to bring back the files of the job to {disk.path}: {FULL}" in done.err
    # the second may have filled the disk before the first one's file was there: then that is said of the first as well
    first_too = f"job 1: failed to bring back the files of the job to {disk.path}: {FULL}" in done.err
    assert contents(disk) == ({} if first_too else {"small": b"x\n"})


def test_a_job_whose_own_files_do_not_fit_into_the_cache_is_told_by_the_kernel(disk: SmallDisk, project: Path):
    out = project / "out"
    arguments = ("--cache-root", str(disk.path / "cache"), "--out", str(out))
    done = disk.programs.run(RUN, *arguments, "--", "sh", "-c", f"echo x > x; {BIG} || exit 9", cwd=project).check(9)
    assert FULL in done.err
    assert (out / "x").read_text() == "x\n"
    assert os.listdir(disk.seen / "cache" / "layers" / "tmp") == []


@pytest.mark.parametrize("words", [("--", "echo", "x"), ("--map", "--range", "1..3", "--", "echo"), ("--help",)])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_that_cannot_be_written(programs: Programs, project: Path, words: tuple[str, ...], stream: str):
    if stream == "stderr":
        words = ("--", "sh", "-c", "echo x >&2")
    with open("/dev/full", "wb") as full, programs.start(RUN, *words, cwd=project, **{stream: full}) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    if stream == "stdout":
        assert err.decode() == f"maelstrom-run: failed to write to standard output: {FULL}\n"


def test_the_same_of_maelstrom_pytest(programs: Programs, project: Path):
    write_project(project, {"test_a.py": "def test_a(): pass\n"})
    with open("/dev/full", "wb") as full, programs.start(PYTEST, cwd=project, stdout=full) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err.decode()) == (3, f"maelstrom-pytest: failed to write to standard output: {FULL}\n")


def test_reports_are_whole_or_not_there(disk: SmallDisk, project: Path):
    write_project(project, {"test_a.py": f"def test_a(): assert not {'x' * SIZE!r}\n"})
    (disk.seen / "report.xml").write_text("old")
    done = disk.programs.run(PYTEST, "--junit-xml", str(disk.path / "report.xml"), cwd=project)
    assert FULL in done.err
    assert "Traceback" not in done.err
    assert contents(disk) == {"report.xml": b"old"}
    assert done.code == 2
