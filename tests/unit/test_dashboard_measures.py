"""Metrics as a scraper reads them."""

from prometheus_client.parser import text_string_to_metric_families
from tests.dashboards import World
from tests.troubles import NOT_HEALED

from autonomous_healing.dashboard.measures import Measures
from autonomous_healing.dashboard.tally import Tally
from autonomous_healing.dashboard.views import Views, source_of


def samples(world: World, tally: Tally) -> dict[tuple[str, tuple[str, ...]], float]:
    """(name, label values in the order of their names) -> value."""
    text = Measures(Views(world.rooms, tally), tally).text().decode()
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


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


def test_shows_the_state_of_breakers_limits_agents_alerts_and_spool() -> None:
    world = World()
    endpoint = world.endpoint("fred_api/series")
    breaker = world.admission.breaker(endpoint, endpoint.source.hosts[0])
    for _ in range(5):
        breaker.record_failure("API.SERVER_ERROR")
    world.admission.limits(endpoint.source).ledger.charge(probe=False)
    world.agent("diagnosis", inbox_depth=7)
    world.alerts.see(NOT_HEALED)
    found = samples(world, Tally())
    assert found["healing_breaker_state", ("/series", "fred_api")] == 2
    assert found["healing_breaker_state", ("/chart", "yahoo_finance")] == 0
    assert found["healing_quota_used", ("60", "fred_api")] == 1
    assert found["healing_agent_inbox", ("diagnosis",)] == 7
    assert found["healing_alerts_total", ("error",)] == 1
    assert found["healing_db_spool_bytes", ()] == 4096
