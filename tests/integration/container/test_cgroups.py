"""Limits of whole jobs by cgroups, in groups that are delegated to a supervisor; and what there is without."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maelstrom_core.job import Cancelled, Effects, Exited, Job, NotForked, Outcome, Signaled
from maelstrom_core.spec import Device, DevicesMount, Limits, ProcMount, TemplateSpec, TmpMount
from tests.support.cgroups import delegated_group, groups_below, in_group, plain_group
from tests.support.pool import Pool, container, python, shell
from tests.support.privileges import without_clone3
from tests.support.programs import IMPORT_ROOTS, PATIENCE, eventually

MOUNTS = (ProcMount("/proc"), TmpMount("/tmp"), DevicesMount((Device.NULL, Device.ZERO)))
MEMORY = 64 << 20
needs_groups = pytest.mark.cgroup2


class Place:
    """A pool that is alone in a delegated group."""

    def __init__(self, group: Path) -> None:
        self.group = group
        self.pool = Pool(slots=2, prefix=in_group(group))

    def run(self, script: str, **limits: int) -> Outcome:
        return self.pool.run(self.job(script, **limits))

    def job(self, script: str, **limits: int) -> Job:
        return shell(script, within=container(mounts=MOUNTS, limits=Limits(**limits)))

    def files(self, group: str, *names: str) -> list[str]:
        return [(self.group / group / name).read_text().strip() for name in names]

    def group_of_a_job(self) -> str | None:
        return next((each for each in groups_below(self.group) if "/job-" in each), None)


@contextmanager
def made_place() -> Iterator[Place]:
    with delegated_group() as group:
        place = Place(group)
        try:
            yield place
        finally:
            place.pool.close()


@pytest.fixture
def place() -> Iterator[Place]:
    with made_place() as place:
        yield place


def effects(outcome: Outcome) -> Effects:
    assert isinstance(outcome, Exited | Signaled), outcome
    assert outcome.effects.limited is not None
    return outcome.effects


@needs_groups
def test_a_job_that_takes_too_much_memory_is_killed_and_nobody_else(place: Place) -> None:
    place.run("true", memory=MEMORY)
    members = place.pool.members()
    script = "b = bytearray(128 << 20)"
    outcome = place.pool.run(python(script, within=container(mounts=MOUNTS, limits=Limits(memory=MEMORY))))
    assert isinstance(outcome, Signaled)
    assert outcome.signal == signal.SIGKILL
    told = effects(outcome).limited
    assert told is not None
    assert told.out_of_memory
    assert told.lacking is None
    assert effects(outcome).peak_memory == MEMORY
    assert place.pool.members() == members, "it was the job that was killed, and no member"


@needs_groups
def test_files_in_memory_count(place: Place) -> None:
    outcome = place.run("head -c 128M /dev/zero > /tmp/x; echo survived", memory=MEMORY)
    assert isinstance(outcome, Signaled)
    assert outcome.effects.limited is not None
    assert outcome.effects.limited.out_of_memory


@needs_groups
def test_processes_count_together(place: Place) -> None:
    half = f"import time; b = bytearray({MEMORY // 2 + (8 << 20)}); time.sleep(1000)"
    script = f"python3 -c '{half}' & python3 -c '{half}' & wait"
    outcome = place.run(script, memory=MEMORY)
    assert isinstance(outcome, Signaled)
    assert outcome.effects.limited is not None
    assert outcome.effects.limited.out_of_memory


@needs_groups
def test_a_job_within_its_memory_is_left_alone(place: Place) -> None:
    outcome = place.pool.run(
        python("b = bytearray(16 << 20); print(len(b))", within=container(mounts=MOUNTS, limits=Limits(memory=MEMORY)))
    )
    assert isinstance(outcome, Exited)
    assert outcome.code == 0
    told = effects(outcome).limited
    assert told is not None
    assert not told.out_of_memory
    peak = effects(outcome).peak_memory
    assert peak is not None
    assert 16 << 20 <= peak <= MEMORY


@needs_groups
def test_no_more_processes_are_made_not_even_by_root(place: Place) -> None:
    script = """
import os, time
made = 0
try:
    for _ in range(100):
        if os.fork() == 0:
            time.sleep(1000)
        made += 1
except OSError as error:
    print(error.strerror, made)
"""
    outcome = place.pool.run(python(script, within=container(limits=Limits(processes=10))))
    assert effects(outcome).stdout.data == b"Resource temporarily unavailable 9\n"
    told = effects(outcome).limited
    assert told is not None
    assert told.refused_processes == 1
    assert told.lacking is None


@needs_groups
def test_what_the_kernel_is_told(place: Place) -> None:
    job = place.job("echo begun; sleep 1000", memory=MEMORY, processes=20, cpu_weight=50)
    number = place.pool.start(job)
    assert eventually(place.group_of_a_job)
    group = place.group_of_a_job()
    assert group is not None
    assert eventually(lambda: place.files(group, "cgroup.procs") != [""])
    names = ("memory.max", "memory.oom.group", "pids.max", "cpu.weight")
    assert place.files(group, *names) == [str(MEMORY), "1", "20", "50"]
    place.pool.cancel(number)
    assert isinstance(place.pool.wait(number), Cancelled)
    assert eventually(lambda: place.group_of_a_job() is None)


@needs_groups
def test_time_of_processes_that_nobody_waited_for_counts(place: Place) -> None:
    script = """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps, and adds its time to nobody's
reading, writing = os.pipe()
if os.fork() == 0:
    for _ in range(5_000_000):
        pass
    print(os.times().user, flush=True)
    os._exit(0)
os.close(writing)
os.read(reading, 1)
"""
    outcome = place.pool.run(python(script, within=container(mounts=MOUNTS, limits=Limits(memory=MEMORY))))
    assert effects(outcome).cpu_user + effects(outcome).cpu_system >= float(effects(outcome).stdout.data) * 0.9


@needs_groups
def test_jobs_without_such_limits_make_no_groups(place: Place) -> None:
    assert isinstance(place.run("true", open_files=64), Exited)
    assert groups_below(place.group) == []
    assert place.files("", "cgroup.subtree_control") == [""]


@needs_groups
def test_a_job_sees_no_group_above_ours(place: Place) -> None:
    outcome = place.run("cat /proc/self/cgroup; ls /sys 2>&1; cat /proc/mounts", memory=MEMORY)
    text = effects(outcome).stdout.data.decode()
    lines = [line for line in text.splitlines() if line.startswith("0::")]
    assert len(lines) == 1
    assert lines[0].startswith("0::/maelstrom-")
    assert "cgroup2" not in text


@needs_groups
def test_a_job_that_is_root_cannot_raise_its_limit(place: Place) -> None:
    script = """
mkdir -p /tmp/g && mount -t cgroup2 none /tmp/g 2>&1 && echo MOUNTED
unshare --cgroup mount -t cgroup2 none /tmp/g 2>&1 && echo MOUNTED
find /sys /tmp /run /dev -name memory.max 2>/dev/null | head -1
"""
    outcome = place.run(script, memory=MEMORY)
    text = effects(outcome).stdout.data.decode()
    assert "MOUNTED" not in text
    assert "memory.max" not in text


@needs_groups
def test_a_fork_of_a_template_is_refused_a_limit_that_it_cannot_have(place: Place) -> None:
    template = TemplateSpec("/bin/false")
    within = container(mounts=MOUNTS, limits=Limits(memory=MEMORY))
    outcome = place.pool.run(shell("true", within=within, template=template))
    assert outcome == NotForked("they are limited, and forks of templates have no cgroup of their own")


@needs_groups
def test_nothing_is_left_of_groups(place: Place) -> None:
    for _ in range(3):
        place.run("true", memory=MEMORY)
    assert [each for each in groups_below(place.group) if "job" in each] == []
    assert groups_below(place.group) != []
    place.pool.close()
    assert groups_below(place.group) == []
    assert place.files("", "cgroup.subtree_control") == [""]


@needs_groups
def test_nothing_is_left_of_groups_of_who_was_killed(place: Place) -> None:
    place.pool.start(place.job("sleep 1000", memory=MEMORY))
    assert eventually(place.group_of_a_job)
    place.pool.process.kill()
    assert eventually(lambda: groups_below(place.group) == [])
    assert eventually(lambda: place.files("", "cgroup.procs", "cgroup.subtree_control") == ["", ""])
    place.pool.process.wait()
    again = Place(place.group)
    try:
        assert isinstance(again.run("true", memory=MEMORY), Exited), "the group can be entered again, and used"
    finally:
        again.pool.close()


@needs_groups
def test_where_others_live_in_the_group_limits_are_those_of_processes() -> None:
    with delegated_group() as group:
        with subprocess.Popen([*in_group(group), "sleep", "1000"]) as stranger:
            assert eventually(lambda: str(stranger.pid) in (group / "cgroup.procs").read_text().split())
            place = Place(group)
            try:
                outcome = place.run("ulimit -d", memory=MEMORY)
            finally:
                place.pool.close()
                stranger.kill()
        assert effects(outcome).stdout.data == b"%d\n" % (MEMORY >> 10)
        told = effects(outcome).limited
        assert told is not None
        assert told.lacking is not None
        assert f"other programs are in our cgroup (process {stranger.pid})" in told.lacking
        assert groups_below(group) == []


@needs_groups
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter of this test is for x86-64")
def test_where_there_is_no_clone3_the_child_enters_its_group(place: Place) -> None:
    place.pool.close()
    place.pool = Pool(slots=1, prefix=(*in_group(place.group), *without_clone3()))
    outcome = place.run("cat /proc/self/cgroup", memory=MEMORY)
    assert b"/job-" in effects(outcome).stdout.data


def test_without_groups_the_memory_of_each_process_is_limited(pool: Pool) -> None:
    """Whoever runs the tests is not alone in its group, or in none that has controllers."""
    script = """
import resource
print(resource.getrlimit(resource.RLIMIT_DATA))
try:
    bytearray(128 << 20)
except MemoryError:
    print("refused")
"""
    outcome = pool.run(python(script, within=container(limits=Limits(memory=MEMORY))))
    assert effects(outcome).stdout.data.decode() == f"({MEMORY}, {MEMORY})\nrefused\n"
    told = effects(outcome).limited
    assert told is not None
    assert told.lacking is not None
    assert told.lacking.startswith("memory is limited for each process by itself, not for the job: ")


TREE = """
import os, sys, time
from maelstrom_container.cgroup_tree import Tree
from maelstrom_container.cgroups import Delegated, own_group
def group(): return own_group(open("/proc/self/cgroup").read())
before = group()
child = os.fork()
if child == 0:
    os.closerange(0, 3)  # whoever reads them is not to wait for us
    time.sleep(1000)
tree = Tree.open(Delegated(sys.argv[1], (), ()))
print(group().removeprefix(before), own_group(open(f"/proc/{child}/cgroup").read()) == group(), flush=True)
job = f"job-7"
os.mkdir(job, dir_fd=tree.fd)
if sys.argv[2] == "job":
    prisoner = os.fork()
    if prisoner == 0:
        os.setsid()
        os.closerange(0, 3)
        time.sleep(1000)
    with open(f"{sys.argv[1]}/maelstrom-{os.getpid()}/{job}/cgroup.procs", "w") as file: file.write(str(prisoner))
if sys.argv[2] in {"killed", "job"}:
    os.kill(os.getpid(), 9)
tree.close()
print(group() == before, own_group(open(f"/proc/{child}/cgroup").read()) == before, flush=True)
os.kill(child, 9)
"""


@pytest.mark.parametrize("how", ["closed", "killed", "job"])
def test_trees_of_groups_go_however_their_maker_ends(how: str) -> None:
    """Without controllers, so that it can be tried on every machine that has version 2 at all."""
    with plain_group() as group:
        command = [*in_group(group), sys.executable, "-c", TREE, str(group), how]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=PATIENCE)
        first, *rest = done.stdout.splitlines()
        assert first.startswith("/maelstrom-"), done.stderr
        assert first.endswith("/own True")
        assert rest == (["True True"] if how == "closed" else [])
        assert eventually(lambda: groups_below(group) == [])
        members = group / "cgroup.procs"
        assert eventually(lambda: len(members.read_text().split()) == (how != "closed")), "the child goes back"
        for process in members.read_text().split():
            os.kill(int(process), signal.SIGKILL)
