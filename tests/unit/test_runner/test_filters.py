"""The filter language: what is read, what it means, how errors point, and the laws of all that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_test_runner.filter_parser import DEEPEST, LONGEST, MOST, FilterError, parse
from maelstrom_test_runner.filters import (
    SET_MATCHERS,
    TEXT_MATCHERS,
    And,
    Bare,
    Compared,
    Language,
    Minus,
    Not,
    Or,
    Selector,
    evaluate,
    selects,
    show,
)


def compared(name, shortest):
    return Selector(name, shortest, TEXT_MATCHERS)


PYTEST = Language(
    (
        compared("name", 2),
        compared("node_id", 2),
        compared("file", 1),
        compared("package", 1),
        Selector("markers", 1, SET_MATCHERS),
    )
)
KINDS = ("library", 1), ("binary", 2), ("benchmark", 2), ("example", 1), ("test", 2)
CARGO = Language(
    (
        *(Selector(*kind) for kind in KINDS),
        compared("name", 1),
        compared("package", 1),
        *(compared(*kind) for kind in KINDS[1:]),
    )
)
GO = Language(
    (
        compared("name", 1),
        compared("package_import_path", 1),
        compared("package_path", 9),
        compared("package_name", 9),
    )
)


def argument(text):
    return parse(f"name.equals{text}", PYTEST).argument


def problem(text, language=PYTEST):
    with pytest.raises(FilterError) as caught:
        parse(text, language)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((delimiters.replace("x", "abc"), "abc") for delimiters in ("[x]", "{x}", "<x>", "(x)", "/x/")),
        ("((hello))", "(hello)"),
        ("(he[llo)", "he[llo"),
        ("()", ""),
        ("//", ""),
        ("((a)(b))", "(a)(b)"),
    ],
)
def test_pa1_arguments(text, expected):
    assert argument(text) == expected


@pytest.mark.parametrize("text", ["[1)", "(((hello))", "", " (x)", "/abc"])
def test_pa1_arguments_that_are_none(text):
    assert problem(f"name.equals{text}").position == 11


def test_pa2_regular_expressions_are_checked():
    assert parse("name.matches/[a-z]/", PYTEST) == Compared("name", "matches", "[a-z]")
    error = problem("name.matches/*/")
    assert "regular expression" in error.message
    assert error.position == 13
    assert "glob" in problem("name.globs({a,b}{" + "x," * 5000).message or error


@pytest.mark.parametrize("word", ["all", "any", "true", "none", "false"])
def test_pa3_constants_with_and_without_parentheses(word):
    assert parse(word, PYTEST) == parse(f"{word}()", PYTEST) == Bare(word)


@pytest.mark.parametrize("word", ["name", "package", "file", "node_id", "markers"])
def test_pa3_what_is_to_be_compared_does_not_stand_alone(word):
    error = problem(word)
    assert "compared" in error.message
    assert f"{word}." in error.hint


@pytest.mark.parametrize(
    ("language", "shortest", "name"),
    [
        *((PYTEST, *pair) for pair in (("al", "all"), ("an", "any"), ("tr", "true"), ("n", "none"), ("f", "false"))),
        *((CARGO, *pair) for pair in (("l", "library"), ("bi", "binary"), ("be", "benchmark"), ("e", "example"))),
        (CARGO, "te", "test"),
    ],
)
def test_pa4_abbreviations(language, shortest, name):
    for length in range(len(shortest), len(name) + 1):
        assert parse(name[:length], language) == Bare(name)
    assert len(shortest) == 1 or problem(name[: len(shortest) - 1], language)


@pytest.mark.parametrize(
    ("text", "matcher"),
    [("m", "matches"), ("eq", "equals"), ("s", "starts_with"), ("en", "ends_with"), ("c", "contains"), ("g", "globs")],
)
def test_pa5_abbreviated_matchers(text, matcher):
    assert parse(f"na.{text}(a)", PYTEST) == Compared("name", matcher, "a")
    assert "unknown matcher `e`" in problem("name.e(a)").message


ALL, ANY, NONE, FALSE = Bare("all"), Bare("any"), Bare("none"), Bare("false")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!all", Not(ALL)),
        ("!~not all", Not(Not(Not(ALL)))),
        ("all && any", And(ALL, ANY)),
        ("all || any", Or(ALL, ANY)),
        ("all || any && none", Or(ALL, And(ANY, NONE))),
        ("all && any || none", Or(And(ALL, ANY), NONE)),
        ("( all || any ) && none - false", Minus(And(Or(ALL, ANY), NONE), FALSE)),
        ("!( all || any ) && none", And(Not(Or(ALL, ANY)), NONE)),
        ("all - any - none", Minus(Minus(ALL, ANY), NONE)),
        ("all-any&none", And(Minus(ALL, ANY), NONE)),
    ],
)
def test_pa6_pa7_operators_bind_as_documented_and_from_the_left(text, expected):
    assert parse(text, PYTEST) == expected


@pytest.mark.parametrize(
    ("symbols", "words"),
    [
        ("!(all||any)&&none-false", "not ( all or any ) and none minus false"),
        ("~(all|any)+none\\false", "not(all or any)and none minus false"),
    ],
)
def test_pa7_words_are_symbols(symbols, words):
    assert parse(symbols, PYTEST) == parse(words, PYTEST)


def test_pa8_tests_and_operators_together():
    text = "file.starts_with(hi) && name.matches/([a-z]+::)*[a-z]+/ || node_id.ends_with(jo)"
    starts, matches = Compared("file", "starts_with", "hi"), Compared("name", "matches", "([a-z]+::)*[a-z]+")
    assert parse(text, PYTEST) == Or(And(starts, matches), Compared("node_id", "ends_with", "jo"))


def test_pa9_markers_are_members():
    assert parse("markers.contains(a)", PYTEST) == parse("m.c/a/", PYTEST) == Compared("markers", "contains", "a")
    assert "`markers` cannot be compared with `equals`" in problem("markers.equals(a)").message


@pytest.mark.parametrize(
    ("matcher", "true", "false"),
    [
        ("starts_with(bar)", "barbaz", "bazbar"),
        ("ends_with(bar)", "bazbar", "barbaz"),
        ("equals(bar)", "bar", "bars"),
        ("contains(arb)", "barbaz", "bazbar"),
        ("matches(^[a-z]*$)", "bazbarbin", "baz-bin"),
        ("matches(b.z)", "foobazbar", "foobarbar"),
        ("globs(baz*)", "bazbar/x", "barbaz"),
        ("globs(**.{py,pyi})", "a/b.pyi", "a/b.pyc"),
    ],
)
def test_pa10_matchers(matcher, true, false):
    expression = parse(f"file.{matcher}", PYTEST)
    assert evaluate(expression, {"file": true}) is True
    assert evaluate(expression, {"file": false}) is False
    assert evaluate(expression, {}) is evaluate(expression, {"file": None}) is None


def test_pa11_kinds():
    expression = parse("binary", CARGO)
    assert [evaluate(expression, {"binary": fact}) for fact in ("x", True, False, None)] == [True, True, False, None]
    assert evaluate(parse("binary.matches(.)", CARGO), {"binary": False, "test": "x"}) is False


def test_pa12_packages_are_known_early():
    assert evaluate(parse("package.equals(foo)", CARGO), {"package": "foo"}) is True


def test_pa13_markers():
    facts = {"markers": frozenset("abc")}
    assert [evaluate(parse(f"markers.contains({mark})", PYTEST), facts) for mark in "abcd"] == [True] * 3 + [False]


CASES = [
    ("package.eq(foo) && name.eq(foo_test)", True, None),
    ("package.eq(foo) - name.eq(bar_test)", True, None),
    ("package.eq(foo) - name.eq(foo_test)", False, None),
    ("package.eq(bar) || !name.eq(foo_test)", False, None),
    ("package.eq(bar) && name.eq(foo_test)", False, False),
    ("name.eq(foo_test) && package.eq(bar)", False, False),
    ("package.eq(foo) || name.eq(x)", True, True),
    ("package.eq(bar) || name.eq(foo_test)", True, None),
    ("package.eq(bar) - name.eq(x)", False, False),
]


@pytest.mark.parametrize(("text", "known", "early"), CASES)
def test_pa14_pa15_combinations_with_and_without_the_case(text, known, early):
    expression = parse(text, CARGO)
    assert evaluate(expression, {"package": "foo", "name": "foo_test"}) is known
    assert evaluate(expression, {"package": "foo"}) is early


@pytest.mark.parametrize(
    ("word", "selector"),
    [("p", "package_import_path"), ("package_p", "package_path"), ("package_n", "package_name")],
)
def test_pa16_go(word, selector):
    assert parse(f"{word}.equals(a)", GO) == Compared(selector, "equals", "a")


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, ("empty", "`all`")),
        ("  ", 2, ("empty",)),
        ("all any", 4, ("operator", "`&&`")),
        ("all &&", 6, ("missing at the end",)),
        ("all && || any", 7, ("expected a test",)),
        ("(all", 0, ("no `)`",)),
        ("all)", 3, ("no `(`",)),
        ("all && nmae.equals(x)", 7, ("unknown selector `nmae`", "did you mean `name`?")),
        ("name.equls(x)", 5, ("unknown matcher `equls`", "did you mean `equals`?")),
        ("name.(x)", 5, ("a matcher is missing", "known are: equals")),
        ("all $ any", 4, ("before `$`",)),
        ("none.equals(x)", 0, ("cannot be compared",)),
        ("!" * (DEEPEST + 1) + "all", DEEPEST, ("levels deep",)),
        (" || ".join(["all"] * (MOST + 1)), 7 * MOST, ("at most",)),
        ("x" * (LONGEST + 1), LONGEST, ("characters",)),
    ],
)
def test_errors_have_a_place_and_a_way_out(text, position, words):
    error = problem(text)
    assert error.position == position
    assert all(word in error.render() for word in words)
    assert error.exit_code == 2


def test_errors_point_at_the_place():
    lines = problem("name.contains(文字) && nmae.equals(x)").message.splitlines()
    assert lines[1:] == ["    name.contains(文字) && nmae.equals(x)", f"{' ' * 27}^^^^"]
    assert problem("all\n&& nmae").message.splitlines()[1] == "    all\N{REPLACEMENT CHARACTER}&& nmae"


def test_long_filters_are_shown_in_part():
    shown, pointer = problem("all || " * 100 + "nmae" + " || all" * 50).message.splitlines()[1:]
    assert shown[pointer.index("^") :].startswith("nmae")
    assert len(shown) < 140


def test_included_by_any_and_excluded_by_none():
    facts = {"name": "a", "file": "f"}
    a, b, f = (parse(text, PYTEST) for text in ("name.eq(a)", "name.eq(b)", "file.eq(f)"))
    assert selects([], [], facts) is True
    assert selects([b, a], [], facts) is True
    assert selects([b], [], facts) is False
    assert selects([b, a], [b, f], facts) is False
    assert selects([a], [f], {"name": "a"}) is None
    assert selects([f], [a], {"name": "a"}) is False


# laws

texts = st.text(max_size=8) | st.sampled_from(["(a)", "a]b", "[x", "{a}/", "<>"])


def delimitable(text):
    opened = ("(", ")"), ("[", "]"), ("{", "}"), ("<", ">")
    return "/" not in text or not any(character in text for pair in opened for character in pair)


comparisons = st.builds(
    Compared,
    st.sampled_from(["name", "file", "node_id"]),
    st.sampled_from(["equals", "contains", "starts_with"]),
    texts.filter(delimitable),
) | st.builds(Compared, st.just("markers"), st.just("contains"), texts.filter(delimitable))
expressions = st.recursive(
    st.builds(Bare, st.sampled_from(["all", "any", "none"])) | comparisons,
    lambda inner: st.builds(Not, inner) | st.one_of(*(st.builds(kind, inner, inner) for kind in (And, Or, Minus))),
    max_leaves=12,
)
facts = st.fixed_dictionaries(
    {},
    optional={
        "name": texts | st.none(),
        "file": texts,
        "node_id": st.booleans(),
        "markers": st.frozensets(texts, max_size=3),
    },
)


@given(expressions)
def test_what_is_shown_reads_back_as_the_same(expression):
    assert parse(show(expression), PYTEST) == expression


@given(expressions, expressions, facts)
def test_de_morgan_in_three_values(left, right, known):
    def value(expression):
        return evaluate(expression, known)

    assert value(Not(And(left, right))) is value(Or(Not(left), Not(right)))
    assert value(Not(Or(left, right))) is value(And(Not(left), Not(right)))
    assert value(Minus(left, right)) is value(And(left, Not(right)))
    assert value(Not(Not(left))) is value(left)


@given(expressions, st.fixed_dictionaries({"name": texts, "file": texts, "node_id": texts}), st.data())
def test_what_is_known_early_stays_true(expression, whole, data):
    early = {name: whole[name] for name in data.draw(st.sets(st.sampled_from(sorted(whole))))}
    value = evaluate(expression, early)
    assert value is None or value is evaluate(expression, whole)


@given(
    st.text(max_size=40)
    | st.lists(
        st.sampled_from([*"()[]{}<>/!|&-+\\. \n*", "all", "name", ".", "equals", "matches", "globs", "markers", "not"]),
        max_size=25,
    ).map("".join)
)
def test_any_text_is_a_filter_or_an_error_with_a_place(text):
    try:
        expression = parse(text, PYTEST)
    except FilterError as caught:
        error = caught
    else:
        assert parse(show(expression), PYTEST) == expression
        return
    assert 0 <= error.position <= len(text)
    assert error.message.count("\n") == 2
