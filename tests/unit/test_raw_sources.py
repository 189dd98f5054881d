"""A source that is passed through: nothing of the product stumbles over it, and nothing heals it."""

import random

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.dashboards import World as Rooms
from tests.world import World, no_answer, said

from autonomous_healing.agents import AlertingAgent, MonitoringSettings, RecoveryWatch
from autonomous_healing.agents.monitoring import build_targets
from autonomous_healing.alerts import AlertManager, AlertSettings
from autonomous_healing.dashboard.measures import Measures
from autonomous_healing.dashboard.tally import Tally
from autonomous_healing.dashboard.views import Views
from autonomous_healing.endpoint_healing.assembly import build_strategies
from autonomous_healing.endpoint_healing.catalog import SOURCE_IDS, build_endpoints, default_sources
from autonomous_healing.endpoint_healing.codes import ERROR_TYPE
from autonomous_healing.endpoint_healing.endpoints import Auth, DataKind
from autonomous_healing.endpoint_healing.options import SourceSettings
from autonomous_healing.endpoint_healing.strategies import Cascade
from autonomous_healing.endpoint_healing.validators import read_answer
from autonomous_healing.healing import Diagnosis, Severity
from autonomous_healing.safety import Origin

SHOP = SourceSettings(kind="raw", hosts=("https://shop.test/",), timeout=4.0)


def world() -> World:
    return World(sources={"my_shop": SHOP.model_dump()})


def test_it_has_one_endpoint_for_its_health_and_no_route() -> None:
    sources = {**default_sources(), "my_shop": SHOP}
    [endpoint] = [one for one in build_endpoints(sources) if one.source.id == "my_shop"]
    assert (endpoint.place, endpoint.name, endpoint.routes) == ("my_shop/", "/", ())
    assert (endpoint.kind, endpoint.timeout, endpoint.defaults) == (DataKind.OTHER, 4.0, {})
    source = endpoint.source
    assert (source.kind, source.display_name, source.segment) == ("raw", "my_shop", "my-shop")
    assert (source.hosts, source.auth, source.mount) == (("https://shop.test",), Auth(), "/api/my-shop")
    assert (source.allow_private, source.ca_file, source.port) == (False, "", None)


def test_it_is_where_the_operator_put_it() -> None:
    put = SHOP.model_copy(update={"allow_private": True, "ca_file": "/etc/ca.pem", "mount": "/", "port": 0})
    [endpoint] = build_endpoints({"my_shop": put})
    source = endpoint.source
    assert (source.allow_private, source.ca_file, source.mount, source.port) == (True, "/etc/ca.pem", "/", 0)


def test_sources_of_data_say_where_they_answer_too() -> None:
    mounts = {
        one.source.id: (one.source.kind, one.source.mount) for one in build_endpoints(default_sources())
    }
    assert mounts == {
        "yahoo_finance": ("data", "/api/yahoo"),
        "fred_api": ("data", "/api/fred"),
        "polygon_io": ("data", "/api/polygon"),
        "alpha_vantage": ("data", "/api/alpha-vantage"),
        "exchange_rate_api": ("data", "/api/exchange-rate"),
    }


def test_one_that_is_switched_off_is_not_offered() -> None:
    assert build_endpoints({"my_shop": SHOP.model_copy(update={"enabled": False})}) == ()


async def test_among_the_routes_of_data_it_has_none() -> None:
    reply = await world().get("/api/my-shop/x")
    assert reply.status == 404
    assert b"/api/fred/series" in reply.body
    assert reply.body.count(b"shop") == 1  # the path that was asked for


def test_the_dashboard_shows_it_beside_the_others() -> None:
    rooms = Rooms(sources={**default_sources(), "my_shop": SHOP})
    window = rooms.admission.window(rooms.endpoint("my_shop/"))
    window.record_successes([0.25] * 3)
    window.record_felt("fresh", 3)
    views = Views(rooms.rooms, Tally())
    board = views.board()
    [row] = [row for row in board.endpoints if row.source == "my_shop"]
    assert (row.endpoint, row.status, row.total_requests, row.quota) == ("/", "healthy", 3, ())
    [source] = [row for row in board.sources if row.source == "my_shop"]
    assert (source.display_name, source.status, source.avg_response_time) == ("my_shop", "healthy", 0.25)
    assert len(board.sources) == len(SOURCE_IDS) + 1
    assert "my_shop" not in {row.source for row in views.quota().quota}


def test_metrics_count_it_beside_the_others() -> None:
    rooms, tally = Rooms(sources={**default_sources(), "my_shop": SHOP}), Tally()
    text = Measures(Views(rooms.rooms, tally), tally).text().decode()
    labels = [
        sample.labels
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "healing_breaker_state"
    ]
    assert {"source": "my_shop", "endpoint": "/"} in labels


@pytest.mark.parametrize("body", [b"", b"not JSON", b'{"chart": {"error": "no such symbol"}}'])
def test_its_answers_are_not_judged(body: bytes) -> None:
    assert read_answer("my_shop", "/", 200, body, {}) is None


@pytest.mark.parametrize("code", sorted(ERROR_TYPE))
def test_no_strategy_claims_its_faults(code: str) -> None:
    one = world()
    cascade = Cascade(build_strategies(one.parts, one.settings, one.clock, random.Random(1)), frozenset())
    diagnosis = Diagnosis(code=code, cluster="x", severity=Severity.DEGRADED, confidence=0.9)
    assert cascade.claim(diagnosis, "my_shop", Origin.RULE) == []


async def test_asked_like_a_source_of_data_it_answers_for_itself() -> None:
    one = world()
    one.upstream.says("shop.test", said(200, "anything"), said(503, "closed"), no_answer())
    results = [await one.healer.answer(one.call("my_shop/")) for _ in range(3)]
    statuses = [result.response.status if result.response else None for result in results]
    failures = [result.failure.status if result.failure else None for result in results]
    assert (statuses, failures) == ([200, None, None], [None, 503, None])
    assert [report.attempts for report in one.reports] == [(), ()]
    health = one.admission.window(one.endpoint("my_shop/")).read()
    assert (health.failed, health.total) == (2, 3)


async def test_alerts_tell_of_it_by_its_id() -> None:
    one = world()
    alerts = AlertManager(clock=one.clock, settings=AlertSettings(), new_number=lambda: 1, channels=())
    parts = (alerts, one.admission, one.endpoints, one.clock)
    agent, watch = AlertingAgent(one.journal.follow("alerting"), *parts), RecoveryWatch(*parts)
    one.upstream.says("shop.test", no_answer())
    await one.healer.answer(one.call("my_shop/"))
    [report] = one.reports
    await agent.handle(report)
    watch.look()
    [alert] = alerts.open()
    assert (alert.source, alert.endpoint) == ("my_shop", "/")


def test_it_is_no_target_of_monitoring() -> None:
    one = world()
    assert {target.endpoint.source.kind for target in build_targets(MonitoringSettings(), one.endpoints)} == {
        "data"
    }
