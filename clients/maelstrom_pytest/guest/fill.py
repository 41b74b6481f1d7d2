"""Fills caches that libraries would fill in the first test that uses them: in each fork anew, as each is the first one.

Only what a library finds out about what is loaded, and looks at again before it relies on it; nothing that a test can
tell from what the library would have done itself.

Runs inside the container; see the package. Imports nothing but the standard library.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TextIO

PATIENCE = 5  # seconds; what takes longer is not noted


def fill(*, for_many: bool) -> None:
    """Fill those of the libraries that are loaded; `for_many`: there will be enough tests for what most do not use."""
    freezegun = sys.modules.get("freezegun.api")
    if freezegun is not None:
        fill_freezegun(freezegun)
    if for_many and "inspect" in sys.modules:
        with suppress(Exception):  # another version of it
            fill_inspect(sys.modules["inspect"])


def fill_freezegun(api: Any) -> None:
    """Have freezegun note what in which module is a clock: 19 ms for 400 modules, where checking that takes 3.

    It keeps that with the names that a module had, and looks anew when they are others. Not while time is frozen, for
    then the clocks in modules are its own.
    """
    look = getattr(api, "_get_cached_module_attributes", None)
    if look is None or getattr(api, "freeze_factories", True):
        return
    others = []
    for module in list(sys.modules.values()):
        if inert(module):
            with suppress(Exception):  # another version of it
                look(module)
        elif module is not None:
            others.append(module)
    with suppress(Exception):
        for name, known_by in tried_out(api, others):
            api._GLOBAL_MODULES_CACHE[name] = (known_by, [])


def inert(module: object) -> bool:
    """Tell whether looking at a module's attributes runs nothing: what it would load is not to be loaded by us."""
    return type(module) is ModuleType and not {"__getattr__", "__dir__"} & vars(module).keys()


def tried_out(api: Any, modules: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield the names of the modules that have no clocks, and by what freezegun knows each again as it is now.

    To look at them may load others (5 ms for those of concurrent.futures alone), so a fork does, which is gone then.
    """
    with os.fdopen(os.memfd_create("noted"), "r+", encoding="utf-8") as notes:
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(PATIENCE)
                try_out(api, modules, notes)
            os._exit(0)
        os.waitpid(child, 0)
        notes.seek(0)
        for line in notes:
            name, _, known_by = line.rstrip("\n").partition("\t")
            yield name, known_by


def try_out(api: Any, modules: list[Any], notes: TextIO) -> None:
    """Look at modules, in a fork, and write down those without a clock."""
    import warnings

    warnings.simplefilter("ignore")  # as freezegun does while it looks
    sys.dont_write_bytecode = True
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    known_by = {}
    for module in modules:  # all of them first: looking at one may change another
        with suppress(BaseException):
            known_by[module.__name__] = api._get_module_attributes_hash(module)
    for module in modules:
        with suppress(BaseException):
            if not api._get_cached_module_attributes(module):
                notes.write(f"{module.__name__}\t{known_by[module.__name__]}\n")
    notes.flush()


def fill_inspect(inspect: Any) -> None:
    """Have inspect note which module is of which file, which all who want source wait for: 12 ms for 400 modules.

    A test that fails does. It keeps that with the file that a module said it had, and looks at those that say another.
    """
    places: dict[str, str] = {}
    for name, module in list(sys.modules.items()):
        file = vars(module).get("__file__") if inert(module) else None
        if not isinstance(file, str) or not os.path.isabs(file) or inspect._filesbymodname.get(name) == file:
            continue
        path = inspect.getabsfile(module)
        directory, last = os.path.split(path)
        if directory not in places:
            places[directory] = os.path.realpath(directory)
        real = os.path.realpath(path) if os.path.islink(path) else os.path.join(places[directory], last)
        inspect._filesbymodname[name] = file
        inspect.modulesbyfile[path] = inspect.modulesbyfile[real] = module.__name__
