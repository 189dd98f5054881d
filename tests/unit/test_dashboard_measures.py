"""Metrics as a scraper reads them."""

import re
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.dashboards import World
from tests.troubles import NOT_HEALED

from autonomous_healing.dashboard.measures import Measures
from autonomous_healing.dashboard.tally import Tally
from autonomous_healing.dashboard.views import Views, source_of
from autonomous_healing.endpoint_healing.observations import BUCKETS, Timing, bucket_of

#: `| name | type | labels | what |`
ROW = re.compile(r"^\| `(?P<name>healing_\w+)` \| (?P<type>\w+) \| (?P<labels>[^|]*)\| [^|]+ \|$", re.M)


def families(world: World, tally: Tally) -> list[Metric]:
    text = Measures(Views(world.rooms, tally), tally).text().decode()
    return list(text_string_to_metric_families(text))


def samples(world: World, tally: Tally) -> dict[tuple[str, tuple[str, ...]], float]:
    """(name, label values in the order of their names) -> value."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families(world, tally)
        for sample in family.samples
    }


def timing(world: World, place: str, *seconds: float) -> Timing:
    counts = [0] * (BUCKETS + 1)
    for took in seconds:
        counts[bucket_of(took)] += 1
    return Timing(world.endpoint(place), counts, sum(seconds))


def test_counts_attempts_by_strategy_and_outcome() -> None:
    world, tally = World(), Tally()
    for cure in ("use_cached_data", "use_cached_data", None):
        report = world.report(cure=cure)
        tally.count(report, source_of(report))
    found = samples(world, tally)
    assert found["healing_outcomes_total", ("healed", "use_cached_data")] == 2
    assert found["healing_outcomes_total", ("failed", "exponential_backoff_retry")] == 3


def test_times_fall_into_cumulative_buckets() -> None:
    world, tally = World(), Tally()
    for took in (0.04, 0.4, 20.0):
        report = world.report(heal_seconds=took)
        tally.count(report, source_of(report))
    found = samples(world, tally)
    buckets = [found["healing_seconds_bucket", (edge,)] for edge in ("0.05", "0.25", "0.5", "15.0", "+Inf")]
    assert buckets == [1, 1, 2, 2, 3]
    assert found["healing_seconds_sum", ()] == 20.44
    assert found["healing_detection_seconds_count", ()] == 3


def test_good_answers_fall_into_buckets_at_powers_of_two_by_endpoint() -> None:
    world = World()
    world.timings = [
        timing(world, "yahoo_finance/chart", 0.0, 0.0003, 0.001, 0.002, 90.0),
        timing(world, "fred_api/series", 0.5),
    ]
    found = samples(world, Tally())
    chart = ("/chart", "yahoo_finance")
    edges = ("1e-06", "0.000256", "0.000512", "0.001024", "0.002048", "67.108864", "+Inf")
    # Labels stand in the order of their names, so the edge is in the middle.
    buckets = [found["healing_upstream_seconds_bucket", (chart[0], edge, chart[1])] for edge in edges]
    assert buckets == [1, 1, 2, 3, 4, 4, 5]
    assert found["healing_upstream_seconds_sum", chart] == 90.0033
    assert found["healing_upstream_seconds_count", chart] == 5
    assert found["healing_upstream_seconds_count", ("/series", "fred_api")] == 1
    assert len([name for name, _ in found if name == "healing_upstream_seconds_bucket"]) == 2 * (BUCKETS + 1)


def test_the_documents_list_every_metric_with_its_labels() -> None:
    world, tally = World(), Tally()
    tally.count(world.report(), "yahoo_finance")
    world.timings = [timing(world, "fred_api/series", 0.5)]
    world.agent("diagnosis")
    world.alerts.see(NOT_HEALED)
    world.admission.window(world.endpoint("fred_api/series")).record_felt("fresh")
    told = {
        (family.name + "_total" * (family.type == "counter"), family.type, *sorted(labels - {"le"}))
        for family in families(world, tally)
        for labels in [{name for sample in family.samples for name in sample.labels}]
    }

    page = (Path(__file__).parents[2] / "docs/reference/http.md").read_text(encoding="utf-8")
    rows = list(ROW.finditer(page))
    assert {
        (row["name"], row["type"], *sorted(re.findall(r"`(\w+)`", row["labels"]))) for row in rows
    } == told
    assert len(rows) == len(told)


def test_shows_the_state_of_breakers_limits_agents_alerts_and_spool() -> None:
    world = World()
    endpoint = world.endpoint("fred_api/series")
    breaker = world.admission.breaker(endpoint, endpoint.source.hosts[0])
    for _ in range(5):
        breaker.record_failure("API.SERVER_ERROR")
    world.admission.limits(endpoint.source).ledger.charge("fred_api#1")
    world.admission.limits(endpoint.source).keys.add("fred_api#1", "no secret")
    world.admission.limits(endpoint.source).keys.quarantine("fred_api#1", "leaked")
    world.agent("diagnosis", inbox_depth=7)
    world.alerts.see(NOT_HEALED)
    world.admission.limits(endpoint.source).budget.spend()
    world.admission.window(endpoint).record_felt("stale", 3)
    found = samples(world, Tally())
    assert found["healing_breaker_state", ("/series", "fred_api")] == 2
    assert found["healing_breaker_state", ("/chart", "yahoo_finance")] == 0
    assert found["healing_quota_used", ("fred_api#1", "fred_api", "minute")] == 1
    assert found["healing_key_changes_total", ("fred_api", "quarantined")] == 1
    assert found["healing_key_changes_total", ("polygon_io", "invalid")] == 0
    assert found["healing_retry_budget_used", ("fred_api",)] == 1
    assert found["healing_felt_total", ("/series", "stale", "fred_api")] == 3
    assert found["healing_cache_total", ("copies", "hit")] == 0
    assert found["healing_agent_inbox", ("diagnosis",)] == 7
    assert found["healing_alerts_total", ("error",)] == 1
    assert found["healing_db_spool_bytes", ()] == 4096
