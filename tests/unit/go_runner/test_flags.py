"""What is asked of go and of test binaries, from what people ask of go test."""

import click
import pytest

from maelstrom_go_test.flags import Wanted, alternatives, below, top_pattern, whole_pattern
from maelstrom_go_test.words import of_runs, translate


def test_by_default_a_test_is_run_as_go_test_runs_it():
    assert Wanted().arguments("TestA") == (
        "-test.run=^TestA$",
        "-test.v=test2json",
        "-test.paniconexit0",
        "-test.timeout=10m0s",
    )


def test_several_tests_are_one_pattern_and_parts_of_others_further_ones():
    assert Wanted().shared_arguments(["TestA", "TestB"])[0] == "-test.run=^(TestA|TestB)$"
    shared = Wanted(run="A|B|C/x", short=True).shared_arguments(["TestA", "TestB", "TestC"])
    assert shared[0] == "-test.run=^(TestA|TestB)$|^TestC$/x"
    assert shared[1:] == Wanted(short=True).arguments("TestA")[1:]


def test_flags_reach_the_call_that_they_are_for():
    wanted = Wanted(tags="a,b", race=True, vet="off", build_flags=("-mod=vendor",), short=True, extra=("-x",))
    assert wanted.build() == ("-tags=a,b", "-race", "-mod=vendor")
    assert wanted.list_command(["./..."])[-5:] == ["-tags=a,b", "-race", "-mod=vendor", "--", "./..."]
    assert wanted.build_command("/out", ["m/a"]) == [
        *("go", "test", "-c", "-o", "/out/", "-vet=off", "-tags=a,b", "-race", "-mod=vendor", "m/a")
    ]
    assert wanted.arguments("TestA")[-2:] == ("-test.short", "-x")


def test_a_benchmark_runs_alone():
    wanted = Wanted(bench=".", benchtime="1x", benchmem=True)
    arguments = wanted.arguments("BenchmarkA")
    assert arguments[:2] == ("-test.run=^$", "-test.bench=^BenchmarkA$")
    assert arguments[2:4] == ("-test.benchtime=1x", "-test.benchmem")
    assert "-test.benchmem" not in wanted.arguments("TestA")


def test_coverage_goes_to_the_channel_of_results():
    wanted = Wanted(cover=True, race=True, coverpkg="./...")
    assert wanted.build_command("/out", [])[5:8] == ["-cover", "-covermode=atomic", "-coverpkg=./..."]
    assert wanted.arguments("TestA")[-1] == "-test.coverprofile=/proc/self/fd/3"
    assert not Wanted().covers


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("A", [["A"]]),
        ("A/b", [["A", "b"]]),
        ("A/b|C", [["A", "b"], ["C"]]),
        ("A[/|]b", [["A[/|]b"]]),
        ("(A|B)/c", [["(A|B)", "c"]]),
        (r"A\/b", [[r"A\/b"]]),
        ("", [[""]]),
    ],
)
def test_patterns_are_cut_as_go_does_it(pattern, parts):
    assert alternatives(pattern) == parts


def test_a_pattern_says_something_of_tests_and_something_of_their_subtests():
    assert top_pattern("TestA/x|B") == "TestA|B"
    assert top_pattern("/x") == top_pattern("") == "."
    assert whole_pattern("TestA/x|B|/y") == "B"
    assert below("TestA/x|B", "TestA") == "/x"
    assert below("TestA/x|B", "TestB") == ""
    assert below("A/x|TestA/y", "TestA") == "/x|^TestA$/y"
    assert below("TestA", "TestA") == ""
    assert below(r"\pL/x", "TestA") == "/x"


def test_a_test_of_which_only_some_subtests_are_wanted_is_partial():
    assert Wanted(run="TestA/x").is_partial("TestA")
    assert Wanted(skip="TestA/x").is_partial("TestA")
    assert not Wanted(run="TestA/x|TestA").is_partial("TestA")
    assert not Wanted(run="TestA", skip="TestB/x").is_partial("TestA")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["-run", "X", "./..."], ["--run=X", "./..."]),
        (["-run=X"], ["--run=X"]),
        (["-count=3", "-timeout", "30s", "-v"], ["--repeat=3", "--no-cache", "--test-timeout=30s", "--verbose"]),
        (["-race", "-short=false", "-race=true", "-v=0"], ["--race", "--no-short", "--race"]),
        (["-failfast", "-failfast=false"], ["--stop-after=1"]),
        (["-mod", "vendor", "-trimpath"], ["--build-flags=-mod=vendor", "--build-flags=-trimpath"]),
        (["-args", "-run", "X"], ["--", "-run", "X"]),
        (["-x", "all", "-r", "2", "--", "-race"], ["-x", "all", "-r", "2", "--", "-race"]),
        (["-list", "X", "-shuffle=on"], ["--list", "--run=X", "--bench=X"]),
        (["-p=1", "-test.run=X"], ["--slots=1", "--build-flags=-p=1", "--run=X"]),
        (["./...", "-update", "-name", "x", "-run=X"], ["./...", "--run=X", "--", "-update", "-name", "x"]),
        (
            ["-iall", "-t0.5", "-Ldebug", "-lw", "-iname.equals(x)"],
            ["-iall", "-t0.5", "-Ldebug", "-lw", "-iname.equals(x)"],
        ),
    ],
)
def test_flags_of_go_test_are_options_and_others_those_of_the_binaries(typed, meant):
    assert translate(typed) == meant


def test_of_goflags_only_what_is_about_runs_is_ours():
    assert of_runs("-mod=mod -short  -timeout=5s -race") == ["-short", "-timeout=5s"]


@pytest.mark.parametrize(
    "typed",
    [["-fuzz=X"], ["-fuzztime", "1s"], ["-cpuprofile=x"], ["-exec", "x"], ["-mod"], ["-short=x"], ["-shuffle=x"]],
)
def test_what_cannot_be_done_is_said(typed):
    with pytest.raises(click.UsageError):
        translate(typed)
