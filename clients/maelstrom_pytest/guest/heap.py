"""Makes a template's memory cheap to fork: forks copy page tables, and each page that they write to.

Runs inside the container; see the package. Imports nothing but the standard library.
"""

from __future__ import annotations

import gc


def settle() -> None:
    """Leave no garbage to the forks, and let their collector not look at what is here: looking writes to it."""
    gc.collect()
    gc.freeze()
    gc.disable()
