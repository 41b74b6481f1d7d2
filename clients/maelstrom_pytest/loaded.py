"""Which jobs are to say what their template had covered when it was loaded. No I/O.

All jobs that are forked from a template have that in common, and it is most of what pytest-cov measures in them. A few
are asked for it; the others say what they have covered themselves. Where none of a template's has lived to tell, one
more is asked in the end, which runs no test.
"""

from __future__ import annotations

from collections import Counter

from maelstrom_core.spec import TemplateSpec
from maelstrom_pytest.records import Covered
from maelstrom_pytest.rules import Site
from maelstrom_pytest.works import Work

FEW = 3
"""Jobs of a template that are asked before one of them has ended."""


class Loaded:
    """What is known of each template; there is one object for each as long as this lives."""

    def __init__(self) -> None:
        self._asked: Counter[int] = Counter()
        self._told: set[int] = set()
        self._owed: dict[int, Work] = {}

    def asks(self, template: TemplateSpec) -> bool:
        """Tell whether one more job is to say it; it is counted as asked."""
        place = id(template)
        if place in self._told or self._asked[place] == FEW:
            return False
        self._asked[place] += 1
        return True

    def hear(self, site: Site, template: TemplateSpec, told: Covered | None) -> None:
        """Take note of what a job of a template has said of coverage; None: nothing."""
        place = id(template)
        if told is None:  # it was killed, or nothing is measured
            self._asked.pop(place, None)
        elif told.loaded:
            self._told.add(place)
            self._owed.pop(place, None)
        elif place not in self._told:
            self._owed[place] = Work((), site, template=template)

    def owed(self) -> list[Work]:
        """Return jobs that say it of all templates of which something else is known; each is returned once."""
        works = list(self._owed.values())
        self._told.update(self._owed)
        self._owed.clear()
        return works
