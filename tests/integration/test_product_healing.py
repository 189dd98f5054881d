"""The whole product heals: what callers get, and what is known of it afterwards."""

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.eventually import CLOCK, eventually
from tests.integration.product import SOURCES, Product, in_process, settings_for

from autonomous_healing.drills import Stage, questions
from autonomous_healing.drills.twins import Fault, FaultKind

LATEST = "/api/exchange-rate/latest/USD"
UNRATE = "/api/fred/observations?series_id=UNRATE&limit=12"

#: Probes carry no id of a caller's request; callers do.
PROBES = frozenset({""})


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(7, CLOCK) as stage:
        yield stage


@pytest.fixture
async def product(stage: Stage, server_home: Path) -> AsyncIterator[Product]:
    async with in_process(settings_for(stage, server_home)) as product:
        yield product


def fault(kind: FaultKind, source: str = "exchange_rate_api", **only: Any) -> Fault:
    return Fault(kind=kind, source=source, **only)


async def test_healthy_answers_pass_byte_for_byte_and_say_nothing_of_healing(
    product: Product, stage: Stage
) -> None:
    plain = [question.ask for question in questions(CLOCK.now()) if not question.symbols]
    got = {path: await product.ask(path, x_request_id=path) for path in plain}

    sent = {exchange.request_id: exchange for exchange in stage.exchanges()}
    assert {answer.status for answer in got.values()} == {200}
    assert {path: sha256(answer.body).hexdigest() for path, answer in got.items()} == {
        path: sent[path].digest for path in plain
    }
    assert {exchange.source for exchange in sent.values()} == set(SOURCES)
    assert [answer.healing for answer in got.values() if answer.healing] == []
    assert product.events == 0


async def test_a_failed_request_is_healed_and_says_by_what(product: Product, stage: Stage) -> None:
    stage.lay([fault(FaultKind.SERVER_ERROR, exchanges=1)])

    got = await product.ask(LATEST, x_request_id="one")

    failed, good = [exchange for exchange in stage.exchanges() if exchange.request_id == "one"]
    assert failed.fault is not None
    assert sha256(got.body).hexdigest() == good.digest
    trail = got.healing.pop("trail")
    assert UUID(trail)
    assert (got.status, got.healing) == (
        200,
        {
            "status": "healed",
            "strategy": "exponential_backoff_retry",
            "source": "exchange_rate_api",
            "fidelity": "exact",
            "trail": trail,
        },
    )


async def test_a_copy_says_how_old_it_is(product: Product, stage: Stage) -> None:
    good = await product.ask(UNRATE)
    stage.lay([fault(FaultKind.OUTAGE, "fred_api")])

    got = await product.ask(UNRATE)

    assert got.body == good.body
    assert got.healing["strategy"] == "use_cached_data"
    assert got.healing["fidelity"].startswith("exact;age=")
    assert "age" in got.headers
    assert got.headers["cache-status"].startswith("autonomous_healing; fwd=stale")


async def test_the_trail_of_a_healing_is_the_same_at_both_doors_and_in_the_database(
    product: Product, stage: Stage
) -> None:
    stage.lay([fault(FaultKind.SERVER_ERROR, exchanges=1)])
    trail_id = (await product.ask(LATEST, x_request_id="one")).healing["trail"]
    path = f"/api/healing/trails/{trail_id}"

    at_the_proxy = (await product.ask(path)).json()
    at_the_dashboard = (await product.look(path)).json()
    await product.everything_stored()
    [row] = await product.table("SELECT body::text AS body, status FROM trails WHERE id = $1", UUID(trail_id))

    assert at_the_proxy == at_the_dashboard == json.loads(row["body"])
    assert at_the_proxy["status"] == row["status"] == "healed"
    assert [one["strategy"] for one in at_the_proxy["attempts"]] == ["exponential_backoff_retry"]
    assert at_the_proxy["failure"]["error_type"] == "server_error_5xx"


async def test_a_healing_leaves_its_rows_in_four_tables(product: Product, stage: Stage) -> None:
    stage.lay([fault(FaultKind.SERVER_ERROR, exchanges=1)])
    got = await product.ask(LATEST, x_request_id="one")
    await product.everything_stored()

    one = UUID(got.healing["trail"])
    [event] = await product.table("SELECT * FROM error_events")
    [report] = await product.table("SELECT * FROM healing_reports")
    [attempt] = await product.table("SELECT * FROM healing_attempts WHERE outcome = 'healed'")
    [trail] = await product.table("SELECT * FROM trails")
    assert {event["id"], report["id"], attempt["report_id"], trail["id"]} == {one}
    assert (event["source"], event["endpoint"], event["origin"]) == ("exchange_rate_api", "/latest", "live")
    assert (event["error_type"], event["http_status_code"] // 100) == ("server_error_5xx", 5)
    assert event["fixed_automatically"]
    assert (event["fix_method"], event["retry_count"]) == ("exponential_backoff_retry", 1)
    assert event["timestamp"] <= event["detected_at"] <= event["healed_at"]
    assert (report["outcome"], report["fidelity"]) == ("healed", "exact")
    assert attempt["strategy"] == "exponential_backoff_retry"


async def test_what_cannot_be_healed_is_an_honest_error_and_an_alert(product: Product, stage: Stage) -> None:
    stage.lay([fault(FaultKind.OUTAGE)])

    got = await product.ask(LATEST)

    assert (got.status, got.headers["content-type"]) == (503, "application/problem+json")
    assert got.healing["status"] == "failed"
    assert got.json()["error_type"] == "network_error"
    assert int(got.headers["retry-after"]) >= 1
    await eventually(lambda: product.application.alerts.open())
    [alert] = await product.rows("/api/health/alerts")
    assert (alert["source"], alert["state"], alert["healing_successful"]) == (
        "exchange_rate_api",
        "firing",
        False,
    )
    await eventually(lambda: product.table("SELECT 1 FROM alerts WHERE state = 'firing'"))
    await product.everything_stored()
    [event] = await product.table("SELECT fixed_automatically, healed_at, fidelity FROM error_events")
    assert tuple(event) == (False, None, None)


async def test_an_alert_ends_when_its_endpoint_answers_truthfully_again(
    product: Product, stage: Stage
) -> None:
    stage.lay([fault(FaultKind.SERVER_ERROR)])
    await product.ask(LATEST)
    await eventually(lambda: product.application.alerts.open())

    stage.lay([])

    async def asked_again_it_ends() -> bool:
        await product.ask(LATEST)
        return not product.application.alerts.open()

    await eventually(asked_again_it_ends, 20.0)
    [alert] = await product.rows("/api/health/alerts")
    assert alert["state"] == "resolved"
    await eventually(lambda: product.table("SELECT 1 FROM alerts WHERE state = 'resolved'"))


async def test_a_failing_probe_goes_through_the_four_agents_and_no_user_feels_it(
    stage: Stage, server_home: Path
) -> None:
    watched = {"source": "exchange_rate_api", "endpoint": "/latest", "params": {"base": "USD"}}
    settings = settings_for(
        stage,
        server_home,
        monitoring__interval_min=0.5,
        monitoring__endpoints=[{**watched, "check_interval": 0.5}],
    )
    stage.lay([fault(FaultKind.SERVER_ERROR, request_ids=PROBES)])
    async with in_process(settings) as product:
        good = await product.ask(LATEST, x_request_id="a caller")
        await eventually(lambda: product.events >= 2)
        await product.everything_stored()

        reports = product.application.journal.recent()
        assert {report.origin for report in reports} == {"probe"}
        worked = {one.name: one.processed for one in product.application.statuses()}
        line = ("monitoring", "diagnosis", "healing_coordinator", "learning", "report_writer", "alerting")
        assert all(worked[name] >= 1 for name in line), worked
        events = await product.table("SELECT origin, error_type FROM error_events")
        assert {tuple(event) for event in events} == {("probe", "server_error_5xx")}
        assert await product.application.store.healings_since(product.application.started_at) == []

        assert (good.status, good.healing) == (200, {})
        [row] = [row for row in await product.rows("/api/health/endpoints") if row["endpoint"] == "/latest"]
        assert row["failed_requests"] >= 2
        assert (row["felt"]["fresh"], sum(row["felt"].values())) == (1, 1)
