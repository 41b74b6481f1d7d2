"""Compiled expressions: the same patterns as ever, told and kept only where that is worth it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.job import Output
from maelstrom_pytest.expressions import COMPILE, FILE_LIMIT, Learned, Store
from maelstrom_pytest.guest import expressions as guest
from maelstrom_pytest.records import Expressions

PIECES = [
    "a",
    "é",
    r"\d+",
    "[a-z]*?",
    "(x)",
    "(?P<name>y|z)",
    "(?:q){2,3}",
    r"\b",
    "^",
    "$",
    r"(?<=k)l",
    "[^\\w]",
    "💧",
    "|",
]


@pytest.fixture
def compiler():
    """The interpreter's own compiler, put back afterwards."""
    module = guest.compiler()
    compile_anew = module.compile
    yield module
    module.compile = compile_anew
    re.purge()


def installed(entries):
    expressions = guest.Expressions()
    expressions.tables = [guest.Table(guest.pack(entries))]
    expressions.install()
    return expressions


@given(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.sampled_from([0, re.IGNORECASE, re.MULTILINE | re.DOTALL, re.ASCII, re.VERBOSE]),
    st.booleans(),
)
def test_a_pattern_that_is_known_is_the_pattern_that_would_have_been_compiled(text, flags, as_bytes):
    pattern = text.encode() if as_bytes else text
    flags = int(flags)
    re.purge()
    try:
        wanted = re.compile(pattern, flags)
    except re.error:
        assert guest.compile_one(pattern, flags) is None
        return
    entry = guest.compile_one(pattern, flags)
    module = guest.compiler()
    compile_anew = module.compile
    module.compile = None
    try:
        expressions = installed({(pattern, flags): entry})
        re.purge()
        got = re.compile(pattern, flags)
    finally:
        module.compile = compile_anew
    assert expressions.new == []
    assert got is not wanted
    assert got == wanted  # which compares their code
    assert (got.pattern, got.flags, got.groups, got.groupindex) == (
        wanted.pattern,
        wanted.flags,
        wanted.groups,
        wanted.groupindex,
    )
    for sample in ("a12xyq", "kl q\nz", "é💧"):
        one, other = (
            got.search(sample.encode() if as_bytes else sample),
            wanted.search(sample.encode() if as_bytes else sample),
        )
        assert (one and (one.span(), one.groups(), one.lastgroup)) == (
            other and (other.span(), other.groups(), other.lastgroup)
        )


@pytest.mark.parametrize("pattern", ["[[a]", "(unfinished", b"(?L)x"])
def test_what_warns_or_fails_or_asks_for_the_locale_is_left_alone(pattern):
    assert guest.compile_one(pattern, 0) is None


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_is_left_alone_is_compiled_as_ever_and_told_no_more(compiler):
    expressions = installed({("[[b]", 0): None})
    assert re.compile("[[b]").match("[")
    assert expressions.new == []
    assert re.compile("another").match("another")
    assert expressions.new == [("another", 0)]


def test_what_costs_little_is_not_told(compiler):
    expressions = installed({})
    expressions.note(("x", 0), guest.WORTH / 2)
    assert expressions.record() is None
    expressions.note((b"\xff", 2), guest.WORTH / 2)
    assert expressions.record()["found"] == [["x", False, 0], ["\xff", True, 2]]
    expressions.note(("y" * guest.SIZE_LIMIT, 0), guest.WORTH)
    assert len(expressions.new) == 2
    expressions.begin()
    assert expressions.record() is None


def test_a_process_of_its_own_compiles_what_templates_load(tmp_path):
    known = {("of before", 0): None, ("[[a]", 1): None}
    (tmp_path / "known").write_bytes(guest.pack(known))
    new = [["a(?P<n>b)", False, 0], ["\xff+", True, 0], ["[[a]", False, 0], ["\ud800x", False, 2]]
    request = json.dumps({"known": [str(tmp_path / "known"), str(tmp_path / "missing")], "new": new})
    directory = os.path.dirname(guest.__file__)
    read, write = os.pipe()
    script = "import os, sys; os.dup2(int(sys.argv[2]), 3)\n" + COMPILE
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, directory, str(write)],
        input=request.encode(),
        pass_fds=(write,),
        check=True,
        capture_output=True,
    )
    os.close(write)
    with open(read, "rb") as pipe:
        data = pipe.read()
    assert done.stderr == b""
    (tmp_path / "good").write_bytes(data)
    (tmp_path / "other").write_bytes(data.replace(b"expressions 1", b"expressions 0"))
    expressions = guest.Expressions()
    expressions.load([str(tmp_path / name) for name in ("other", "missing", "good")])
    (table,) = expressions.tables
    assert table.find("a(?P<n>b)", 0)[0][2] == 1
    assert table.find(b"\xff+", 0)
    assert table.find("\ud800x", 2)
    assert table.find("[[a]", 0) == (None,)
    assert table.find("of before", 0) == (None,)
    assert len(list(table.entries())) == 6
    for other in (("a(?P<n>b)", 2), (b"a(?P<n>b)", 0), ("c", 0), ("\xff+", 0)):
        assert table.find(*other) is None


@given(st.dictionaries(st.tuples(st.text() | st.binary(), st.integers(0, 511)), st.integers()))
def test_a_table_has_what_was_put_in_and_nothing_else(entries):
    table = guest.Table(guest.pack(entries))
    for (pattern, flags), entry in entries.items():
        assert table.find(pattern, flags) == (entry,)
        if (pattern, flags + 512) not in entries:
            assert table.find(pattern, flags + 512) is None
    assert dict(table.entries()) == entries


def told(*patterns, seconds=1.0):
    return Expressions(seconds, tuple((pattern, False, 0) for pattern in patterns))


def test_an_expression_is_asked_for_once_and_only_if_several_jobs_lost_time():
    learned = Learned()
    assert learned.request(["f"]) is None
    learned.add(told("a", "b"))
    assert learned.request(["f"]) is None
    learned.add(told("b", "c"))
    assert json.loads(learned.request(["f"])) == {
        "known": ["f"],
        "new": [["a", False, 0], ["b", False, 0], ["c", False, 0]],
    }
    cheap = Learned()
    for _ in range(10):
        cheap.add(told("a", seconds=0.002))
    assert cheap.request([]) is None


def test_files_are_kept_whole_and_do_not_grow_for_ever(tmp_path):
    store = Store(tmp_path / "all" / "project")
    assert store.files() == ()
    store.keep(Output(b""))
    store.keep(Output(b"cut", 1))
    assert store.files() == ()
    store.keep(Output(b"one"))
    store.keep(Output(b"two"))
    (name,) = store.files()
    assert (store.directory / name).read_bytes() == b"two"
    assert not store.is_full()
    store.keep(Output(b"x" * (FILE_LIMIT + 1)))
    assert store.is_full()
    for number in range(40):
        Store(tmp_path / "all" / f"project-{number}").keep(Output(b"x"))
    assert len(list((tmp_path / "all").iterdir())) == 32
