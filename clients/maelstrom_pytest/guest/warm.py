"""Warms pytest up before it starts: its first tests would, in each fork anew, fill caches and specialise bytecode.

A session of pytest's own plugins runs a few made-up tests, nested in this process before the real one begins. No
plugin, conftest or configuration of the project is loaded yet, so nobody can see it; what a session sets up it takes
down again. Whatever goes wrong in here does not matter.

Runs inside the container; see the package. Imports nothing but pytest and the standard library.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import types

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

ROUNDS = 4  # of six tests: interpreters specialise what has been run about eight times
# what would leave a trace (a file, the handler of faults), or has nothing to do for a test that passes
WITHOUT = ("cacheprovider", "faulthandler", "junitxml", "pastebin", "stepwise", "nose")


def warm_up() -> None:
    """Run the made-up tests."""
    kept = {
        name: os.environ.get(name) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    }
    arguments = ["-q", "-c", os.devnull, "--rootdir=/", "--noconftest", *(f"-pno:{name}" for name in WITHOUT)]
    directory = os.getcwd()
    gc.freeze()  # it collects garbage at its end, more than once
    try:
        for name in kept:
            os.environ.pop(name, None)
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            pytest.main(arguments, plugins=[MadeUp()])
    except BaseException:  # noqa: BLE001 a pytest that is too different
        return
    finally:
        gc.unfreeze()
        os.chdir(directory)
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


class MadeUp:
    """Puts made-up tests in the place of what would be collected."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: Any) -> bool:
        module = pytest.Module.from_parent(session, path=session.path / "made_up.py", nodeid="made_up.py")
        module.obj = made_up()
        session.items = [item for _round in range(ROUNDS) for item in session.genitems(module)]
        session.testscollected = len(session.items)
        return True


def made_up() -> types.ModuleType:
    """Return a module with tests of the usual kinds."""
    module = types.ModuleType("made_up")

    @pytest.fixture
    def value() -> int:
        return 1

    @pytest.fixture
    def lasting(value: int) -> Iterator[int]:
        yield value  # noqa: PT022 a generator is what is to be warmed up

    def test_plain() -> None:
        pass

    def test_fixtures(lasting: int, value: int) -> None:
        pass

    @pytest.mark.parametrize("number", [1, 2])
    def test_parameters(number: int) -> None:
        pass

    class TestMethods:
        def test_method(self) -> None:
            pass

    things = {"value": value, "lasting": lasting, "test_plain": test_plain, "test_fixtures": test_fixtures}
    vars(module).update(things, test_parameters=test_parameters, TestMethods=TestMethods)
    return module
