"""Results as JSON lines: one object for each job that is over. docs/book/results.md describes them.

Objects in, bytes out; may import the core only.
"""

from __future__ import annotations

import base64
import codecs

import msgspec

from maelstrom_core.job import ExecutionError, Exited, NotForked, Output, Signaled, SystemFailure
from maelstrom_run.task import Finished, kind

VERSION = 1
"""Of the form; one that only gains fields stays the same."""

_encode = msgspec.json.Encoder().encode


def result_line(finished: Finished) -> bytes:
    """Return the line of a job that is over."""
    task, outcome, effects = finished.task, finished.outcome, finished.effects
    fields: dict[str, object] = {"version": VERSION, "job": task.number}
    if task.input is not None:
        fields["input"] = task.input
    fields |= {"digest": f"{task.digest:016x}", "outcome": kind(outcome)}
    match outcome:
        case Exited(code=code):
            fields["code"] = code
        case Signaled(signal=number):
            fields["signal"] = number
        case ExecutionError(message=message, hint=hint) | SystemFailure(message=message, hint=hint):
            fields |= {"message": message, "hint": hint}
        case NotForked(reason=reason):
            fields["message"] = reason
    fields |= _text("stdout", effects.stdout) | _text("stderr", effects.stderr)
    fields |= {
        "start": round(finished.ended - effects.duration, 6),
        "wall": effects.duration,
        "cpu_user": effects.cpu_user,
        "cpu_system": effects.cpu_system,
        "peak_memory": effects.peak_memory,
        "attempts": finished.attempts,
    }
    if effects.rest_error is not None:
        fields["lost_reason"] = effects.rest_error
    if (ran := effects.ran) is not None:
        fields |= {"worker": ran.worker, "worker_attempt": ran.attempt}
    if (files := effects.files) is not None:
        fields |= {"files_notes": files.notes} if files.notes else {}
        fields |= {"files_error": files.error, "files_hint": files.hint} if files.error is not None else {}
    if (told := effects.limited) is not None:
        fields |= {
            "out_of_memory": told.out_of_memory,
            "refused_processes": told.refused_processes,
            "lacking_limits": told.lacking,
        }
    return _encode(fields) + b"\n"


def _text(name: str, output: Output) -> dict[str, object]:
    """Return the fields of one stream; a character that the limit has cut in two counts as lost."""
    fields: dict[str, object] = {}
    data, lost = output.data, output.lost
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        fields[name] = decoder.decode(data, final=not lost)
        lost += len(decoder.getstate()[0])
    except UnicodeDecodeError:
        fields[f"{name}_base64"] = base64.b64encode(data).decode()
    if lost:
        fields[f"{name}_lost"] = lost
    return fields
