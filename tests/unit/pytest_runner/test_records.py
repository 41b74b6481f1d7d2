"""The result channel from end to end: what the guest encodes, and whatever else may come through."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from maelstrom_pytest.guest.channel import CHANNEL_LOST_CODE as GUESTS_CODE
from maelstrom_pytest.guest.channel import encode, plain
from maelstrom_pytest.records import CHANNEL_LOST_CODE, MAX_RECORD, Done, Finish, Report, Start, parse


def frame(document: object) -> bytes:
    data = json.dumps(document).encode()
    return len(data).to_bytes(4, "big") + data


def test_records_come_out_in_order():
    transcript = parse(frame({"type": "start", "item": 0}) + frame({"type": "finish", "item": 0}))
    assert transcript.records == (Start(0), Finish(0))
    assert transcript.garbage is None


def test_an_empty_channel_is_no_garbage():
    assert parse(b"").garbage is None


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_raise(data):
    transcript = parse(data)
    assert transcript.records == () or transcript.garbage is None or transcript.garbage


@given(st.binary(min_size=1, max_size=60))
def test_garbage_behind_good_records_keeps_the_records(data):
    transcript = parse(frame({"type": "start", "item": 3}) + b"\xff" + data)
    assert transcript.records == (Start(3),)
    assert transcript.garbage is not None


def test_an_announced_length_beyond_the_bound_is_garbage_and_allocates_nothing():
    assert parse((MAX_RECORD + 1).to_bytes(4, "big")).garbage == f"a record of {MAX_RECORD + 1} bytes"


def test_deep_nesting_is_garbage():
    data = b"[" * 200_000
    assert parse(len(data).to_bytes(4, "big") + data).garbage is not None


def test_a_record_of_an_unknown_type_is_garbage():
    assert "no record" in parse(frame({"type": "surprise"})).garbage


def test_a_cut_channel_is_named_as_cut():
    assert "7 bytes too many" in parse(frame({"type": "start", "item": 0}), lost=7).garbage
    assert "7 bytes too many" in parse(frame({"type": "start", "item": 0})[:-2], lost=7).garbage


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(st.none() | st.floats() | st.text(max_size=5) | st.integers(), st.lists, max_leaves=8),
        max_size=3,
    )
)
def test_what_the_guest_encodes_is_one_frame_of_json(record):
    data = encode(record)
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    assert set(json.loads(data[4:])) == set(record)


def test_lone_surrogates_survive_the_channel():
    record = {
        "type": "report", "item": 0, "nodeid": "a::b", "when": "call", "outcome": "failed", "category": "failed",
        "word": "FAILED", "text": "\udc80",
    }  # fmt: skip
    (report,) = parse(encode(record)).records
    assert isinstance(report, Report)
    assert report.text == "\udc80"


class Unprintable:
    def __str__(self):
        raise ValueError


def test_what_json_cannot_carry_becomes_text():
    assert plain({(1, 2): {3}, "x": Unprintable()}) == {"(1, 2)": [3], "x": "<Unprintable>"}


def test_a_record_too_large_loses_its_portable_form_first():
    record = {"type": "report", "text": "x" * 10, "data": "y" * (MAX_RECORD + 1)}
    assert json.loads(encode(record)[4:]) == {"type": "report", "text": "x" * 10}


def test_guest_and_host_agree_on_the_exit_code_of_a_lost_channel():
    assert GUESTS_CODE == CHANNEL_LOST_CODE


def test_a_brief_record_has_three_durations():
    assert parse(frame({"type": "done", "item": 0, "durations": [1, 2.5, 3]})).records == (Done(0, (1.0, 2.5, 3.0)),)
    for durations in ([1, 2], [1, 2, "x"], None, [1, 2, 3, 4]):
        assert parse(frame({"type": "done", "item": 0, "durations": durations})).garbage is not None
