"""What the daemon tells a Prometheus: every metric by name, and how readings become its text.

Nothing here is counted on the trading path: components keep figures of their own, which are read
when somebody asks.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from daemon.core.histogram import Histogram

MOST_SERIES = 200
"""Label sets that one metric may have; what is beyond is left out and counted."""

LONGEST_LABEL = 64

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Reading(NamedTuple):
    """The value of one series just now; `labels` in the order of the metric's own."""

    name: str
    value: float | Histogram
    labels: tuple[str, ...] = ()


Source = Callable[[], Iterable[Reading]]

Kind = Literal["counter", "gauge", "histogram"]


class Family(NamedTuple):
    """A metric as it is documented."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(f"kisd_{name}_total", "counter", text, labels)


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(f"kisd_{name}", "gauge", text, labels)


def _histogram(name: str, text: str, *labels: str) -> Family:
    return Family(f"kisd_{name}_seconds", "histogram", text, labels)


CATALOGUE = (
    _gauge("info", "Always 1: the mode and the markets it trades in", "mode", "markets"),
    _gauge("uptime_seconds", "Seconds since the start"),
    # The loop
    _histogram("loop_lag", "How late the event loop came to a timer"),
    _counter("loop_stalls", "Times that one step held the loop for too long"),
    _gauge("loop_longest_stall_seconds", "The longest of them"),
    _gauge("task_alive", "Whether a task of the daemon runs", "task"),
    # Strategies
    _gauge("strategy_state", "1 for the state that a strategy is in", "strategy", "state"),
    _counter("strategy_steps", "Steps that a strategy took between two waits", "strategy"),
    _counter("strategy_held_seconds", "Seconds that its steps held the loop", "strategy"),
    _gauge("strategy_longest_step_seconds", "The longest of its steps", "strategy"),
    _gauge("strategy_queue", "Events that wait for it", "strategy"),
    _counter("strategy_conflated", "Market news replaced by newer ones before it came", "strategy"),
    # Orders
    _histogram("tick_to_order", "From the receipt of a tick until the order it led to left"),
    _histogram("order_round_trip", "From when an order left until its answer"),
    _counter("orders_sent", "Orders that left"),
    _counter("orders_accepted", "Orders that the broker accepted"),
    _counter("orders_rejected", "Orders that the broker refused, or that could not leave"),
    _counter("orders_doubted", "Orders whose outcome was not known at first"),
    _counter("orders_denied", "Orders that the risk limits or the gate kept here"),
    _counter("cancels_sent", "Cancellations that left"),
    _counter("modifies_sent", "Price changes that left"),
    _counter("fills", "Fills recorded", "strategy"),
    _gauge("open_orders", "Orders that are, or may be, alive at the broker", "strategy"),
    _gauge("orders_in_doubt", "Open orders whose outcome is not known"),
    # Money
    _gauge("positions", "Instruments that a strategy holds", "strategy"),
    _gauge("position_shares", "Shares that the account holds", "instrument"),
    _gauge("exposure_won", "KRW that held and ordered shares may come to"),
    _gauge("cash", "Cash by trade date", "currency"),
    _gauge("profit_realised", "Profit of what was sold, before costs", "strategy", "currency"),
    _gauge("profit_unrealised", "Profit of what is held, before costs", "strategy", "currency"),
    _gauge("profit_costs", "Commissions, fees and taxes", "strategy", "currency"),
    # The gate, the switch, the books
    _gauge("gate_open", "Whether new orders may leave", "region"),
    _gauge("gate_shut", "1 for each reason that holds the gate shut", "reason"),
    _gauge("trading_state", "1 for the state that the kill switch is in", "state"),
    _gauge("open_discrepancies", "Open differences between our books and the broker's"),
    _counter("discrepancies", "Differences found"),
    _counter("reconciliations", "Complete inquiries of orders and account"),
    _counter("reconciliations_failed", "Inquiries that got no complete answer"),
    _gauge("reconciliation_age_seconds", "Seconds since the last complete inquiry", "region"),
    _counter("notices", "Order notices of the stream"),
    _counter("external_orders", "Orders at the broker that nobody here sent"),
    # The feed
    _gauge("feed_up", "Whether order notices are being received"),
    _gauge("feed_age_seconds", "Seconds since the last message of the stream"),
    _counter("feed_messages", "Messages received"),
    _counter("feed_events", "Events read from them"),
    _counter("feed_undecodable", "Messages that could not be read"),
    _counter("feed_wider_frames", "Frames with more columns than are known"),
    _counter("feed_connections", "Connections made"),
    _counter("feed_drops", "Connections lost"),
    _counter("hub_published", "Market news handed to the fan-out"),
    _counter("hub_delivered", "Events that strategies took"),
    _counter("hub_conflated", "Market news replaced by newer ones"),
    _gauge("interests_missing", "News that is wanted and that the stream does not bring"),
    _gauge("instruments_dark", "Instruments whose trades are missing"),
    _counter("market_gaps", "Times that market data was marked as missing"),
    _counter("market_inquiries", "Inquiries for what the stream does not bring"),
    # Requests, keys, time
    _histogram("request_wait", "How long requests waited for a slot", "priority"),
    _histogram("request", "How long requests took to be answered", "priority"),
    _gauge("requests_waiting", "Requests that wait for a slot"),
    _counter("requests", "Requests that left"),
    _counter("requests_refused", "Answers that refused a request", "code"),
    _counter("requests_unknown", "Requests whose outcome is not known"),
    _counter("requests_expired", "Requests that got no slot in time"),
    _gauge("request_limit", "Requests a second that the key allows"),
    _gauge("request_budget_used", "Share of that used by this daemon since the reading before"),
    _gauge("token_seconds_left", "Seconds that the access token still works, 0 without one"),
    _counter("tokens_issued", "Access tokens asked for"),
    _gauge("clock_known", "Whether the broker has told the time"),
    _gauge("clock_drift_seconds", "How far the broker's time is ahead of this machine's"),
    # The disk, the log, the monitor itself
    _gauge("journal_bytes", "Size of the journal and of its write-ahead log", "file"),
    _histogram("journal_commit", "How long a durable write took"),
    _counter("facts", "Facts recorded since the start"),
    _counter("tape_frames", "Messages recorded on the tape"),
    _counter("tape_dropped", "Messages that the tape had no room for"),
    _counter("log_lines_lost", "Lines of the log that could not be written"),
    _counter("monitor_failures", "Times that a part of the monitor failed and was started again"),
    _counter("readings_failed", "Times that a part of these metrics could not be read"),
    _gauge("series_left_out", "Series beyond the most that a metric may have"),
)
"""Every metric of our own; those of the process are the library's `process_…`."""

_FAMILIES = {family.name: family for family in CATALOGUE}
_LEFT_OUT = "kisd_series_left_out"
_FAILED = "kisd_readings_failed_total"


class Metrics(Collector):
    """Renders what `sources` read. A source that fails leaves its own metrics out.

    `secrets` never appear in a label, wherever it came from.
    """

    def __init__(self, sources: Sequence[Source], *, secrets: Sequence[str] = ()) -> None:
        self._sources = tuple(sources)
        self._secrets = tuple(secrets)
        self._failures = 0
        self._log = structlog.get_logger("metrics")
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def render(self) -> bytes:
        """The text of one scrape."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing is read to be registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read everything once, in the order of the catalogue."""
        found: dict[str, dict[tuple[str, ...], float | Histogram]] = defaultdict(dict)
        left_out = 0
        for reading in self._read():
            series = found[reading.name]
            labels = tuple(map(self._label, reading.labels))
            if len(series) < MOST_SERIES or labels in series:
                series[labels] = reading.value
            else:
                left_out += 1
        found[_LEFT_OUT][()] = left_out
        found[_FAILED][()] = self._failures
        for family in CATALOGUE:
            if family.name in found:
                yield _metric(family, found[family.name])

    def _read(self) -> Iterator[Reading]:
        for source in self._sources:
            try:
                for reading in source():
                    assert reading.name in _FAMILIES, f"{reading.name} is not in the catalogue"
                    yield reading
            except Exception:  # noqa: BLE001  what watches must not end what it watches
                self._failures += 1
                self._log.exception("reading_failed")

    def _label(self, value: str) -> str:
        if any(secret in value for secret in self._secrets):
            return "redacted"
        return value[:LONGEST_LABEL]


def _metric(family: Family, series: dict[tuple[str, ...], float | Histogram]) -> Metric:
    metric: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
    if family.kind == "histogram":
        metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for labels, value in series.items():
            assert isinstance(value, Histogram), f"{family.name} is a histogram"
            buckets = [
                ("+Inf" if bound == float("inf") else repr(bound), float(count))
                for bound, count in value.cumulative()
            ]
            metric.add_metric(labels, buckets, value.total)
        return metric
    made = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = made(family.name, family.help, labels=family.labels)
    for labels, value in series.items():
        assert not isinstance(value, Histogram), f"{family.name} is one figure"
        metric.add_metric(labels, float(value))
    return metric
