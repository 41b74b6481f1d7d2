"""Packages are read as go list describes them; binaries are called as go calls them."""

import pytest

from maelstrom_go_test.messages import Said, build_failed, setup_failed
from maelstrom_go_test.packages import Package, batches, parse, short_name, workspace_patterns
from maelstrom_go_test.rules import LANGUAGE, facts, package_facts
from maelstrom_test_runner.filter_parser import parse as parse_filter
from maelstrom_test_runner.filters import evaluate

LISTED = b"""{
\t"Dir": "/src/mod",
\t"ImportPath": "example.com/mod",
\t"Name": "mod",
\t"Module": {
\t\t"Path": "example.com/mod",
\t\t"Dir": "/src/mod"
\t},
\t"TestGoFiles": [
\t\t"a_test.go"
\t]
}
{
\t"Dir": "/src/mod/in/ner",
\t"ImportPath": "example.com/mod/in/ner",
\t"Name": "other",
\t"Module": {
\t\t"Path": "example.com/mod"
\t},
\t"GoFiles": [
\t\t"a.go"
\t],
\t"Error": {
\t\t"ImportStack": [],
\t\t"Pos": "a.go:3:8",
\t\t"Err": "no such package"
\t}
}
"""


def test_a_stream_of_packages_is_read():
    first, second = parse(LISTED)
    assert (first.ImportPath, first.Dir, first.has_tests, first.path) == ("example.com/mod", "/src/mod", True, "")
    assert (second.has_tests, second.has_code, second.path) == (False, True, "in/ner")
    assert second.Error is not None
    assert setup_failed(second.ImportPath, second.Error.Pos, second.Error.Err) == (
        "# example.com/mod/in/ner\na.go:3:8: no such package\nFAIL\texample.com/mod/in/ner [setup failed]\n"
    )
    assert parse(b"") == []


@pytest.mark.parametrize("text", [LISTED[:-20], b'{\n\t"Dir": 3\n}\n', b"go: oops\n"])
def test_what_is_no_stream_of_packages_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec's words, or ours
        parse(text)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("example.com/bar", "bar"),
        ("example.com/foo/v2", "foo"),
        ("example.com/foo/v10", "foo"),
        ("example.com/foo/v1a", "v1a"),
        ("example.com/foo/v1", "v1"),
        ("example.com/foo/v0", "v0"),
        ("foo", "foo"),
        ("v2", "v2"),
    ],
)
def test_rg9_a_binary_is_named_for_the_last_part_that_is_no_major_version(path, name):
    """As go does it: v1 is no suffix of a module, so a package of that name keeps it (the original dropped it)."""
    assert short_name(path) == name


def test_packages_whose_binaries_have_one_name_are_built_apart():
    paths = ["m/a/x", "m/b/x", "m/y", "m/c/x", "m/x/v2"]
    found = [[package.ImportPath for package in batch] for batch in batches(map(Package, paths))]
    assert found == [["m/a/x", "m/y"], ["m/b/x"], ["m/c/x"], ["m/x/v2"]]


@pytest.mark.parametrize(
    ("directory", "patterns"),
    [
        ("/w", ("./a/...", "./b/c/...")),
        ("/w/b", ("./c/...",)),
        ("/w/a", ("./...",)),
        ("/w/a/inner", ("./...",)),
        ("/elsewhere", ("./...",)),
    ],
)
def test_in_a_workspace_all_modules_below_are_meant(directory, patterns):
    assert workspace_patterns(directory, ["/w/a", "/w/b/c", ""]) == patterns


def test_pa16_filters_ask_for_paths_and_names_of_packages():
    known = facts(parse(LISTED)[1], "TestX")
    for text in (
        "p.equals(example.com/mod/in/ner)",
        "package_import_path.ends_with(/ner)",
        "package_p.equals(in/ner)",
        "package_n.equals(other)",
        "n.equals(TestX) && name.starts_with(Test)",
    ):
        assert evaluate(parse_filter(text, LANGUAGE), known) is True
    early = package_facts(parse(LISTED)[1])
    assert evaluate(parse_filter("package_name.equals(mod)", LANGUAGE), early) is False
    assert evaluate(parse_filter("name.equals(TestX)", LANGUAGE), early) is None


SAID = """\
go: downloading example.com/x v1.0.0
# example.com/mod/bad [example.com/mod/bad.test]
bad/c_test.go:3:28: undefined: undefined
# example.com/mod
# [example.com/mod]
./a_test.go:19:1: ExampleOK refers to unknown identifier: OK
?   \texample.com/mod/none\t[no test files]
# example.com/mod/ext_test [example.com/mod/ext.test]
ext/e_test.go:1:1: oops
# example.com/dep
../dep/d.go:1:1: broken
"""


def test_words_of_a_build_are_told_apart_by_package():
    said = Said(SAID, ["example.com/mod", "example.com/mod/bad", "example.com/mod/ext"])
    assert said.about["example.com/mod/bad"].splitlines()[1] == "bad/c_test.go:3:28: undefined: undefined"
    assert said.about["example.com/mod"].count("\n") == 3
    assert said.about["example.com/mod/ext"].endswith("oops\n")
    assert said.others == "go: downloading example.com/x v1.0.0\n# example.com/dep\n../dep/d.go:1:1: broken\n"
    assert build_failed("example.com/mod", "words\n") == "words\nFAIL\texample.com/mod [build failed]\n"


def test_the_last_word_about_a_package_comes_last_and_once():
    last = "FAIL\texample.com/mod [setup failed]\n"
    said = Said(f"{last}FAIL\n# example.com/mod\na_test.go:70:8: expected ')', found 'EOF'\n", ["example.com/mod"])
    assert said.about == {"example.com/mod": f"# example.com/mod\na_test.go:70:8: expected ')', found 'EOF'\n{last}"}
    assert said.others == ""
