"""Concatenated JSON objects, as they arrive."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.errors import SpecError
from maelstrom_core.json_stream import JsonStream, read_documents


def values(*chunks: bytes) -> list[object]:
    stream = JsonStream()
    found = [document.value for chunk in chunks for document in stream.feed(chunk)]
    stream.finish()
    return found


def test_objects_may_touch_or_stand_apart():
    assert values(b'{"a":1}{"b":2}\n\n {"c":3}\n') == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_nothing_and_space_are_no_objects():
    assert values() == values(b"") == values(b" \n\t ") == []


def test_object_is_given_out_as_soon_as_it_is_complete():
    stream = JsonStream()
    assert [d.value for d in stream.feed(b'{"a": 1} {"b"')] == [{"a": 1}]
    assert list(stream.feed(b": 2")) == []
    assert [d.value for d in stream.feed(b"}")] == [{"b": 2}]


def test_documents_know_where_they_begin():
    places = [(d.line, d.column) for d in JsonStream().feed(b'{\n"a": 1}  {}\n\n   {}')]
    assert places == [(1, 1), (2, 10), (4, 4)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a": 1}\n  x', "line 2, column 3: expected `{`, the begin of an object"),
        (b"[1]", "line 1, column 1: expected `{`, the begin of an object"),
        (b'{"a": 1,\n "b": tru}', "line 2, column 7: expecting value"),
        (b'{"a": [1}', "line 1, column 9: unexpected `}`"),
        (b'{"a": NaN}', "line 1, column 1: NaN is not JSON"),
        (b'{"a": ' + b"1" * 5000 + b"}", "line 1, column 1: Exceeds the limit"),
        (b'{"a": "\xff"}', "line 1: the input is not UTF-8 text"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "line 1, column 1: this object is nested too deep"),
    ],
)
def test_garbage_is_an_error_with_its_place(text, message):
    with pytest.raises(SpecError) as caught:
        values(text)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("text", [b"{", b'{} {"a": "}', b'{"a": "\xc3'])
def test_end_within_an_object_is_an_error(text):
    with pytest.raises(SpecError, match=r"no end|not UTF-8"):
        values(text)


def test_object_without_end_is_bounded(monkeypatch):
    monkeypatch.setattr("maelstrom_core.json_stream.MAXIMUM_OBJECT_SIZE", 100)
    with pytest.raises(SpecError, match="more than 100 characters"):
        values(b'{"a": "' + b"x" * 100)


def test_reading_stops_after_the_object_that_is_asked_for():
    pieces = iter([b'{"a": 1}', b"never read"])
    assert next(read_documents(lambda _size: next(pieces))).value == {"a": 1}
    assert next(pieces) == b"never read"


def test_blocking_stream():
    assert [d.value for d in read_documents(io.BytesIO(b'{"a": 1} {}').read, 3)] == [{"a": 1}, {}]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.text(), json_values, max_size=3)


@given(st.lists(objects, max_size=4), st.booleans(), st.integers(1, 7), st.sampled_from(["", " ", "\n"]))
def test_any_cutting_into_chunks_gives_the_same_objects(documents, ascii_only, size, separator):
    text = separator.join(json.dumps(d, ensure_ascii=ascii_only) for d in documents).encode(errors="surrogatepass")
    try:
        text.decode()
    except UnicodeDecodeError:
        return  # half a surrogate pair, written raw: not UTF-8
    assert values(*(text[i : i + size] for i in range(0, len(text), size))) == documents


@given(st.binary(max_size=30))
def test_any_bytes_are_objects_or_a_spec_error(data):
    message, found = "line ", list[object]()
    try:
        found = values(b"{" + data)
    except SpecError as error:
        message = error.message
    assert message.startswith("line ")
    assert all(isinstance(value, dict) for value in found)
