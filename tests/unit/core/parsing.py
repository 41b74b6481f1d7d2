"""What the tests of parsing share."""

from __future__ import annotations

from typing import Any

import pytest

from maelstrom_core.errors import SpecError
from maelstrom_core.spec_parse import parse_container


def error_of(value: object, parse: Any = parse_container) -> SpecError:
    """Return the error with which a value is refused."""
    with pytest.raises(SpecError) as caught:
        parse(value)
    return caught.value
