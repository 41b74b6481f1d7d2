"""How outcomes of `cargo test` and of ours are read, and that a difference is found."""

from __future__ import annotations

import json

from ci.comparison.cargo import differences, key_of, read_native, read_ours

NATIVE = """\
     Running unittests src/lib.rs (target/debug/deps/my_crate-0123456789abcdef)

running 3 tests
test a::b ... ok
test a::c - should panic ... FAILED
test d ... ignored, too slow

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/it.rs (target/debug/deps/it-0123456789abcdef)
test a::b ... ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests my_crate
test src/lib.rs - (line 1) ... ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
"""


def report(**verdicts: str) -> list[str]:
    counts = {"OK": "passed", "FAIL": "failed", "IGNORED": "ignored"}
    return [
        json.dumps({"event": "finished", "test": {"name": name}, "status": status, "counts": {counts[status]: 1}})
        for name, status in verdicts.items()
    ]


def test_what_is_the_same_and_what_is_not():
    ours = {"my-crate a::b": "OK", "my-crate a::c": "FAIL", "my-crate d": "IGNORED", "my-crate [doc]": "OK"}
    same = read_ours(report(**ours, **{"my-crate [it] a::b": "OK"}))
    assert differences(read_native(NATIVE), same) == []
    other = read_ours(report(**{**ours, "my-crate d": "OK"}))
    assert differences(read_native(NATIVE), other) == [
        "it a::b: cargo test OK, cargo maelstrom not there",
        "my_crate d: cargo test IGNORED, cargo maelstrom OK",
        "ignored: cargo test counts 1, cargo maelstrom 0",
    ]


def test_names_of_ours_have_a_target():
    assert key_of("a-b x::y") == ("a_b", "x::y")
    assert key_of("a-b [bin/c-d] y") == ("c_d", "y")
    assert key_of("a-b [custom]") is None
