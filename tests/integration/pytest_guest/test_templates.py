"""Forks of templates: nothing leaks between them, each is a process of its own, and what cannot be forked is seen."""

from __future__ import annotations

import pytest

from maelstrom_core.job import Signaled
from tests.integration.pytest_guest.harness import environment, make, native, ours, warm
from tests.integration.pytest_guest.template_runner import TemplateRunner

LEAK = """
    import builtins, gc, io, json, locale, logging, os, random, signal, sys, time, warnings
    import pytest

    STATE = {}
    random_at_import = random.getstate()

    @pytest.fixture(scope="session")
    def shared():
        STATE["session"] = True
        return []

    @pytest.fixture(autouse=True, scope="module")
    def module_wide():
        assert "module" not in STATE
        STATE["module"] = True

    def look(shared):
        assert set(STATE) <= {"session", "module"}
        assert shared == []
        assert "LEAKED" not in os.environ
        assert "TZ" not in os.environ
        assert "/leaked" not in sys.path
        assert not hasattr(builtins, "leaked")
        assert builtins.sorted is not reversed
        assert "leaked" not in sys.modules
        assert not os.path.exists("leaked")
        assert os.path.basename(os.getcwd()) == "p"
        mask = os.umask(0)
        os.umask(mask)
        assert mask != 0o070
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
        assert not [each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler)
                    and each.stream is sys.__stdout__]
        assert logging.getLogger("leaky").level == logging.NOTSET
        assert locale.getlocale()[0] != "C.UTF-8-leaked"
        assert sys.getrecursionlimit() != 4321
        assert not [each for each in warnings.filters if each[0] == "once"]
        assert gc.isenabled()
        assert gc.get_threshold()[0] != 12345
        assert random.getstate() != random_at_import

    def leak(shared):
        STATE["leaked"] = True
        shared.append(1)
        os.environ["LEAKED"] = "1"
        os.environ["TZ"] = "Asia/Tokyo"
        time.tzset()
        sys.path.insert(0, "/leaked")
        builtins.leaked = 1
        builtins.sorted = reversed
        sys.modules["leaked"] = sys
        os.umask(0o070)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        logging.getLogger().addHandler(logging.StreamHandler(sys.__stdout__))
        logging.getLogger("leaky").setLevel(1)
        sys.setrecursionlimit(4321)
        warnings.simplefilter("once")
        gc.disable()
        gc.set_threshold(12345)
        os.chdir("/")

    @pytest.mark.parametrize("number", range(4))
    def test_each_sees_a_fresh_process(shared, number, tmp_path, monkeypatch):
        look(shared)
        leak(shared)

    class TestToo:
        kept = []
        def test_one(self, shared):
            assert not self.kept
            self.kept.append(1)
            look(shared)
            leak(shared)
        test_two = test_one
"""


def test_nothing_leaks_from_one_fork_to_another(tmp_path):
    run = warm(make(tmp_path / "p", test_leak_py=LEAK))
    assert "as pytest counts: 6 passed" in run.output


def test_output_is_captured_apart_although_templates_had_begun_to_capture(tmp_path):
    project = make(
        tmp_path,
        conftest_py="print('of conftest')",
        test_a_py="""
            import os, subprocess, sys, pytest
            print("of the module")
            @pytest.mark.parametrize("number", range(3))
            def test_says(number, capfd):
                assert capfd.readouterr().out == ""
                print(f"out {number}")
                subprocess.run(["echo", f"child {number}"])
                assert capfd.readouterr().out == f"out {number}\\nchild {number}\\n"
                sys.stderr.write("err")
                assert capfd.readouterr().err == "err"
            @pytest.mark.parametrize("number", range(3))
            def test_shows(number):
                print(f"out {number}")
                os.write(2, b"low %d" % number)
                assert 0
        """,
    )
    run = warm(project)
    assert "as pytest counts: 3 failed, 3 passed" in run.output
    for number in range(3):
        assert run.output.count(f"\nout {number}\n") == 1
        assert run.output.count(f"low {number}") == 1


@pytest.mark.parametrize("arguments", [("-s",), ("--capture=sys",), ("--capture=tee-sys",), ("--capture=fd",)], ids=str)
def test_what_is_not_captured_goes_to_the_output_of_the_job(tmp_path, arguments):
    project = make(
        tmp_path,
        test_a_py="""
            import os, sys
            def test_says(capfd):
                with capfd.disabled():
                    print("said aloud")
                    os.write(2, b"said low")
        """,
    )
    *_, outcome = warm(project, *arguments).outcomes
    assert b"said aloud\n" in outcome.effects.stdout.data
    assert b"said low" in outcome.effects.stderr.data


def test_the_handler_of_faults_writes_to_the_error_output_of_the_job(tmp_path):
    project = make(tmp_path, test_a_py="import ctypes\ndef test_crash(): ctypes.string_at(0)\n")
    run = warm(project)
    assert run.code == 1
    assert "SIGSEGV" in run.output
    assert isinstance(run.outcomes[-1], Signaled)
    assert b"test_crash" in run.outcomes[-1].effects.stderr.data


def test_logging_is_as_in_a_process_of_its_own(tmp_path):
    project = make(
        tmp_path,
        pytest_ini="[pytest]\nlog_file = log.txt\nlog_file_level = INFO\n",
        test_a_py="""
            import logging, os, pytest
            @pytest.mark.parametrize("number", range(2))
            def test_logs(number, caplog):
                logging.getLogger("a").info("line %d", number)
                logging.getLogger("a").warning("shown %d", number)
                assert [each.message for each in caplog.records] == [f"line {number}", f"shown {number}"]
                with open("log.txt") as stream:
                    text = stream.read()
                assert f"line {number}" in text and f"shown {number}" in text
                assert f"shown {1 - number}" not in text
        """,
    )
    assert "2 passed" in warm(project).output


def test_random_numbers_are_new_in_each_fork_unless_the_project_gave_a_seed(tmp_path):
    drawing = """
        import os, random, tempfile, uuid, pytest
        {seed}
        @pytest.mark.parametrize("number", range(3))
        def test_draw(number):
            with open(os.environ["DRAWN"], "a") as stream:
                stream.write("{name} %r\\n" % random.random())
                stream.write("name %s\\n" % os.path.basename(tempfile.mktemp()))
    """
    project = make(
        tmp_path / "p",
        test_free_py=drawing.format(seed="random.random()", name="free"),
        test_seeded_py=drawing.format(seed="random.seed(7); random.random()", name="seeded"),
    )
    warm(project, env=environment(DRAWN=str(tmp_path / "drawn")))
    lines = [line.split() for line in (tmp_path / "drawn").read_text().splitlines()]
    drawn = {name: [value for each, value in lines if each == name] for name in ("free", "seeded", "name")}
    assert len(set(drawn["free"])) == 3
    assert set(drawn["seeded"]) == {"0.15084917392450192"}
    assert len(set(drawn["name"])) == 6


def test_files_read_by_several_forks_have_a_position_in_each(tmp_path):
    project = make(
        tmp_path,
        data_txt="one two",
        test_a_py="""
            import pytest
            DATA = open("data.txt")
            assert DATA.read(3) == "one"
            @pytest.mark.parametrize("number", range(3))
            def test_reads_on(number):
                assert DATA.read() == " two"
            def test_raw():
                assert DATA.buffer.raw.seek(4) == 4 and DATA.buffer.raw.read() == b"two"
        """,
    )
    assert "4 passed" in warm(project).output


def test_directories_made_while_loading_are_made_again(tmp_path):
    project = make(
        tmp_path,
        conftest_py="import os\nMADE = f'made/{os.getpid()}'\nos.makedirs(MADE)\n",
        test_a_py="""
            import os, pytest, conftest
            @pytest.mark.parametrize("number", range(2))
            def test_there(number):
                os.rmdir(conftest.MADE)
        """,
    )
    assert "2 passed" in warm(project).output


def test_what_the_collector_is_asked_is_answered_about_the_whole_heap(tmp_path):
    project = make(
        tmp_path,
        test_a_py="""
            import gc, weakref
            class Node: pass
            node = Node()
            node.self = node
            other = [node]
            def test_cycle():
                global node
                reference = weakref.ref(node)
                found = [each is other for each in gc.get_referrers(node)]
                assert any(found)
                found = [each is node for each in gc.get_objects()]
                assert any(found)
                del node, other[:]
                gc.collect()
                assert reference() is None
        """,
    )
    assert "1 passed" in warm(project).output


def test_hooks_at_the_end_of_a_session_are_called_where_the_project_has_some(tmp_path):
    project = make(
        tmp_path,
        conftest_py="""
            import os, pytest
            def note(word):
                with open("notes", "a") as stream:
                    stream.write(word + " ")
            @pytest.fixture(scope="session")
            def lasting(): yield; note("torn")
            def pytest_sessionfinish(session, exitstatus): note(f"finished:{int(exitstatus)}")
            def pytest_unconfigure(config): note("unconfigured")
        """,
        test_a_py="def test_x(lasting): pass\ndef test_y(): assert 0\n",
    )
    warm(project)
    words = (project / "notes").read_text().split()
    assert words[-5:] == ["torn", "finished:0", "unconfigured", "finished:1", "unconfigured"]


def test_a_conftest_below_the_root_gets_the_end_of_a_session_that_it_asks_for(tmp_path):
    project = make(
        tmp_path,
        conftest_py="",
        deep__conftest_py="""
            def pytest_sessionfinish(session):
                reporter = session.config.pluginmanager.getplugin("terminalreporter")
                with open("notes", "w") as stream:
                    stream.write(f"passed {len(reporter.stats.get('passed', ()))}")
        """,
        deep__test_a_py="def test_x(): pass\n",
    )
    warm(project)
    assert (project / "notes").read_text() == "passed 1"


def test_exit_functions_and_threads_that_last_are_waited_for(tmp_path):
    project = make(
        tmp_path,
        test_a_py="""
            import atexit, os, threading
            def note(word):
                with open("notes", "a") as stream:
                    stream.write(word + " ")
            def test_x():
                gate = threading.Event()
                atexit.register(note, "exit")
                threading.Thread(target=lambda: (gate.wait(), note("thread"))).start()
                threading.Timer(0.01, gate.set).start()
        """,
    )
    warm(project)
    assert (project / "notes").read_text() == "thread exit "


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("import threading; threading.Thread(target=event.wait, name='worker', daemon=True).start()", "thread: worker"),
        ("import subprocess; P = subprocess.Popen(['sleep', '100'])", "process that still runs"),
        ("import asyncio; L = asyncio.new_event_loop(); asyncio.set_event_loop(L)", "event loop of asyncio"),
        ("import asyncio; L = asyncio.new_event_loop()", "cannot be shared between tests"),
        ("import select; E = select.epoll()", "cannot be shared between tests"),
        ("import socket; S = socket.socket()", "cannot be shared between tests: socket"),
        ("import os; P = os.pipe()", "cannot be shared between tests: pipe"),
        ("F = open('mine', 'w')", "open for writing"),
        ("open('mine', 'w').close()", "mine while it was loaded"),
    ],
    ids=lambda value: value.split(";")[0].replace("import ", "") if ";" in value else None,
)
@pytest.mark.parametrize("where", ["conftest.py", "test_a.py"])
def test_what_a_fork_cannot_carry_is_refused_with_its_reason_and_runs_in_a_process_of_its_own(
    tmp_path, statement, reason, where
):
    code = f"import threading\nevent = threading.Event()\n{statement}\n"
    files = {"conftest.py": "", "test_a.py": "", "test_b.py": "def test_y(): pass\n"}
    files[where] += code
    files["test_a.py"] += "def test_x(): pass\n"
    runner = TemplateRunner()
    run = ours(make(tmp_path, files), runner=runner)
    assert "as pytest counts: 2 passed" in run.output
    (said,) = runner.refusals
    assert reason in said
    assert runner.warm == (0 if where == "conftest.py" else 1)  # the other file's


def test_caches_written_while_loading_are_no_hindrance(tmp_path):
    project = make(tmp_path, helper_py="", test_a_py="import helper\ndef test_x(): pass\n")
    run = warm(project, env={k: v for k, v in environment().items() if k != "PYTHONDONTWRITEBYTECODE"})
    assert run.code == 0
    assert (project / "__pycache__").is_dir()


def test_a_job_may_be_forked_from_the_base_without_a_stage(tmp_path):
    project = make(tmp_path, test_a_py="import pytest\n@pytest.mark.parametrize('n', [1, 2])\ndef test_x(n): pass\n")
    runner = TemplateRunner(stages=False)
    run = ours(project, runner=runner)
    assert "2 passed" in run.output
    assert (runner.warm, runner.refusals) == (2, [])


@pytest.mark.parametrize("isolation", ["function", "class", "module"])
def test_several_tests_share_a_fork_where_they_are_asked_to(tmp_path, isolation):
    project = make(
        tmp_path,
        test_a_py="""
            import pytest
            seen = []
            @pytest.mark.parametrize("n", range(3))
            def test_x(n):
                assert len(seen) == n
                seen.append(n)
            class TestClass:
                def test_a(self): pass
                def test_b(self): assert 0
                def test_c(self): pytest.skip("no")
        """,
    )
    run = warm(project, isolation=isolation)
    assert run.cases == native(project)


def test_a_test_that_dies_costs_only_itself_in_a_shared_fork(tmp_path):
    project = make(tmp_path, test_a_py="import os\ndef test_a(): pass\ndef test_b(): os._exit(0)\ndef test_c(): pass\n")
    run = warm(project, isolation="module")
    assert "as pytest counts: 2 passed" in run.output
    assert "test_b: did not end" in run.output
    assert "ended with exit code 0 before pytest did" in run.output
