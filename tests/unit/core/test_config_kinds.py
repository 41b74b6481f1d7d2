"""Sizes as people write them: behaviour MI7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.config_kinds import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("1000", 1000), ("1.23 MB", 1_230_000), ("10MB", 10_000_000), ("1 MiB", 2**20), ("2kib", 2048), ("0.5 B", 0)],
)
def test_mi7_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "1.2.3", "1,5 MB", "1e3", "9" * 19, "99999999 PB", "٣"])
def test_mi7_wrong_sizes(text):
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_230_000, "1.2 MB"), (999_960, "1.0 MB"), (10**10, "10.0 GB")],
)
def test_mi7_sizes_are_shown_rounded_with_a_unit(size, text):
    assert format_size(size) == text


@given(st.integers(0, 2**62))
def test_mi7_shown_size_is_near_the_real_one(size):
    assert abs(parse_size(format_size(size)) - size) <= max(size * 0.051, 0)
