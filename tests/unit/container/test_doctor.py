"""Every finding of the doctor, on machines that need not exist."""

import errno

import pytest

from maelstrom_container.doctor import Health, check, explain, render

STEPS = ("whiteout", "opaque", "user namespace", "setgroups", "id map", "namespaces", "mount", "overlay", "proc")
CLONE = "/proc/sys/kernel/unprivileged_userns_clone"
MAXIMUM = "/proc/sys/user/max_user_namespaces"
APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
STATUS = "/proc/self/status"
GROUP = "/sys/fs/cgroup/user/cgroup"


class Machine:
    """A machine that allows everything but what it is told."""

    def __init__(self, *, files=None, kernel=(6, 8), limits=(1024, 524288), delegated=True, stop=None, **failures):
        self._files = {
            "/proc/self/cgroup": "0::/user\n",
            "/proc/self/mountinfo": "32 28 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "/proc/self/stat": "7 (python) S 1",
            "/proc/8/stat": "8 (sh) S 1",
            f"{GROUP}.controllers": "cpu memory pids\n",
            f"{GROUP}.type": "domain\n",
            f"{GROUP}.procs": "7\n",
            "/proc/sys/kernel/seccomp/actions_avail": "kill_process errno allow\n",
        }
        self._files |= files or {}
        self._kernel, self._limits, self._delegated = kernel, limits, delegated
        steps = STEPS if stop is None else STEPS[: STEPS.index(stop)]
        self._attempt = dict.fromkeys(steps, 0) | {name.replace("_", " "): error for name, error in failures.items()}

    def read(self, path):
        return self._files.get(path)

    def writable(self, path):
        return self._delegated and path.startswith("/sys/fs/cgroup/user")

    def kernel(self):
        return self._kernel

    def open_files(self):
        return self._limits

    def attempt(self):
        return self._attempt


def finding(machine, name):
    return next(each for each in check(machine) if each.name == name)


def no_namespaces(error, **files):
    return Machine(stop="user namespace", user_namespace=error, files=files)


def test_machine_that_allows_everything_is_fine():
    assert {each.health for each in check(Machine())} == {Health.OK}


@pytest.mark.parametrize(
    ("machine", "name", "remedy"),
    [
        pytest.param(Machine(kernel=(5, 11)), "kernel", "5.13", id="old-kernel"),
        pytest.param(no_namespaces(errno.EPERM, **{CLONE: "0\n"}), "user namespaces", "userns_clone=1", id="debian"),
        pytest.param(
            no_namespaces(errno.ENOSPC, **{MAXIMUM: "0\n"}), "user namespaces", "max_user_namespaces", id="max"
        ),
        pytest.param(
            no_namespaces(errno.ENOSPC, **{MAXIMUM: "5\n"}), "user namespaces", "max_user_namespaces", id="full"
        ),
        pytest.param(no_namespaces(errno.EINVAL), "user namespaces", "CONFIG_USER_NS", id="not-built"),
        pytest.param(
            no_namespaces(errno.EPERM, **{STATUS: "Seccomp:\t2\n"}),
            "user namespaces",
            "seccomp=unconfined",
            id="docker",
        ),
        pytest.param(
            no_namespaces(errno.EACCES, **{APPARMOR: "1\n"}),
            "user namespaces",
            "restrict_unprivileged_userns=0",
            id="apparmor",
        ),
        pytest.param(no_namespaces(errno.EPERM), "user namespaces", "security policy", id="unknown"),
        pytest.param(
            Machine(setgroups=errno.EACCES, files={APPARMOR: "1\n"}),
            "capabilities",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
            id="ubuntu-setgroups",
        ),
        pytest.param(
            Machine(mount=errno.EACCES, files={APPARMOR: "1\n"}),
            "capabilities",
            "restrict_unprivileged",
            id="ubuntu-mount",
        ),
        pytest.param(
            Machine(mount=errno.EPERM, files={STATUS: "Seccomp:\t2\n"}), "capabilities", "unconfined", id="docker-mount"
        ),
        pytest.param(
            Machine(files={"/proc/sys/kernel/seccomp/actions_avail": None}),
            "seccomp",
            "CONFIG_SECCOMP_FILTER",
            id="no-bpf",
        ),
        pytest.param(Machine(overlay=errno.ENODEV), "overlay", "modprobe overlay", id="no-overlay"),
        pytest.param(Machine(overlay=errno.EPERM, kernel=(5, 4)), "overlay", "5.13", id="old-overlay"),
        pytest.param(Machine(overlay=errno.EINVAL), "overlay", "--cache-root", id="overlay-on-nfs"),
    ],
)
def test_what_is_missing_comes_with_a_remedy(machine, name, remedy):
    found = finding(machine, name)
    assert found.health is Health.MISSING
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("machine", "name", "remedy"),
    [
        pytest.param(Machine(opaque=errno.EOPNOTSUPP), "overlay", "--cache-root", id="no-attributes"),
        pytest.param(Machine(proc=errno.EPERM), "proc", "systempaths=unconfined", id="masked-proc"),
        pytest.param(Machine(files={"/proc/self/cgroup": "1:cpu:/\n"}), "cgroups", "unified", id="cgroup-v1"),
        pytest.param(Machine(delegated=False), "cgroups", "Delegate=yes", id="not-delegated"),
        pytest.param(Machine(files={f"{GROUP}.controllers": "pids\n"}), "cgroups", "Delegate", id="few-controllers"),
        pytest.param(Machine(files={f"{GROUP}.procs": "7\n8\n"}), "cgroups", "Delegate", id="not-alone"),
        pytest.param(Machine(limits=(256, 1024)), "open files", "nofile", id="few-files"),
    ],
)
def test_what_is_degraded_comes_with_a_remedy(machine, name, remedy):
    found = finding(machine, name)
    assert found.health is Health.DEGRADED
    assert remedy in found.remedy


def test_filter_above_ours_is_told_of():
    machine = Machine(files={STATUS: "Seccomp:\t2\n"})
    assert finding(machine, "seccomp").health is Health.OK
    assert "applies to this program" in finding(machine, "seccomp").meaning


def test_no_limit_of_open_files_is_fine():
    assert finding(Machine(limits=(1024, -1)), "open files").health is Health.OK


def test_unusable_cache_directory_is_said_to_be_that():
    machine = Machine()
    machine._attempt = {}
    assert "cache directory" in finding(machine, "user namespaces").meaning


def test_explain_names_the_first_cause():
    machine = Machine(setgroups=errno.EACCES, files={APPARMOR: "1\n"})
    assert "apparmor_restrict_unprivileged_userns=0" in explain(errno.EACCES, "write setgroups", machine)


def test_explain_speaks_of_proc_only_if_proc_failed():
    machine = Machine(proc=errno.EPERM)
    assert "systempaths" in explain(errno.EPERM, "mount proc", machine)
    assert explain(errno.EPERM, "mount tmpfs", machine) is None


@pytest.mark.parametrize("error", [errno.ENOENT, errno.EACCES])
def test_explain_says_nothing_of_what_is_not_the_machines_fault(error):
    assert explain(error, "execve", no_namespaces(errno.EPERM)) is None


def test_rendering_shows_meaning_and_remedy():
    text = render(check(no_namespaces(errno.EPERM, **{CLONE: "0"})))
    assert "missing   user namespaces" in text
    assert "try: sudo sysctl -w kernel.unprivileged_userns_clone=1" in text
