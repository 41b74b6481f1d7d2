"""What go test says with -json is read as verdicts of tests."""

from ci.comparison.golang import parse_events, table_row
from ci.comparison.outcomes import compare

EVENTS = """\
{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestOk"}
{"Action":"pass","Package":"m/a","Test":"TestOk","Elapsed":0}
{"Action":"run","Package":"m/a","Test":"TestSkip"}
{"Action":"skip","Package":"m/a","Test":"TestSkip","Elapsed":0}
{"Action":"run","Package":"m/a","Test":"TestSub"}
{"Action":"fail","Package":"m/a","Test":"TestSub/one","Elapsed":0}
{"Action":"fail","Package":"m/a","Test":"TestSub","Elapsed":0}
{"Action":"run","Package":"m/a","Test":"TestExit"}
{"Action":"fail","Package":"m/a","Elapsed":0.1}
go: some words
{"Action":"fail","Package":"m/broken","Elapsed":0}
{"Action":"skip","Package":"m/none","Elapsed":0}
"""


def test_results_are_those_of_top_level_tests_and_of_packages_without_any():
    found = parse_events(EVENTS.splitlines())
    assert found == {
        ("m/a TestOk", 0): "passed",
        ("m/a TestSkip", 0): "skipped",
        ("m/a TestSub", 0): "failed",
        ("m/a TestExit", 0): "failed",
        ("m/broken", 0): "error",
    }
    row = table_row("m", compare([found], found | {("m/a TestOk", 0): "failed"}), 1.0, 2.0)
    assert row == "| m | 5 | 4 | 1 | 0 | 1.0 | 2.0 |"
