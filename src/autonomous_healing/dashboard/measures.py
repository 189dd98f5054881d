"""Metrics in the Prometheus text format, read from the views when they are asked for.

Only what is counted today is here; rates of a sliding window are no counters and stay in the API.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from autonomous_healing.dashboard.tally import EDGES, Spread, Tally
from autonomous_healing.dashboard.views import Views
from autonomous_healing.endpoint_healing.keys import KeyState
from autonomous_healing.endpoint_healing.observations import BUCKETS
from autonomous_healing.resilience import BreakerState

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4

#: Upper edges in seconds of what endpoint healing counts by powers of two; its last bucket has none.
POWERS = [2**n / 1e6 for n in range(BUCKETS)]

BREAKER_LEVEL = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class Measures(Collector):
    """Labels are bounded: sources, endpoints, strategies, outcomes, levels and agents of this product."""

    def __init__(self, views: Views, tally: Tally) -> None:
        self._views = views
        self._tally = tally
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """All metrics as they are now."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield self._upstream()
        yield self._outcomes()
        yield _histogram("healing_detection_seconds", "Failing exchange to diagnosis.", self._tally.detection)
        yield _histogram("healing_seconds", "Diagnosis to cure.", self._tally.healing)
        yield self._breakers()
        yield self._quota()
        yield self._keys()
        yield self._retry_budgets()
        yield self._felt()
        yield self._copies()
        yield self._inboxes()
        yield self._alerts()
        yield GaugeMetricFamily(
            "healing_db_spool_bytes", "Events that wait on disk.", value=self._views.spool_bytes()
        )

    def _upstream(self) -> Metric:
        family = HistogramMetricFamily(
            "healing_upstream_seconds",
            "Plain questions that were answered well at once, by what they took upstream.",
            labels=("source", "endpoint"),
        )
        for one in self._views.timings():
            labels = (one.endpoint.source.id, one.endpoint.name)
            family.add_metric(labels, _cumulative(POWERS, one.counts), one.seconds)
        return family

    def _outcomes(self) -> Metric:
        family = CounterMetricFamily(
            "healing_outcomes", "Healing attempts by how they ended.", labels=("strategy", "outcome")
        )
        for name, count in self._tally.strategies.items():
            for outcome, times in count.outcomes.items():
                family.add_metric((name, outcome.value), times)
        return family

    def _breakers(self) -> Metric:
        family = GaugeMetricFamily(
            "healing_breaker_state", "0 closed, 1 half open, 2 open.", labels=("source", "endpoint")
        )
        for row in self._views.endpoints().endpoints:
            family.add_metric((row.source, row.endpoint), BREAKER_LEVEL[BreakerState(row.breaker)])
        return family

    def _quota(self) -> Metric:
        family = GaugeMetricFamily(
            "healing_quota_used", "Calls counted in a limit's window.", labels=("source", "key", "window")
        )
        for row in self._views.quota().quota:
            family.add_metric((row.source, row.key or "", row.window), row.used)
        return family

    def _keys(self) -> Metric:
        family = CounterMetricFamily(
            "healing_key_changes", "Keys that entered a state.", labels=("source", "state")
        )
        for source, changes in self._views.key_changes():
            for state in KeyState:
                family.add_metric((source, state.value), changes[state])
        return family

    def _retry_budgets(self) -> Metric:
        family = GaugeMetricFamily(
            "healing_retry_budget_used", "Extra calls decided in the budget's window.", labels=("source",)
        )
        for source, used in self._views.extra_calls():
            family.add_metric((source,), used)
        return family

    def _felt(self) -> Metric:
        family = CounterMetricFamily(
            "healing_felt", "Users' requests by what they ended with.", labels=("source", "endpoint", "felt")
        )
        for endpoint, felt in self._views.felt():
            for word, count in sorted(felt.items()):
                family.add_metric((endpoint.source.id, endpoint.name, word), count)
        return family

    def _copies(self) -> Metric:
        family = CounterMetricFamily(
            "healing_cache", "What copies and the shared cache did.", labels=("cache", "outcome")
        )
        for cache, counts in self._views.cache_counts().items():
            for outcome, count in counts.items():
                family.add_metric((cache, outcome), count)
        return family

    def _inboxes(self) -> Metric:
        family = GaugeMetricFamily("healing_agent_inbox", "Items that wait for an agent.", labels=("agent",))
        for row in self._views.agents().agents:
            family.add_metric((row.id,), row.inbox_depth)
        return family

    def _alerts(self) -> Metric:
        family = CounterMetricFamily(
            "healing_alerts", "Troubles that alerts were told of, by their level.", labels=("level",)
        )
        for level, count in self._views.troubles().items():
            family.add_metric((level.word,), count)
        return family


def _histogram(name: str, sentence: str, spread: Spread) -> Metric:
    buckets = _cumulative(EDGES, spread.counts)
    return HistogramMetricFamily(name, sentence, buckets=buckets, sum_value=spread.seconds)


def _cumulative(edges: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """All up to each edge; of `counts`, the last has none."""
    return list(zip((*map(str, edges), "+Inf"), accumulate(counts), strict=True))
