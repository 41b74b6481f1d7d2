"""Profiles of single tests make the profile of all of them."""

from maelstrom_go_test.coverage import Merged, by_package, document, words

A, B = "m/a.go:1.1,2.2 3", "m/a.go:4.1,5.2 1"


def profile(mode, *lines):
    return f"mode: {mode}\n" + "".join(f"{line}\n" for line in lines)


def test_a_block_is_covered_that_any_test_covers():
    merged = Merged()
    assert merged.add(profile("set", f"{A} 1", f"{B} 0"))
    assert merged.add(profile("set", f"{A} 1", f"{B} 1"))
    assert document({"m": merged}, "set") == profile("set", f"{A} 1", f"{B} 1")
    assert words("m", merged) == "m: coverage: 100.0% of statements"


def test_counts_add_up_but_for_what_every_process_does():
    merged = Merged()
    merged.add_base(profile("count", f"{A} 1", f"{B} 0"))
    merged.add(profile("count", f"{A} 1", f"{B} 5"))
    merged.add(profile("count", f"{A} 3", f"{B} 0"))
    assert document({"m": merged}, "count") == profile("count", f"{A} 3", f"{B} 5")


def test_what_is_no_profile_covers_nothing():
    merged = Merged()
    assert not merged.add("garbage\n")
    assert words("m", merged) == "m: coverage: [no statements]"
    merged.add(profile("set", f"{A} 1", f"{B} 0"))
    assert words("m", merged) == "m: coverage: 75.0% of statements"


def test_a_profile_of_several_packages_is_told_apart():
    other = A.replace("m/", "m/in/")
    found = by_package(profile("set", f"{A} 0", f"{other} 1", f"{B} 1"))
    assert found == {"m": f"{A} 0\n{B} 1\n", "m/in": f"{other} 1\n"}
