"""Caches of libraries that are full before tests begin, and what is left alone."""

from __future__ import annotations

from tests.integration.pytest_guest.harness import make, warm


def test_what_freezegun_notes_of_modules_is_noted_before_tests_begin(tmp_path):
    frozen = """
        import sys, time, types
        import freezegun, freezegun.api, pytest

        class Lazy(types.ModuleType):
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
