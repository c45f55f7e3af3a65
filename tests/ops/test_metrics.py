"""What is rendered: names, kinds, labels, bounds, and what must never be shown."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from daemon.core.histogram import Histogram
from daemon.ops.metrics import CATALOGUE, LONGEST_LABEL, MOST_SERIES, Metrics, Reading

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


def rendered(*readings: Reading, secrets: tuple[str, ...] = ()) -> dict[str, float]:
    """Every series by its name and labels."""
    text = Metrics([lambda: readings], secrets=secrets).render().decode()
    return {
        f"{sample.name}{list(sample.labels.values()) or ''}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_are_told_under_their_names() -> None:
    found = rendered(
        Reading("kisd_orders_sent_total", 3),
        Reading("kisd_feed_up", value=True),
        Reading("kisd_cash", 1.5, ("KRW",)),
    )
    assert found["kisd_orders_sent_total"] == 3
    assert found["kisd_feed_up"] == 1
    assert found["kisd_cash['KRW']"] == 1.5


def test_histograms_are_told_by_bounds_sum_and_count() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.5, 0.5, 7.0):
        histogram.observe(value)
    found = rendered(Reading("kisd_loop_lag_seconds", histogram))
    assert found["kisd_loop_lag_seconds_bucket['0.1']"] == 1
    assert found["kisd_loop_lag_seconds_bucket['1.0']"] == 3
    assert found["kisd_loop_lag_seconds_bucket['+Inf']"] == 4
    assert found["kisd_loop_lag_seconds_count"] == 4
    assert found["kisd_loop_lag_seconds_sum"] == pytest.approx(8.05)


def test_series_are_bounded_and_what_is_left_out_is_counted() -> None:
    found = rendered(
        *(Reading("kisd_position_shares", each, (f"krx:{each}",)) for each in range(300))
    )
    assert sum(name.startswith("kisd_position_shares") for name in found) == MOST_SERIES
    assert found["kisd_series_left_out"] == 300 - MOST_SERIES


def test_no_secret_and_no_endless_text_becomes_a_label() -> None:
    found = rendered(
        Reading("kisd_open_orders", 1, ("of 12345678-01",)),
        Reading("kisd_open_orders", 2, ("x" * 500,)),
        secrets=("12345678",),
    )
    names = {name for name in found if name.startswith("kisd_open_orders")}
    assert names == {"kisd_open_orders['redacted']", f"kisd_open_orders['{'x' * LONGEST_LABEL}']"}


def test_a_source_that_fails_leaves_the_others_alone() -> None:
    def broken() -> Iterator[Reading]:
        yield Reading("kisd_feed_up", 1)
        raise ZeroDivisionError

    metrics = Metrics([broken, lambda: [Reading("kisd_orders_sent_total", 1)]])
    with capture_logs() as lines:
        text = metrics.render().decode()
    assert "kisd_orders_sent_total 1.0" in text
    assert "kisd_readings_failed_total 1.0" in text
    assert [line["event"] for line in lines] == ["reading_failed"]


def test_the_process_itself_is_told_of() -> None:
    assert {"process_resident_memory_bytes", "process_open_fds"} <= rendered().keys()


def test_names_are_unique_and_say_their_unit_or_kind() -> None:
    names = [family.name for family in CATALOGUE]
    assert len(set(names)) == len(names)
    for family in CATALOGUE:
        assert re.fullmatch(r"kisd_[a-z_]+", family.name)
        assert family.name.endswith("_total") == (family.kind == "counter")


def test_every_metric_is_documented_as_it_is() -> None:
    rows = re.findall(
        r"^\| `(kisd_[a-z_]+)` \| (\w+) \| ([^|]*) \|", DOCS.read_text("utf-8"), re.MULTILINE
    )
    documented = {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows
    }
    assert documented == {family.name: (family.kind, family.labels) for family in CATALOGUE}
    assert len(rows) == len(CATALOGUE)
