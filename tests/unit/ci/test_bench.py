"""Benchmarks measure both sides in turns, and say the truth about the ratio. Nothing is timed here."""

from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.bench.measure import Bench, Result, as_line, as_record, measure, paired
from ci.bench.programs import BenchError, PeerError, count_calls, run
from ci.bench.registry import BENCHES, GROUPS
from ci.bench.rows.peers import bwrap_command, find
from ci.bench.rows.syscalls import FEW, MANY, per_job
from ci.bench.whole_commands import measure as measure_projects
from ci.bench.whole_commands import table


def bench(**changes):
    defaults = {
        "name": "some",
        "what": "one thing; another",
        "unit": "us",
        "better": "less",
        "reach": 1.5,
        "ours": None,
        "reference": None,
    }
    return Bench(**(defaults | changes))


def side(name, values, story):
    @contextmanager
    def prepared():
        story.append(f"prepare {name}")
        yield lambda: (story.append(name), values.pop(0))[1]
        story.append(f"clean {name}")

    return prepared


def test_sides_are_measured_in_turns_and_the_warm_up_is_thrown_away():
    story = []
    made = bench(ours=side("A", [9.0, 1.0, 2.0], story), reference=side("B", [8.0, 4.0, 5.0], story))
    result = measure(made, runs=2)
    assert story == ["prepare A", "prepare B", "A", "B", "A", "B", "A", "B", "clean B", "clean A"]
    assert result == Result(made, ours=(1.0, 2.0), reference=(4.0, 5.0))


def test_a_side_is_cleaned_up_when_the_other_fails():
    story = []
    made = bench(ours=side("A", [1.0], story), reference=side("B", [], story), warm_up=0)
    with pytest.raises(IndexError):
        measure(made)
    assert story[:3] == ["prepare A", "prepare B", "A"]


def test_what_is_prepared_for_both_sides_is_prepared_once():
    story = []

    @contextmanager
    def prepare():
        story.append("prepare")
        yield lambda: 2.0, lambda: 4.0
        story.append("clean")

    ours, reference = paired(prepare)
    assert measure(bench(ours=ours, reference=reference), runs=2).ratio == 0.5
    assert story == ["prepare", "clean"]


def test_without_a_reference_the_value_itself_is_bounded():
    story = []
    made = bench(ours=side("A", [9.0, 1.0, 2.0, 3.0], story), reference=None, reach=2.0)
    result = measure(made, runs=3)
    assert as_line(result) == "some value=2 us"
    assert (result.ratio, result.reached, as_record(result)["reference"]) == (None, True, None)
    assert Result(bench(reference=None, reach=1.5), ours=(2.0,), reference=()).reached is False


def test_groups_are_of_benches_and_called_otherwise():
    assert GROUPS["launch-peers"] == ("launch-bwrap", "launch-runc", "launch-crun")
    assert all(set(names) <= BENCHES.keys() for names in GROUPS.values())
    assert not GROUPS.keys() & BENCHES.keys()


def test_a_peer_that_is_not_here_is_named():
    with pytest.raises(PeerError, match="no-such-program is not installed"):
        find("no-such-program")


def test_bubblewrap_gets_our_mounts():
    command = " ".join(bwrap_command("bwrap"))
    for part in (
        "--unshare-all",
        "--ro-bind /usr /usr",
        "--tmpfs /tmp",
        "--proc /proc",
        "--dev-bind /dev/zero /dev/zero",
    ):
        assert part in command


def test_the_line_names_both_medians_and_their_ratio():
    result = Result(bench(), ours=(300.0, 100.0, 200.0), reference=(100.0, 900.0, 90.0))
    assert as_line(result) == "some ratio=2 (ours 200 us, reference 100 us)"


def test_the_record_has_every_value():
    record = as_record(Result(bench(), ours=(1.0, 2.0), reference=(3.0, 3.0)))
    assert record["ours_values"] == (1.0, 2.0)
    assert (record["ratio"], record["reach"], record["reached"]) == (0.5, 1.5, True)


@given(ratio=st.floats(0.01, 100), reach=st.floats(0.01, 100))
def test_what_is_reached_depends_on_the_direction(ratio, reach):
    less = Result(bench(reach=reach, better="less"), ours=(ratio,), reference=(1.0,))
    more = Result(bench(reach=reach, better="more"), ours=(ratio,), reference=(1.0,))
    assert less.reached is (ratio <= reach)
    assert more.reached is (ratio >= reach)
    assert Result(bench(reach=None), ours=(ratio,), reference=(1.0,)).reached is None


def test_calls_are_added_up_with_and_without_an_errors_column():
    summary = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000600           6       100           read
 40.00    0.000400          40        10         3 access
------ ----------- ----------- --------- --------- ----------------
100.00    0.001000           9       110         3 total
"""
    assert count_calls(summary) == 110


def test_calls_per_job_are_free_of_what_starting_costs():
    assert per_job(lambda jobs: 5000 + 7 * jobs) == 7
    assert FEW < MANY


def test_a_command_that_fails_is_named_with_its_last_words():
    with pytest.raises(BenchError, match=r"exit code 3: no luck"):
        run(["sh", "-c", "echo no luck >&2; exit 3"])


def test_a_command_that_is_not_there_is_named():
    with pytest.raises(BenchError, match=r"cannot start /nonexistent/program: No such file"):
        run(["/nonexistent/program"])


def test_every_bench_is_found_by_its_own_name():
    assert {name: found.name for name, found in BENCHES.items()} == {name: name for name in BENCHES}
    assert {"launch", "throughput", "original", "one-shot", "syscalls"} <= BENCHES.keys()


def test_real_projects_are_measured_in_turns_and_what_does_not_work_is_left_out():
    story = []

    def take(way):
        story.append(way)
        return None if way == "forked" else {"plain": 4.0, "xdist": 2.0, "test": 3.0, "auto": 1.0}[way]

    found = measure_projects(take, ["plain", "xdist", "forked", "test", "auto"], 2)
    assert found == {"plain": 4.0, "xdist": 2.0, "test": 3.0, "auto": 1.0}
    assert story[:7] == ["plain", "xdist", "forked", "test", "test", "auto", "auto"]
    assert story[7:] == ["plain", "xdist", "test", "auto"] * 2


def test_the_table_of_real_projects_has_ratios_and_their_geometric_means():
    results = {"a": {"xdist": 2.0, "test": 4.0, "auto": 1.0}, "b": {"xdist": 1.0, "test": 0.5}}
    assert table(results, ["xdist", "test", "auto"], "xdist", kind="suite") == [
        "| suite | xdist, s | test, s | auto, s | test / xdist | auto / xdist |",
        "|---|---|---|---|---|---|",
        "| a | 2.0 | 4.0 | 1.0 | 2.00 | 0.50 |",
        "| b | 1.0 | 0.5 |  | 0.50 |  |",
        "| geometric mean |  |  |  | 1.00 | 0.50 |",
    ]
