"""What a report shows in a line of a failure: what the test failed with, not what it happened to say first."""

import pytest

from maelstrom_go_test.output import parse
from maelstrom_go_test.saying import message_of

V = "\x16"
LOGGED = f"{V}=== RUN   TestA\n    a_test.go:3: got 5 rows\n    a_test.go:5: want 6,\n        not 5\n"
SUBTESTS = (
    f"{V}=== RUN   TestA\n    a_test.go:2: begun\n"
    f"{V}=== RUN   TestA/good\n    a_test.go:3: fine\n{V}--- PASS: TestA/good (0.00s)\n"
    f"{V}=== RUN   TestA/bad\n    a_test.go:4: wrong\n{V}--- FAIL: TestA/bad (0.00s)\n"
)
TESTIFY = f"""{V}=== RUN   TestA
    a_test.go:9: 
        \tError Trace:\t/m/a_test.go:9
        \tError:      \tNot equal: 
        \t            \texpected: 1
        \t            \tactual  : 2
        \tTest:       \tTestA
        \tMessages:   \tof course
"""  # noqa: W291 - as it is written
EXAMPLE = f"{V}=== RUN   TestA\n{V}--- FAIL: TestA (0.00s)\ngot:\nhi\nwant:\nho\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LOGGED, "a_test.go:5: want 6,\nnot 5"),
        (SUBTESTS, "a_test.go:4: wrong"),
        (TESTIFY, "a_test.go:9: Not equal:\nexpected: 1\nactual  : 2"),
        (EXAMPLE, "got:\nhi\nwant:\nho"),
    ],
)
def test_a_message_is_what_the_test_failed_with(text, message):
    node = parse(text.encode()).find("TestA")
    assert message_of(node, node.text) == message


def test_a_panic_and_what_became_of_the_process_go_first():
    node = parse(LOGGED.encode()).find("TestA")
    assert message_of(node, "stderr: panic: oh no\n", "it died") == "panic: oh no"
    assert message_of(node, node.text, "it died") == "it died"
    assert message_of(None, "words\nof it\n") == "words\nof it"
