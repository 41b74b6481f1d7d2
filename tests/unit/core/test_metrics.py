"""The text that Prometheus reads, read back by its own parser."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from maelstrom_core.metrics import Metric, render, single


@given(
    st.text(max_size=20).filter(lambda text: text.encode("utf-8", "replace").decode() == text),
    st.one_of(st.integers(0, 1 << 53), st.floats(allow_nan=False)),
)
def test_whatever_labels_and_values_are_they_are_read_as_they_are(text: str, value: float) -> None:
    page = render([Metric("a_thing", "gauge", "What it is.", [({"name": text, "other": "x"}, value)])])
    (family,) = text_string_to_metric_families(page.decode())
    (sample,) = family.samples
    assert sample.labels == {"name": text, "other": "x"}
    assert sample.value == value


def test_metrics_have_a_type_and_a_text() -> None:
    page = render([single("jobs_total", "counter", "Jobs \\ ever.", 3), Metric("empty", "gauge", "None.", [])])
    families = {family.name: family for family in text_string_to_metric_families(page.decode())}
    assert families["jobs"].type == "counter"
    assert families["jobs"].documentation == "Jobs \\ ever."
    assert families["jobs"].samples[0].value == 3
    assert families["empty"].samples == []
