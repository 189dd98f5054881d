"""Numbers, and what stands where there are none."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.clock import ManualClock
from tests.dashboards import World
from tests.troubles import MASKED, NOT_HEALED

from autonomous_healing.agents.agent import AgentState
from autonomous_healing.alerts import AlertLevel
from autonomous_healing.alerts.alert import AlertState
from autonomous_healing.dashboard.tally import EDGES, MOST_NAMES, OTHERS, Spread, Tally
from autonomous_healing.dashboard.views import UnknownCursor, Views, source_of, to_json
from autonomous_healing.dashboard.views.health import product_status, worst

CHART = "yahoo_finance/chart"


class Seen(World):
    """A world with the views of it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.tally = Tally()
        self.views = Views(self.rooms, self.tally)

    def heal_and_count(self, **how: Any) -> None:
        report = self.heal(**how)
        self.tally.count(report, source_of(report))

    def pass_time(self, seconds: float) -> None:
        assert isinstance(self.clock, ManualClock)
        self.clock.pass_time(seconds)

    def row(self, place: str = CHART) -> dict[str, Any]:
        rows = to_json(self.views.endpoints())["endpoints"]
        found: dict[str, Any] = next(row for row in rows if f"{row['source']}{row['endpoint']}" == place)
        return found


def test_an_endpoint_that_nobody_asked_is_null_and_not_zero() -> None:
    world = Seen()
    world.row()
    world.pass_time(60)
    row = world.row()
    unknown = (
        "error_rate", "avg_response_time", "last_success", "last_failure", "uptime_percentage", "healed_share"
    )  # fmt: skip
    assert {name: row[name] for name in unknown} == dict.fromkeys(unknown)
    assert (row["status"], row["total_requests"], row["breaker"]) == ("unknown", 0, "closed")


def test_an_endpoint_has_the_fields_of_the_interface_and_no_others() -> None:
    assert list(Seen().row()) == [
        "source", "endpoint", "status", "total_requests", "failed_requests", "error_rate",
        "avg_response_time", "last_success", "last_failure", "consecutive_failures", "uptime_percentage",
        "healed_share", "felt", "breaker", "quota", "window_seconds",
    ]  # fmt: skip


def test_numbers_have_the_digits_of_the_interface() -> None:
    world = Seen()
    window = world.admission.window(world.endpoint(CHART))
    for seconds in (0.1, 0.1, 0.2):
        window.record_success(seconds)
    for _ in range(4):
        window.record_failure()
    for outcome in ("fresh", "stale", "error"):
        window.record_felt(outcome)
    row = world.row()
    assert row["error_rate"] == 0.5714
    assert row["avg_response_time"] == 0.133
    assert row["healed_share"] == 0.3333
    assert row["last_failure"] == "2026-03-02T15:00:00.000Z"
    assert (row["total_requests"], row["failed_requests"], row["consecutive_failures"]) == (7, 4, 4)
    assert row["felt"] == {
        "fresh": 1, "exact": 0, "equivalent": 0, "stale": 1, "reduced": 0, "substitute": 0, "error": 1
    }  # fmt: skip


def test_uptime_is_a_percentage_with_two_digits() -> None:
    world = Seen()
    window = world.admission.window(world.endpoint(CHART))
    window.record_success(0.1)
    world.pass_time(20)
    assert world.row()["uptime_percentage"] == 100.0
    for _ in range(12):
        window.record_failure()
    world.row()
    world.pass_time(10)
    assert world.row()["uptime_percentage"] == 66.67


def test_quota_shows_each_window_of_the_source() -> None:
    world = Seen()
    endpoint = world.endpoint("alpha_vantage/query")
    world.admission.limits(endpoint.source).ledger.charge("alpha_vantage#1")
    assert world.row(endpoint.place)["quota"] == [
        {"seconds": 1.0, "limit": 1, "used": 1},
        {"seconds": 60.0, "limit": 5, "used": 1},
        {"seconds": 86400.0, "limit": 25, "used": 1},
    ]


def test_a_source_is_as_bad_as_its_worst_endpoint_and_weighs_calls() -> None:
    world = Seen()
    fine = world.admission.window(world.endpoint("yahoo_finance/quote"))
    sick = world.admission.window(world.endpoint(CHART))
    for _ in range(30):
        fine.record_success(0.1)
    for _ in range(10):
        sick.record_success(0.5)
    for _ in range(10):
        sick.record_failure()
    yahoo = next(row for row in world.views.board().sources if row.source == "yahoo_finance")
    assert (yahoo.status, yahoo.display_name, yahoo.total_requests) == ("failed", "Yahoo Finance", 50)
    assert yahoo.error_rate == pytest.approx(0.2)
    assert yahoo.avg_response_time == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((), "unknown"),
        (("unknown", "unknown"), "unknown"),
        (("unknown", "healthy"), "healthy"),
        (("healthy", "degraded"), "degraded"),
        (("critical", "degraded"), "critical"),
        (("failed", "healthy"), "failed"),
    ],
)
def test_the_worst_status_speaks_for_all(statuses: tuple[str, ...], expected: str) -> None:
    assert worst(statuses) == expected


@pytest.mark.parametrize(
    ("statuses", "away", "agent_failed", "expected"),
    [
        (("healthy", "unknown"), False, False, "healthy"),
        (("unknown",), False, False, "healthy"),
        (("healthy", "degraded"), False, False, "degraded"),
        (("healthy", "failed"), False, False, "degraded"),
        (("healthy",), True, False, "degraded"),
        (("healthy",), False, True, "degraded"),
        (("failed", "unknown"), False, False, "failed"),
    ],
)
def test_the_product_is_judged_by_all_it_knows(
    statuses: tuple[str, ...], away: bool, agent_failed: bool, expected: str
) -> None:
    assert product_status(statuses, storage_away=away, agent_failed=agent_failed) == expected


def test_the_summary_says_since_when_and_where_data_is_kept() -> None:
    world = Seen()
    world.pass_time(90.5)
    assert to_json(world.views.summary()) == {
        "status": "degraded",
        "storage": "away",
        "timestamp": "2026-03-02T15:01:30.500Z",
        "uptime": 90.5,
    }


def test_nothing_healed_is_null() -> None:
    world = Seen()
    assert to_json(world.views.healing_status()) == {
        "active": False,
        "last_heal": None,
        "age_seconds": None,
        "last_status": None,
        "last_error": None,
        "patterns_available": 0,
        "patterns": [],
    }
    numbers = world.views.board().numbers
    assert (numbers.healed, numbers.not_healed) == (0, 0)
    assert (numbers.healing_success, numbers.avg_detection_time, numbers.avg_healing_time) == (None,) * 3


@pytest.mark.parametrize(("age", "active"), [(0.0, True), (30.0, True), (30.1, False)])
def test_healing_is_active_for_half_a_minute(age: float, active: bool) -> None:
    world = Seen()
    world.heal()
    world.pass_time(age)
    status = world.views.healing_status()
    assert (status.active, status.age_seconds, status.last_status) == (active, age, "healed")


def test_what_could_not_be_healed_says_what_had_failed() -> None:
    world = Seen()
    world.heal(cure=None)
    status = world.views.healing_status()
    assert (status.last_status, status.last_error) == ("failed", "HTTP 503")


def test_the_three_cures_that_worked_most_are_the_patterns() -> None:
    world = Seen()
    for strategy, times in (("a", 1), ("b", 4), ("c", 2), ("d", 3)):
        for _ in range(times):
            world.heal(cure=strategy)
    world.heal(cure=None)
    patterns = world.views.healing_status().patterns
    assert [(one.strategy, one.successes) for one in patterns] == [("b", 4), ("d", 3), ("c", 2)]


def test_numbers_count_users_and_neither_probes_nor_drills() -> None:
    world = Seen()
    world.heal_and_count(detect_seconds=0.2, heal_seconds=0.1)
    world.heal_and_count(detect_seconds=0.4, heal_seconds=0.3)
    world.heal_and_count(cure=None, detect_seconds=0.6, heal_seconds=3.0)
    world.heal_and_count(origin="probe", cure=None)
    world.heal_and_count(origin="drill", cure=None)
    numbers = to_json(world.views.board().numbers)
    assert (numbers["healed"], numbers["not_healed"], numbers["healing_success"]) == (2, 1, 0.6667)
    assert (numbers["avg_detection_time"], numbers["avg_healing_time"]) == (0.4, 0.2)


def test_strategies_are_listed_whether_tried_or_not() -> None:
    world = Seen()
    world.heal_and_count()
    world.heal_and_count(origin="probe")
    rows = {row["name"]: row for row in to_json(world.views.strategies())["strategies"]}
    assert rows["use_cached_data"] == {
        "name": "use_cached_data",
        "success_rate": 1.0,
        "success_count": 2,
        "failure_count": 0,
        "avg_fix_time": 0.02,
    }
    assert rows["exponential_backoff_retry"]["success_rate"] == 0.0
    assert rows["exponential_backoff_retry"]["avg_fix_time"] is None
    assert rows["reduce_request_size"]["success_rate"] is None, "it was passed over, not tried"


def test_the_tally_does_not_grow_with_names() -> None:
    world = Seen()
    for n in range(MOST_NAMES + 50):
        world.heal_and_count(cure=f"strategy_{n}")
    assert len(world.tally.strategies) <= MOST_NAMES + 1
    assert world.tally.strategies[OTHERS].succeeded == 51  # the retry before each cure took a place


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.05, 0), (0.051, 1), (15.0, 9), (15.1, 10)])
def test_a_time_falls_under_the_first_edge_that_is_not_below_it(seconds: float, bucket: int) -> None:
    spread = Spread()
    spread.add(seconds)
    assert spread.counts.index(1) == bucket
    assert len(spread.counts) == len(EDGES) + 1
    assert spread.mean == seconds


def test_reports_come_newest_first_in_pages_without_overlap() -> None:
    world = Seen()
    made = [world.heal().id for _ in range(5)]
    first = world.views.reports(2)
    second = world.views.reports(2, first.reports[-1].id)
    last = world.views.reports(2, second.reports[-1].id)
    pages = [[row.id for row in page.reports] for page in (first, second, last)]
    assert pages == [[made[4], made[3]], [made[2], made[1]], [made[0]]]
    assert [page.next_cursor is None for page in (first, second, last)] == [False, False, True]
    assert first.next_cursor == str(made[3])


def test_a_page_after_a_report_that_is_gone_is_refused() -> None:
    world = Seen()
    with pytest.raises(UnknownCursor):
        world.views.reports(2, world.new_id())


def test_alerts_are_chosen_by_level_and_state() -> None:
    world = Seen()
    world.alerts.see(NOT_HEALED)
    world.alerts.see(replace(MASKED, source="fred_api", endpoint="/series"))
    assert [row["level"] for row in world.views.alerts(AlertLevel.WARNING).alerts] == ["warning"]
    assert [row["source"] for row in world.views.alerts(AlertLevel.ERROR).alerts] == ["yahoo_finance"]
    assert world.views.alerts(state=AlertState.RESOLVED).alerts == ()
    world.pass_time(301)
    world.alerts.sweep()
    assert world.views.alerts(state=AlertState.FIRING).count == 0
    assert world.views.alerts(state=AlertState.RESOLVED).count == 2


def test_agents_are_shown_as_measured() -> None:
    world = Seen()
    now = world.clock.now()
    world.agent("monitoring", processed=12)
    world.agent(
        "diagnosis",
        state=AgentState.FAILED,
        last_success=now - timedelta(minutes=6),
        last_error="KeyError on one item",
        restarts=2,
    )
    world.agent("learning", last_success=None, processed=0)
    rows = {row.id: row for row in world.views.agents().agents}
    assert [(row.state, row.health) for row in rows.values()] == [
        ("running", "HEALTHY"),
        ("failed", "WARNING"),
        ("running", "FAILED"),
    ]
    assert (rows["diagnosis"].last_error, rows["monitoring"].last_error) == ("KeyError on one item", None)
    assert world.views.agent("diagnosis") == rows["diagnosis"]
    assert world.views.agent("nobody") is None


def test_a_breaker_says_why_it_is_open_and_for_how_long() -> None:
    world = Seen()
    endpoint = world.endpoint("fred_api/series")
    breaker = world.admission.breaker(endpoint, endpoint.source.hosts[0])
    for _ in range(5):
        breaker.record_failure("API.SERVER_ERROR", reset_in=12.0)
    [row] = [one for one in to_json(world.views.breakers())["breakers"] if one["state"] != "closed"]
    assert row == {
        "target": "fred_api/series@https://api.stlouisfed.org",
        "source": "fred_api",
        "endpoint": "/series",
        "host": "https://api.stlouisfed.org",
        "state": "open",
        "openings": 1,
        "opened_for": 0.0,
        "retry_after": 12.0,
        "reason": "API.SERVER_ERROR",
        "forced": None,
        "forced_by": None,
        "forced_reason": None,
        "forced_for": 0.0,
        "share": 0.0,
        "merged": False,
        "calls": 5,
        "failed": 5,
        "slow_share": 0.0,
    }
    assert world.row("fred_api/series")["breaker"] == "open"
