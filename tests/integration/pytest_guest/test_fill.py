"""Caches of libraries that are full before tests begin, and what is left alone."""

from __future__ import annotations

from tests.integration.pytest_guest.harness import make, warm


def test_what_freezegun_notes_of_modules_is_noted_before_tests_begin(tmp_path):
    frozen = """
        import sys, time, types
        import freezegun, freezegun.api, pytest

        class Lazy(types.ModuleType):
            def __dir__(self):
                return ["part"]

            def __getattr__(self, name):
                raise SystemExit("an attribute was asked for")

        sys.modules["lazy"] = Lazy("lazy")
        mine = types.ModuleType("mine")
        mine.now = time.time
        sys.modules["mine"] = mine

        @pytest.mark.parametrize("number", range(3))
        def test_time_stands_still(number):
            noted = freezegun.api._GLOBAL_MODULES_CACHE
            assert len(noted) > 50
            assert [name for name, _ in noted["mine"][1]] == ["now"]
            assert "lazy" not in noted
            del sys.modules["lazy"]
            mine.later = time.time  # what has come since is found as well
            with freezegun.freeze_time("2011-01-01"):
                assert mine.now() == mine.later() == time.time() == 1293840000
            assert mine.now is time.time
            assert mine.now() > 1293840000 + 3600
    """
    assert "as pytest counts: 3 passed" in warm(make(tmp_path / "p", test_frozen_py=frozen)).output


def test_where_time_is_frozen_already_nothing_is_noted(tmp_path):
    frozen = """
        import time, types, sys
        import freezegun, freezegun.api, pytest

        freezegun.freeze_time("2011-01-01").start()
        noted = dict(freezegun.api._GLOBAL_MODULES_CACHE)

        def test_time_stands_still():
            assert freezegun.api._GLOBAL_MODULES_CACHE == noted
            assert time.time() == 1293840000
    """
    assert "as pytest counts: 1 passed" in warm(make(tmp_path / "p", test_frozen_py=frozen)).output


def test_a_module_that_loads_others_when_looked_at_is_noted_without_them(tmp_path):
    frozen = """
        import sys, time, types, warnings
        import freezegun, freezegun.api, pytest

        class Lazy(types.ModuleType):
            def __dir__(self):
                return ["part"]

            def __getattr__(self, name):
                if name != "part":
                    raise AttributeError(name)
                warnings.warn("old", DeprecationWarning)
                sys.modules["loaded"] = types.ModuleType("loaded")
                return self.kept

        sys.modules["lazy"] = Lazy("lazy")
        sys.modules["lazy"].kept = 1
        sys.modules["clock"] = Lazy("clock")
        sys.modules["clock"].kept = time.time

        @pytest.mark.filterwarnings("error")
        @pytest.mark.parametrize("number", range(3))
        def test_time_stands_still(number):
            noted = freezegun.api._GLOBAL_MODULES_CACHE
            assert noted["lazy"][1] == []
            assert "clock" not in noted, "it has one, which a fork could not bring here"
            assert "loaded" not in sys.modules
            with freezegun.freeze_time("2011-01-01"):
                assert sys.modules["clock"].part() == 1293840000
    """
    config = "[pytest]\nfilterwarnings = error\n"
    project = make(tmp_path / "p", test_frozen_py=frozen)
    (project / "pytest.ini").write_text(config)
    assert "as pytest counts: 3 passed" in warm(project).output


def test_which_module_is_of_which_file_is_known_before_tests_begin(tmp_path):
    asking = """
        import inspect, os, sys, types
        import pytest

        linked = types.ModuleType("linked")
        linked.__file__ = os.path.abspath("link.py")
        os.path.exists("link.py") or os.symlink(__file__, "link.py")
        sys.modules["linked"] = linked

        @pytest.mark.parametrize("number", range(3))
        def test_modules(number):
            assert inspect.modulesbyfile[os.path.realpath(pytest.__file__)] == "pytest"
            assert inspect.modulesbyfile[linked.__file__] == "linked"
            assert inspect._filesbymodname["linked"] == linked.__file__
            known = {name: file for name, file in inspect._filesbymodname.items() if name != "linked"}
            other = types.ModuleType("other")
            other.__file__ = os.path.abspath("other.py")
            sys.modules["other"] = other  # what has come since is found as well
            code = compile("1", other.__file__, "eval")
            assert inspect.getmodule(code) is other
            by_itself = dict(inspect.modulesbyfile)
            inspect._filesbymodname.clear(), inspect.modulesbyfile.clear()
            inspect.getmodule(compile("1", "/nowhere", "eval"))
            assert by_itself == inspect.modulesbyfile
    """
    assert "as pytest counts: 3 passed" in warm(make(tmp_path / "p", test_asking_py=asking)).output
