"""Telling a seed from numbers that were merely drawn."""

from __future__ import annotations

import random

import pytest

from maelstrom_pytest.guest.renew import seeded


@pytest.mark.parametrize("drawn", [0, 1, 623, 624, 625, 100_000])
def test_drawing_is_no_seed(drawn):
    generator = random.Random(1)
    before = generator.getstate()
    for _ in range(drawn):
        generator.getrandbits(32)
    assert not seeded(before, generator.getstate())


@pytest.mark.parametrize("drawn", [0, 1, 1000])
def test_a_seed_is_a_seed_whatever_is_drawn_before_and_after(drawn):
    generator = random.Random(1)
    before = generator.getstate()
    generator.random()
    generator.seed(2)
    for _ in range(drawn):
        generator.random()
    assert seeded(before, generator.getstate())
