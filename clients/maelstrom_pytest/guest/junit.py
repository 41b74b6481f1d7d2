"""What tests add to a JUnit report by themselves, and what no report carries: attributes, properties of the suite.

Runs inside the container; see the package. Imports nothing but pytest and the standard library.
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

OWN = {"classname", "name", "file", "line", "url", "time"}  # attributes that pytest gives to each test case


class Notes:
    """A plugin beside pytest's own, which is `xml`; `send` gets what there is to say when a test is over."""

    def __init__(self, xml: Any, send: Callable[[dict[str, Any]], None]) -> None:
        self.xml = xml
        self.send = send
        self.known = len(xml.global_properties)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Look before pytest's own plugin writes the test case down, and forgets it."""
        if report.when != "teardown":
            return
        attributes: dict[str, str] = {}
        for reporter in self.xml.node_reporters.values():  # of the tests that are not over: this one
            attributes.update((name, value) for name, value in reporter.attrs.items() if name not in OWN)
        properties = self.xml.global_properties[self.known :]
        self.known += len(properties)
        if attributes or properties:
            self.send({"type": "junit", "attributes": attributes, "properties": [list(pair) for pair in properties]})


def notes(config: Any, send: Callable[[dict[str, Any]], None]) -> Notes | None:
    """Return the plugin, where there is a JUnit report."""
    from _pytest.junitxml import xml_key

    xml = config.stash.get(xml_key, None)
    return None if xml is None else Notes(xml, send)
