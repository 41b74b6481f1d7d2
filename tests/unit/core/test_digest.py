"""Digests: behaviour SP28, with BLAKE3 for SHA-256."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.digest import Digest
from maelstrom_core.errors import SpecError

EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"  # of the BLAKE3 paper's test vectors


def test_digest_of_nothing_is_the_published_one():
    assert str(Digest.of_bytes(b"")) == EMPTY


@pytest.mark.parametrize("length", [0, 63, 65, 66])
def test_sp28_wrong_length_is_an_error(length):
    with pytest.raises(SpecError, match=f"this text has {length} characters"):
        Digest.parse("a" * length)


@pytest.mark.parametrize("character", ["g", "A", " ", "é"])
def test_sp28_wrong_character_is_an_error(character):
    with pytest.raises(SpecError, match="character 4 is"):
        Digest.parse("abc" + character + "0" * 60)


def test_sp28_prints_back_identical():
    assert str(Digest.parse(EMPTY)) == EMPTY


@given(st.binary(max_size=100))
def test_file_and_bytes_have_the_same_digest(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("digest") / "file"
    path.write_bytes(data)
    assert Digest.of_file(path) == Digest.of_bytes(data)


def test_file_larger_than_the_buffer(tmp_path):
    data = b"0123456789" * 250_000
    (tmp_path / "file").write_bytes(data)
    assert Digest.of_file(tmp_path / "file") == Digest.of_bytes(data)


def test_messages_with_a_wrong_digest_are_refused():
    assert msgspec.json.decode(msgspec.json.encode(Digest(EMPTY)), type=Digest) == Digest(EMPTY)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"hex": "00"}', type=Digest)
