"""Tells the host which tests a file has as soon as the file is collected, while others still are to be.

The host may begin with them. It holds their results back until pytest has said what there is in the end, so nothing
here needs to be right: an item that is deselected later costs time only. Where most are likely to be, nothing is sent.

Runs inside the container; see the package. Imports nothing but pytest and the standard library.
"""

from __future__ import annotations

from os import O_CLOEXEC, O_NONBLOCK, O_WRONLY, close, set_blocking, write
from os import open as open_descriptor

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# options that deselect most tests, or run none
CHOOSING = ("keyword", "markexpr", "lf", "stepwise", "collectonly")


class Early:
    """A plugin beside the one that collects; `path` is a pipe that the host reads."""

    def __init__(
        self,
        path: str,
        identify: Callable[[Any, int], dict[str, Any]],
        places: Callable[[list[str]], list[tuple[int, int] | None]],
        encode: Callable[[dict[str, Any]], bytes],
    ) -> None:
        self.path = path
        self.identify = identify
        self.places = places
        self.encode = encode
        self.wanted = False
        self.deselected: tuple[str, ...] = ()
        self.items: list[dict[str, Any]] = []  # of the file that is being collected
        self.seen: dict[str, int] = {}

    def pytest_collection(self, session: Any) -> None:
        option = session.config.option
        self.wanted = not any(getattr(option, name, None) for name in CHOOSING)
        self.deselected = tuple(getattr(option, "deselect", None) or ())

    def pytest_itemcollected(self, item: Any) -> None:
        nodeid = str(item.nodeid)
        if not self.wanted or nodeid.startswith(self.deselected):
            return
        occurrence = self.seen.get(nodeid, 0)
        self.seen[nodeid] = occurrence + 1
        record = self.identify(item, occurrence)
        self.send_file(unless=record["module"])
        self.items.append(record)

    @pytest.hookimpl(trylast=True)
    def pytest_collectreport(self, report: Any) -> None:
        # a file's report comes behind its items, but before them where its tests are named one by one
        if self.items and report.nodeid == self.items[-1]["module"]:
            self.send_file()

    def send_file(self, unless: str = "") -> None:
        """Send what has been collected of a file, unless there may come more of it."""
        if self.items and self.items[-1]["module"] != unless:
            places = self.places([record["nodeid"] for record in self.items])
            for record, place in zip(self.items, places, strict=True):
                record["place"] = place
            self.send({"items": self.items})
            self.items = []

    def send(self, record: dict[str, Any]) -> None:
        """Write a record; opened each time, so that no module that is collected finds a descriptor of ours."""
        data = memoryview(self.encode(record))
        try:
            pipe = open_descriptor(self.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)  # fails where nobody reads
        except OSError:
            self.wanted = False
            return
        try:
            set_blocking(pipe, True)
            while data:
                data = data[write(pipe, data) :]
        except OSError:
            self.wanted = False
        finally:
            close(pipe)
