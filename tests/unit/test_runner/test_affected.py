"""Which files of tests a change most likely concerns."""

from __future__ import annotations

import pytest

from maelstrom_test_runner.affected import affected


@pytest.mark.parametrize(
    ("changed", "file", "concerned"),
    [
        (["/p/tests/test_a.py"], "/p/tests/test_a.py", True),
        (["/p/tests/test_a.py"], "/p/more/test_a.py", False),
        (["/p/src/a.py"], "/p/tests/test_a.py", True),
        (["/p/src/a.py"], "/p/tests/a_test.py", True),
        (["/p/src/a.py"], "/p/tests/test_ab.py", False),
        (["/p/README", "/p/src/b.py"], "/p/tests/test_b.py", True),
        ([], "/p/tests/test_a.py", False),
    ],
)
def test_changed_files_and_those_called_after_them(changed, file, concerned):
    assert affected(changed)(file) is concerned
