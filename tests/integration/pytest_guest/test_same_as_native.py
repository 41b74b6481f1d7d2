"""Verdicts through the guest are those of plain pytest, test by test."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.integration.pytest_guest import harness
from tests.integration.pytest_guest.harness import assert_same, environment, make, native, ours


@pytest.fixture(autouse=True, params=sorted(harness.RUNNERS))
def runner(request, monkeypatch):
    monkeypatch.setattr(harness, "RUNNER", harness.RUNNERS[request.param])
    return request.param


KINDS = """
    import pytest

    def test_ok(): pass
    def test_bad(): assert [1, 2] == [1, 3]
    @pytest.mark.skip(reason="not now")
    def test_skip(): pass
    @pytest.mark.skipif(True, reason="never")
    def test_skipif(): pass
    @pytest.mark.skipif("False")
    def test_not_skipped(): pass
    def test_skips_itself(): pytest.skip("inside")
    @pytest.mark.xfail(reason="bug")
    def test_xfail(): assert 0
    @pytest.mark.xfail
    def test_xpass(): pass
    @pytest.mark.xfail(strict=True)
    def test_strict(): pass
    @pytest.fixture
    def broken(): raise RuntimeError("setup")
    @pytest.fixture
    def leaves(): yield; raise RuntimeError("teardown")
    def test_setup(broken): pass
    def test_teardown(leaves): pass
    def test_both(leaves): assert 0
    @pytest.mark.parametrize("x", ["a::b", "c/d.py", "[", "\\n", "\\u00e9"])
    def test_parameters(x): pass
    class TestClass:
        class TestInner:
            def test_method(self, record_property):
                record_property("key", object())
"""


def test_py1_py2_py5_every_kind_of_verdict(tmp_path):
    run = assert_same(make(tmp_path, test_kinds_py=KINDS))
    assert run.code == 1
    assert "as pytest counts: 3 failed, 9 passed, 3 skipped, 1 xfailed, 1 xpassed, 3 errors" in run.output


def test_py2_a_failure_is_shown_as_pytest_shows_it(tmp_path):
    project = make(tmp_path, test_a_py="def test_bad():\n    print('said')\n    assert 1 == 2\n")
    output = subprocess.run(
        [sys.executable, "-m", "pytest"], cwd=project, env=environment(), capture_output=True, text=True, check=False
    ).stdout
    start, end = output.index("___"), output.index("=== short test summary")
    shown = output[start:end].rstrip("=")
    assert shown in ours(project).output


def test_state_is_that_of_python_m_pytest(tmp_path):
    state = """
        import json, os, sys, signal, importlib.util
        import __main__

        def test_state(request):
            main = {k: str(getattr(__main__, k, None)) for k in ("__name__", "__package__", "__file__", "__doc__")}
            spec = __main__.__spec__
            state = {
                "path": sys.path, "argv": sys.argv, "orig": getattr(sys, "orig_argv", [])[1:], "main": main,
                "spec": [spec.name, spec.origin], "cwd": os.getcwd(),
                "environment": {k: v for k, v in os.environ.items() if k not in ("PYTEST_CURRENT_TEST", "LC_CTYPE")},
                "importable": [n for n in ("boot", "start", "plugin", "reports", "channel", "guest", "maelstrom_pytest")
                               if importlib.util.find_spec(n)],
                "ours": [n for n in sys.modules if "maelstrom" in n],
                "low": sorted(n for n in map(int, os.listdir("/proc/self/fd")) if n < 100),
                "signals": [str(signal.getsignal(n)) for n in (1, 2, 3, 10, 13, 15, 17)],
                "mask": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
                "stdin": os.readlink("/proc/self/fd/0"),
                "args": list(request.config.invocation_params.args), "rootdir": str(request.config.rootpath),
                "config_args": request.config.args,
            }
            state["argv"] = [a for a in sys.argv if "junit" not in a]
            state["orig"] = [a for a in state["orig"] if "junit" not in a]
            state["args"] = [a for a in state["args"] if "junit" not in a]
            with open(os.environ["STATE"], "w") as stream:
                json.dump(state, stream)
    """
    project = make(tmp_path / "p", test_state_py=state, pytest_ini="[pytest]\n")
    env = {name: value for name, value in environment().items() if name in {"PATH", "HOME", "LANG"}}
    native(project, "-s", "test_state.py", env=env | {"STATE": str(tmp_path / "native")})
    run = ours(project, "-s", "test_state.py", env=env | {"STATE": str(tmp_path / "ours")})
    assert run.code == 0, run.output
    states = [json.loads((tmp_path / name).read_text()) for name in ("native", "ours")]
    for state in states:
        state["environment"].pop("STATE")
        state["low"] = state["low"][:3]  # the report that the native run writes takes one
    assert states[1] == states[0]


def test_descriptors_are_those_of_a_native_run_and_children_inherit_none(tmp_path):
    counting = """
        import os, subprocess, sys
        COUNT = "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))"
        def test_low_descriptors_are_free():
            descriptor = os.open("/dev/null", os.O_RDONLY)
            os.close(descriptor)
            assert descriptor < 20
        def test_children_get_nothing():
            listed = subprocess.run([sys.executable, "-c", COUNT], close_fds=False, capture_output=True, text=True)
            assert eval(listed.stdout) == [0, 1, 2, 3]  # the last one is the listing's own
        def test_fork_and_run_on():
            child = os.fork()
            if child == 0:
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    """
    assert assert_same(make(tmp_path, test_fd_py=counting)).code == 0


def test_a_forked_child_that_runs_on_reports_nothing(tmp_path):
    forking = """
        import os
        def test_fork():
            if os.fork() == 0:
                raise RuntimeError("in the child")
        def test_after(): pass
    """
    run = ours(make(tmp_path, test_fork_py=forking))
    assert run.code == 0, run.output
    assert "as pytest counts: 2 passed" in run.output


def test_only_files_of_the_selection_are_entered(tmp_path, runner):
    touching = """
        import os
        with open(os.environ["TOUCHED"], "a") as stream:
            stream.write(__name__ + "\\n")
        def test_x(): pass
    """
    project = make(tmp_path / "p", test_a_py=touching, test_b_py=touching, sub__test_c_py=touching)
    env = environment(TOUCHED=str(tmp_path / "touched"))
    assert ours(project, env=env).code == 0
    touched = (tmp_path / "touched").read_text().split()
    # once when collected, once when run; once more by a template, which refuses to be one since it writes something
    times = 3 if runner == "template" else 2
    assert {name: touched.count(name) for name in touched} == {"test_a": times, "test_b": times, "test_c": times}


PACKAGES = {
    "conftest.py": "import pytest\n@pytest.fixture\ndef base(): return 1\n",
    "tests/__init__.py": "",
    "tests/conftest.py": "import pytest\n@pytest.fixture(scope='package')\ndef pack(): return 2\n",
    "tests/test_a.py": "from . import helper\ndef test_x(pack): assert helper.VALUE\n",
    "tests/helper.py": "VALUE = 1\n",
    "tests/sub/__init__.py": "",
    "tests/sub/test_a.py": "def test_x(pack): pass\ndef test_y(): pass\n",
    "flat/test_flat.py": "import neighbour\ndef test_z(base): pass\n",
    "flat/neighbour.py": "",
}


ARGUMENTS = [
    (),
    ("tests",),
    ("tests/sub/test_a.py::test_y", "tests/test_a.py"),
    ("tests/sub", "flat", "tests/test_a.py::test_x"),
    ("-k", "test_y or test_z"),
    ("-p", "no:terminal"),
    ("-p", "no:cacheprovider", "-x"),
    ("--lf",),
    ("--import-mode=importlib", "tests"),
    ("--import-mode=append",),
    ("--pyargs", "tests.sub"),
    ("--rootdir=tests", "tests/sub"),
    ("tests/test_a.py", "tests/test_a.py", "--keep-duplicates"),
    ("-p", "xdist", "-n2", "tests"),
    ("-p", "xdist", "--dist=loadfile", "-n", "2", "--ff", "--sw", "flat"),
]
# what arguments mean is decided when tests are collected, which is the same for both: so some will do where each test
# starts a pytest of its own
FRESH = [
    (),
    ("tests/sub/test_a.py::test_y", "tests/test_a.py"),
    ("--pyargs", "tests.sub"),
    ("-p", "xdist", "-n2", "tests"),
]


@pytest.mark.parametrize(
    ("runner", "arguments"),
    [*(("template", arguments) for arguments in ARGUMENTS), *(("fresh", arguments) for arguments in FRESH)],
    indirect=["runner"],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_arguments_mean_what_they_mean_natively(tmp_path, arguments):
    assert assert_same(make(tmp_path, PACKAGES), *arguments).code == 0


def test_collectors_of_other_kinds(tmp_path):
    project = make(
        tmp_path,
        conftest_py="""
            import pytest
            class File(pytest.File):
                def collect(self):
                    for line in self.path.read_text().split():
                        yield Line.from_parent(self, name=line)
            class Line(pytest.Item):
                def runtest(self): assert self.name != "bad"
            def pytest_collect_file(parent, file_path):
                if file_path.suffix == ".lines":
                    return File.from_parent(parent, path=file_path)
            def pytest_collection_modifyitems(session, items):
                items.reverse()
                items.append(Line.from_parent(session, name="added"))
        """,
        data__some_lines="good\nbad\ngood\n",
        module_py='''
            def double(x):
                """
                >>> double(2)
                4
                """
                return 2 * x
        ''',
        test_unit_py="""
            import unittest
            class Case(unittest.TestCase):
                def test_ok(self): pass
                @unittest.skip("unit")
                def test_skip(self): pass
                @unittest.expectedFailure
                def test_xfail(self): assert 0
        """,
    )
    run = assert_same(project, "--doctest-modules")
    assert "some.lines::bad" in run.output
    assert run.code == 1


def test_modules_that_skip_themselves_are_counted(tmp_path):
    project = make(
        tmp_path,
        test_skipped_py="import pytest\npytest.importorskip('no_such_module')\ndef test_x(): pass\n",
        test_ok_py="def test_x(): pass\n",
    )
    assert "1 passed, 1 skipped" in assert_same(project).output


def test_options_from_the_configuration_and_the_environment(tmp_path):
    project = make(
        tmp_path,
        pytest_ini="[pytest]\naddopts = -p xdist -n 2 --maxfail=1 -p no:warnings\ntestpaths = checks\n",
        checks__test_a_py="def test_x(worker_id, testrun_uid): assert worker_id\n",
        test_elsewhere_py="def test_not_collected(): assert 0\n",
    )
    run = ours(project, env=environment(PYTEST_ADDOPTS="--dist load"))
    assert (run.code, sum(run.cases.values())) == (0, 1), run.output


@pytest.mark.skipif(
    int(pytest.__version__.split(".", maxsplit=1)[0]) < 9, reason="subtests are built in since pytest 9"
)
def test_subtests(tmp_path):
    project = make(
        tmp_path,
        test_sub_py="""
            def test_some_fail(subtests):
                for i in range(3):
                    with subtests.test(i=i):
                        assert i != 1
            def test_all_pass(subtests):
                with subtests.test("one"):
                    pass
        """,
    )
    run = ours(project)
    assert run.code == 1
    assert "test_sub.py::test_some_fail" in run.output
    assert "(i=1)" in run.output
    assert "as pytest counts: 2 failed, 1 passed" in run.output  # the subtest and the test around it


def test_tests_that_need_their_neighbours_collected_are_run_with_them(tmp_path):
    project = make(
        tmp_path,
        a__test_first_py="def test_first(): pass\n",
        a__only_here_py="",
        b__test_second_py="import only_here\ndef test_second(): pass\n",
    )
    run = assert_same(project, refused=True)
    assert run.code == 0
    assert run.jobs == 4
