"""What may be done with cgroups, on machines that need not exist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container.cgroups import (
    CONTROLLER_OF,
    CONTROLLERS,
    Delegated,
    NotDelegated,
    counter,
    delegation,
    directory_of,
    kept_by_groups,
    kept_by_processes,
    lacking,
    own_group,
    strangers,
    written,
)
from maelstrom_core.spec import Limits

MOUNT = "32 28 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
GROUP = "/sys/fs/cgroup/user.slice/run.scope"
SELF = 100


class Machine:
    """A machine on which we are process 100 in a delegated group; `parents` are other processes, by their numbers."""

    def __init__(self, *, controllers="cpu memory pids", enabled="", members=(SELF,), parents=None, **changes):
        self.files = {
            "/proc/self/cgroup": "0::/user.slice/run.scope\n",
            "/proc/self/mountinfo": MOUNT,
            "/proc/self/stat": f"{SELF} (mael) strom) S 1 1",
            f"{GROUP}/cgroup.controllers": controllers,
            f"{GROUP}/cgroup.subtree_control": enabled,
            f"{GROUP}/cgroup.procs": "".join(f"{each}\n" for each in members),
            f"{GROUP}/cgroup.type": "domain\n",
        }
        self.files |= {f"/proc/{pid}/stat": f"{pid} (a b) S {parent} 1" for pid, parent in (parents or {}).items()}
        self.files |= changes.pop("files", {})
        self.closed = changes.pop("closed", ())

    def read(self, path):
        return self.files.get(path)

    def writable(self, path):
        return path not in self.closed


def refusal(machine) -> str:
    found = delegation(machine)
    assert isinstance(found, NotDelegated)
    return found.reason


def test_group_of_our_own_can_be_used():
    assert delegation(Machine()) == Delegated(GROUP, CONTROLLERS, CONTROLLERS)


def test_what_is_enabled_already_need_not_be_enabled():
    assert delegation(Machine(enabled="memory pids")) == Delegated(GROUP, CONTROLLERS, ("cpu",))


def test_some_controllers_are_better_than_none():
    assert delegation(Machine(controllers="cpuset io pids")) == Delegated(GROUP, ("pids",), ("pids",))


def test_processes_below_us_are_ours():
    assert isinstance(delegation(Machine(members=(SELF, 101, 102), parents={101: SELF, 102: 101})), Delegated)


@pytest.mark.parametrize(
    ("members", "parents", "who"),
    [
        ((SELF, 99), {99: 1, 1: 0}, "process 99"),
        ((SELF, 0), {}, "one that cannot be seen from here"),
        ((SELF, 55), {}, "process 55"),
        ((SELF, 2, 3, 4, 5), dict.fromkeys((2, 3, 4, 5), 1), "process 2, process 3, process 4 and 1 more"),
    ],
)
def test_others_in_our_group_are_named(members, parents, who):
    assert refusal(Machine(members=members, parents=parents)) == f"other programs are in our cgroup ({who})"


def test_in_the_root_of_all_groups_others_may_be():
    files = {"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cgroup.controllers": "memory", GROUP: None}
    files["/sys/fs/cgroup/cgroup.procs"] = "1\n2\n"
    assert delegation(Machine(files=files)) == Delegated("/sys/fs/cgroup", ("memory",), ("memory",), shared=True)


def test_processes_that_end_while_they_are_looked_at_are_no_strangers():
    machine = Machine(members=(SELF, 101))  # of 101 there is no /proc/101/stat any more
    reads = []
    read = machine.read

    def changing(path):
        reads.append(path)
        if path.endswith("cgroup.procs") and reads.count(path) > 1:
            return f"{SELF}\n"
        return read(path)

    machine.read = changing
    assert strangers(machine, GROUP) == []


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (Machine(files={"/proc/self/cgroup": "4:memory:/\n"}), "no cgroups of version 2"),
        (Machine(files={"/proc/self/mountinfo": ""}), "no cgroups of version 2"),
        (Machine(files={"/proc/self/cgroup": "0::/../other\n"}), "no cgroups of version 2"),
        (Machine(controllers="io"), "our cgroup has none of the controllers cpu, memory, pids"),
        (Machine(closed=(f"{GROUP}/cgroup.procs",)), "not delegated to this user"),
        (Machine(closed=(f"{GROUP}/cgroup.subtree_control",)), "not delegated to this user"),
        (Machine(closed=(GROUP,)), "not delegated to this user"),
        (Machine(files={f"{GROUP}/cgroup.type": "threaded\n"}), "of the kind `threaded`"),
    ],
)
def test_why_groups_cannot_be_made(machine, reason):
    assert reason in refusal(machine)


def test_hierarchy_without_controllers_is_none_for_the_doctor():
    files = {"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cgroup.controllers": "\n"}
    found = delegation(Machine(files=files))
    assert isinstance(found, NotDelegated)
    assert not found.hierarchy


@pytest.mark.parametrize(
    ("group", "mountinfo", "directory"),
    [
        ("/a/b", MOUNT, "/sys/fs/cgroup/a/b"),
        ("/", MOUNT, "/sys/fs/cgroup"),
        ("/a/b", MOUNT.replace(" / /sys", " /a /sys"), "/sys/fs/cgroup/b"),
        ("/ab", MOUNT.replace(" / /sys", " /a /sys"), None),
        ("/a", MOUNT.replace(" / /sys", " /../x /sys"), None),
        ("/a", "31 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", None),
        ("/a", MOUNT.replace("/sys/fs/cgroup", r"/with\040space"), "/with space/a"),
        ("/a", MOUNT + MOUNT.replace("/sys/fs/cgroup", "/later"), "/later/a"),
        ("/a", "nonsense\n- cgroup2\n\n", None),
    ],
)
def test_where_a_group_can_be_seen(group, mountinfo, directory):
    assert directory_of(group, mountinfo) == directory


def test_own_group_is_that_of_version_2():
    assert own_group("4:memory:/m\n0::/mine\n") == "/mine"
    assert own_group("4:memory:/m\n") is None


SOME_LIMITS = st.builds(
    Limits,
    **{name: st.none() | st.integers(1, 1 << 40) for name in ("open_files", "memory", "processes", "cpu_weight")},
)
SOME_CONTROLLERS = st.sets(st.sampled_from(CONTROLLERS))


@given(SOME_LIMITS, SOME_CONTROLLERS)
def test_every_limit_is_kept_once_or_told_of(limits, controllers):
    grouped, single = kept_by_groups(limits, controllers), kept_by_processes(limits, controllers)
    told = lacking(limits, controllers, "because", root=True) or ""
    for name in Limits.__struct_fields__:
        asked = getattr(limits, name)
        kept = [value for value in (getattr(grouped, name), getattr(single, name)) if value is not None]
        if asked is None:
            assert kept == []
        elif name in CONTROLLER_OF and CONTROLLER_OF[name] not in controllers:
            assert {"memory": "memory", "processes": "the number of processes", "cpu_weight": "cpu_weight"}[
                name
            ] in told
        else:
            assert kept == [asked]


@given(SOME_LIMITS, SOME_CONTROLLERS)
def test_nothing_is_told_where_a_group_keeps_all(limits, controllers):
    wanted = {CONTROLLER_OF[name] for name in CONTROLLER_OF if getattr(limits, name) is not None}
    assert (lacking(limits, controllers, "because", root=True) is None) == (wanted <= controllers)
    assert limits.is_of_jobs == bool(wanted)
    assert bool(written(limits, controllers)) == bool(wanted & controllers)


def test_processes_of_an_ordinary_user_are_counted_without_a_group():
    assert lacking(Limits(processes=5), (), "because", root=False) is None


def test_what_is_written():
    limits = Limits(memory=1 << 24, processes=7, cpu_weight=50)
    assert written(limits, CONTROLLERS) == (
        ("memory.max", "16777216"),
        ("memory.swap.max", "0"),
        ("memory.oom.group", "1"),
        ("pids.max", "7"),
        ("cpu.weight", "50"),
    )


def test_counters_are_read():
    text = "low 0\nmax 12\noom_kill 3\n"
    assert counter(text, "oom_kill") == 3
    assert counter(text, "oom") is None
    assert counter(None, "oom") is None
    assert counter("max nonsense\n", "max") is None
