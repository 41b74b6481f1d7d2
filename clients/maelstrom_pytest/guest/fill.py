"""Fills caches that libraries would fill in the first test that uses them: in each fork anew, as each is the first one.

Only what a library finds out about what is loaded, and looks at again before it relies on it; nothing that a test can
tell from what the library would have done itself.

Runs inside the container; see the package. Imports nothing but the standard library.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def fill() -> None:
    """Fill those of the libraries that are loaded."""
    freezegun = sys.modules.get("freezegun.api")
    if freezegun is not None:
        fill_freezegun(freezegun)


def fill_freezegun(api: Any) -> None:
    """Have freezegun note what in which module is a clock: 19 ms for 400 modules, where checking that takes 3.

    It keeps that with the names that a module had, and looks anew when they are others. Not while time is frozen, for
    then the clocks in modules are its own.
    """
    look = getattr(api, "_get_cached_module_attributes", None)
    if look is None or getattr(api, "freeze_factories", True):
        return
    for module in list(sys.modules.values()):
        if inert(module):
            with suppress(Exception):  # another version of it
                look(module)


def inert(module: object) -> bool:
    """Tell whether looking at a module's attributes runs nothing: what it would load is not to be loaded by us."""
    return type(module) is ModuleType and not {"__getattr__", "__dir__"} & vars(module).keys()
