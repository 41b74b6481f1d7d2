"""A kept result holds exactly as long as nothing has changed that the test could see."""

import os
import time

import pytest
from msgspec.structs import replace

from maelstrom_core.job import Effects, Output
from maelstrom_core.spec import ContainerSpec, EnvironmentElement, JobSpec, Network
from maelstrom_go_test.caching import PackageCache
from maelstrom_go_test.inputs import Inputs
from maelstrom_go_test.packages import Dependency, Package, opaque_packages

LOG = "# test log\ngetenv HOME\nopen testdata/a\nchdir {0}/other\nopen x.go\nstat /nowhere\n"


class Project:
    """A module with two packages, old enough that nothing in it is being written."""

    def __init__(self, root, monkeypatch):
        self.root = root / "m"
        self.results = root / "results"
        self.results.mkdir()
        for name in ("go.mod", "p/a.go", "p/testdata/a", "other/x.go", "other/y.go"):
            self.write(name, "text")
        self.write("p.test", "binary")
        monkeypatch.setattr("maelstrom_go_test.inputs.GRANULE", -3600)
        self.environment = {"A": "1"}
        self.said = ContainerSpec()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)

    def open(self, *, opaque=False):
        package = Package(ImportPath="m/p", Dir=str(self.root / "p"))
        inputs = Inputs([str(self.root)], programs="/usr/bin", without=[str(self.root / "p.test")])
        return PackageCache(self.results, package, inputs, self.root / "p.test", opaque=opaque)

    def spec(self, *arguments):
        container = ContainerSpec(environment=(EnvironmentElement(self.environment),))
        return JobSpec(container=container, program="/p.test", arguments=arguments)

    def holds(self, *arguments, timeout=None, **options):
        return self.open(**options).find("TestA", self.spec(*arguments), self.said, timeout) is not None

    def keep(self, log=LOG, **options):
        cache = self.open(**options)
        cache.find("TestA", self.spec(), self.said, None)
        log = log.format(self.root).encode()
        cache.keep("TestA", Effects(stdout=Output(b"PASS"), stderr=Output(b""), result=Output(log), duration=0.5))


@pytest.fixture
def project(tmp_path, monkeypatch):
    return Project(tmp_path, monkeypatch)


CHANGES = {
    "nothing": (lambda _: None, True),
    "the binary": (lambda project: project.write("p.test", "another"), False),
    "a file that it has read": (lambda project: project.write("p/testdata/a", "another text"), False),
    "a file that it has not read": (lambda project: project.write("data", ""), False),
    "a module file": (lambda project: project.write("go.mod", "another text"), False),
    "a source that it has read": (lambda project: project.write("other/x.go", "another text"), False),
    "a source of another package": (lambda project: project.write("other/y.go", "another text"), True),
    "a source of its own": (lambda project: project.write("p/a.go", "another text"), False),
    "permissions": (lambda project: (project.root / "go.mod").chmod(0o600), False),
    "a variable": (lambda project: project.environment.update(A="2"), False),
    "the shell": (lambda project: project.environment.update(SHLVL="7"), True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_result_holds_while_nothing_has_changed(project, change):
    project.keep()
    assert project.holds()
    do, holds = CHANGES[change]
    do(project)
    assert project.holds() is holds


def test_time_that_is_put_back_hides_no_change(project):
    project.keep()
    path = project.root / "p/testdata/a"
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # a clock of files ticks slowly
        path.write_text("TEXT")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not project.holds()


def test_arguments_and_time_belong_to_it(project):
    project.keep()
    assert not project.holds("-test.short")
    assert not project.holds(timeout=5)


def test_any_source_matters_to_a_test_that_may_start_programs(project):
    project.keep(opaque=True)
    assert project.holds(opaque=True)
    project.write("other/y.go", "another text")
    assert not project.holds(opaque=True)


def test_nothing_is_kept_of_what_is_not_known(project, monkeypatch):
    project.keep(log=LOG.removesuffix("\n"))
    assert not project.holds()
    project.said = ContainerSpec(mounts=())
    project.keep()
    project.said = ContainerSpec()
    assert not project.holds()
    monkeypatch.setattr("maelstrom_go_test.inputs.GRANULE", 0.5)
    project.write("p/a.go", str(time.time()))  # it may be written once more in the same moment
    project.keep()
    assert not project.holds()


def test_a_container_with_the_network_of_the_machine_is_never_the_same(project):
    spec = replace(project.spec(), container=replace(project.spec().container, network=Network.LOCAL))
    cache = project.open()
    assert cache.find("TestA", spec, project.said, None) is None
    cache.keep("TestA", Effects(result=Output(b"# test log\n")))
    assert not any(project.results.iterdir())


def test_packages_whose_tests_can_read_without_a_trace():
    sources = {
        "/b/b.go": b"package b\nfunc x() { os.StartProcess(y) }",
        "/c/c_test.go": b"\nfunc TestMain(m *testing.M) {",
    }
    found = [
        Dependency("os/exec", Standard=True, Imports=("syscall",)),
        Dependency("m/a", Dir="/a", Imports=("os/exec",)),
        Dependency("m/b", Dir="/b", GoFiles=("b.go",), Imports=("os",)),
        Dependency("m/c [m/c.test]", Dir="/c", GoFiles=("c_test.go",)),
        Dependency("m/d", Dir="/d", GoFiles=("d.go",)),
        *(Dependency(f"m/{name}.test", Deps=(*deps, "os/exec")) for name, deps in {
            "a": ["m/a"], "b": ["m/b"], "c": ["m/c [m/c.test]"], "d": ["m/d"], "e": ["m/d", "m/a"],
        }.items()),
    ]  # fmt: skip
    assert opaque_packages(found, lambda path: sources.get(path, b"")) == {"m/a", "m/b", "m/c", "m/e"}
