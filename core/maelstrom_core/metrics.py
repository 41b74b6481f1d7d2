"""Numbers as Prometheus reads them: text format 0.0.4. Imports nothing of the project.

render([Metric("maelstrom_slots", "gauge", "Slots of all workers.", [({}, 8)])])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

KIND = "text/plain; version=0.0.4; charset=utf-8"
"""The media type."""


class Metric(NamedTuple):
    """One metric: its samples have different labels. Names of counters end with `_total`."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    samples: Sequence[tuple[Mapping[str, str], float]]


def single(name: str, kind: Literal["gauge", "counter"], text: str, value: float) -> Metric:
    """Return a metric without labels."""
    return Metric(name, kind, text, [({}, value)])


def render(metrics: Iterable[Metric]) -> bytes:
    """Return the text."""
    lines: list[str] = []
    for metric in metrics:
        lines.append(f"# HELP {metric.name} {_escaped(metric.help)}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        for labels, value in metric.samples:
            inner = ",".join(f'{name}="{_escaped(text, quotes=True)}"' for name, text in labels.items())
            lines.append(f"{metric.name}{{{inner}}} {value!r}" if inner else f"{metric.name} {value!r}")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _escaped(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text
