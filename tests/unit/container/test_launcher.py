"""Small decisions of the launcher that need no process."""

from __future__ import annotations

import pytest

from maelstrom_container.native import ffi, lib
from maelstrom_container.places import covered, under
from maelstrom_container.strings import Strings, candidates
from maelstrom_core.job import Container
from maelstrom_core.spec import BindMount, ProcMount, TmpMount


@pytest.mark.parametrize(
    ("program", "environment", "expected"),
    [
        ("/bin/true", ("PATH=/x",), ("/bin/true",)),
        ("./here", ("PATH=/x",), ("./here",)),
        ("true", ("PATH=/a::/b", "PATHS=/c"), ("/a/true", "/b/true", "true")),
        ("true", ("A=b",), ("true",)),
        ("true", ("PATH=",), ("true",)),
    ],
)
def test_ex59_ex60_where_a_program_is_looked_for(
    program: str, environment: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert candidates(program, environment) == expected


@pytest.mark.parametrize(
    ("strings", "packed"), [((), (b"\0", 0)), (("",), (b"\0", 1)), (("a", "", "ü"), (b"a\0\0\xc3\xbc\0", 3))]
)
def test_strings_are_packed_each_with_its_end(strings: tuple[str, ...], packed: tuple[bytes, int]) -> None:
    memory, count = Strings().packed(strings)
    assert (bytes(ffi.buffer(memory)), count) == packed


def test_strings_that_did_not_change_are_not_packed_again() -> None:
    strings = Strings()
    first, _ = strings.packed(("a", "b"))
    assert strings.packed(("a", "b"))[0] is first
    other, _ = strings.packed(("a", "c"))
    assert bytes(ffi.buffer(other)) == b"a\0c\0"


def test_what_is_refused_is_refused_again() -> None:
    strings = Strings()
    for _ in range(2):
        with pytest.raises(ValueError, match="NUL"):
            strings.packed(("a\0",))


@pytest.mark.parametrize("strings", [("a\0b",), ("\0",), ("x", "y\0")])
def test_ex68_a_nul_inside_is_refused(strings: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="NUL"):
        Strings().packed(strings)


@pytest.mark.parametrize(
    ("path", "parent", "expected"),
    [("/a/b", "/a", True), ("/a", "/a", True), ("/ab", "/a", False), ("/a", "/a/b", False), ("/x", "/", True)],
)
def test_under(path: str, parent: str, expected: bool) -> None:
    assert under(path, parent) is expected


def test_what_lies_on_a_fresh_mount_cannot_be_prepared() -> None:
    container = Container((), mounts=(TmpMount("/tmp"), ProcMount("/proc"), BindMount("/mnt", "/x")))
    assert covered("/tmp/project", container)
    assert covered("/proc", container)
    assert not covered("/tmpfiles", container)
    assert not covered("/mnt/deep", container)


def test_what_comes_with_a_request_has_the_numbers_of_the_launcher():
    from maelstrom_container import request

    names = ("PASSED_NOTHING", "PASSED_STREAMS", "PASSED_TERMINAL")
    assert [getattr(request, name) for name in names] == [getattr(lib, name) for name in names]
