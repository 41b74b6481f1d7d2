"""The output of a test as the events of `go test -json`, as `go tool test2json` makes them. Pure.

Events are objects with Action, Test, Elapsed and Output; who writes them adds the package and the time.
"""

from __future__ import annotations

from collections.abc import Iterator

from maelstrom_go_test.output import FRAME, RESULT, WORDS, pieces

Event = dict[str, object]
ACTIONS = {"RUN": "run", "PAUSE": "pause", "CONT": "cont"}


def converted(test: str, text: str) -> Iterator[Event]:
    """Yield the events of the output of a test's process, but for the beginning and the result of the test itself.

    What was written before and after the test is nobody's; the last word of the process is left out.
    """
    current = ""
    pending: Event | None = None
    for piece in pieces(text):
        line = piece.text.removesuffix("\n")
        frame = FRAME.fullmatch(line) if piece.marked else None
        result = RESULT.fullmatch(line) if piece.marked else None
        if (frame is not None or result is not None or (piece.marked and line in WORDS)) and pending is not None:
            yield pending
            pending = None
        if frame is not None:
            name, _, rest = frame[2].strip().partition(" ")
            if frame[1] == "NAME":
                current = name
                continue
            current = name
            yield from _frame(frame[1], name, rest, piece.text, of_itself=name == test)
        elif result is not None:
            current = result[2]
            yield {"Action": "output", "Test": current, "Output": piece.text}
            if current != test:
                pending = {"Action": result[1].lower(), "Test": current, "Elapsed": float(result[3])}
        elif piece.marked and line in WORDS:
            current = ""
        else:
            for each in piece.text.splitlines(keepends=True):
                if current or not each.startswith("coverage: "):
                    yield _output(current, each)
    if pending is not None:
        yield pending


def _frame(word: str, name: str, rest: str, text: str, *, of_itself: bool) -> Iterator[Event]:
    said = _output(name, text)
    if word == "ATTR":
        key, _, value = rest.partition(" ")
        yield {"Action": "attr", "Test": name, "Key": key, "Value": value}
        yield said
    elif word == "ARTIFACTS":
        yield {"Action": "artifacts", "Test": name, "Path": rest}
        yield said
    elif word == "PAUSE":
        yield said
        yield {"Action": "pause", "Test": name}
    else:
        if not (word == "RUN" and of_itself):
            yield {"Action": ACTIONS[word], "Test": name}
        yield said


def _output(test: str, text: str) -> Event:
    return {"Action": "output", **({"Test": test} if test else {}), "Output": text}
