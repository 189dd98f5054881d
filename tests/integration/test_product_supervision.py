"""A worker of the running product crashes: it is started again, given up in the end, and told of."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from tests.eventually import CLOCK, eventually
from tests.integration.product import Product, in_process, settings_for

from autonomous_healing.agents import AgentState, AgentStatus
from autonomous_healing.alerts import AlertLevel
from autonomous_healing.application import Application
from autonomous_healing.drills import Stage
from autonomous_healing.drills.twins import Fault, FaultKind

LATEST = "/api/exchange-rate/latest/USD"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(7, CLOCK) as stage:
        yield stage


def bookkeeper(product: Product) -> AgentStatus:
    """It crashes when a table that it writes to is not there."""
    [status] = [one for one in product.application.statuses() if one.name == "bookkeeper"]
    return status


async def test_a_crashed_worker_works_again_once_its_trouble_is_over(stage: Stage, server_home: Path) -> None:
    async with in_process(settings_for(stage, server_home, supervision__heartbeat=0.5)) as product:
        await product.table("ALTER TABLE agent_status RENAME TO elsewhere")
        await eventually(lambda: bookkeeper(product).restarts == 1, 20.0)
        assert "agent_status" in bookkeeper(product).last_error

        await product.table("ALTER TABLE elsewhere RENAME TO agent_status")
        processed = bookkeeper(product).processed
        await eventually(lambda: bookkeeper(product).processed > processed + 1)

        assert bookkeeper(product).state is AgentState.RUNNING
        assert {one.restarts for one in product.application.statuses() if one.name != "bookkeeper"} == {0}


async def test_a_worker_that_crashes_too_often_is_given_up_and_the_others_go_on(
    stage: Stage, server_home: Path
) -> None:
    settings = settings_for(stage, server_home, supervision__max_restarts=1, supervision__heartbeat=0.5)
    async with in_process(settings) as product:
        await product.table("ALTER TABLE agent_status RENAME TO elsewhere")
        await eventually(lambda: bookkeeper(product).state is AgentState.FAILED, 20.0)

        [alert] = product.application.alerts.open()
        assert (alert.level, alert.code) == (AlertLevel.CRITICAL, "SYS.AGENT_FAILED")
        assert (alert.source, alert.endpoint) == ("autonomous_healing", "bookkeeper")
        [row] = [row for row in await product.rows("/api/agents/list") if row["id"] == "bookkeeper"]
        assert (row["state"], row["restarts"]) == ("failed", 1)
        assert (await product.look("/api/health")).json()["status"] == "degraded"

        stage.lay([Fault(kind=FaultKind.SERVER_ERROR, source="exchange_rate_api", exchanges=1)])
        assert (await product.ask(LATEST, x_request_id="one")).healing["status"] == "healed"
        await product.everything_stored()
        assert len(await product.table("SELECT 1 FROM error_events")) == 1
        await product.table("ALTER TABLE elsewhere RENAME TO agent_status")


async def test_a_worker_that_cannot_write_at_a_stop_does_not_cost_the_events_that_wait(
    stage: Stage, server_home: Path
) -> None:
    application = await stopped_without_a_table(stage, server_home)

    counts = application.writer.counts
    assert counts.accepted == counts.stored >= 4


async def stopped_without_a_table(stage: Stage, home: Path) -> Application:
    """One that had just met a failure, and could not write down the states of its agents in the end."""
    stage.lay([Fault(kind=FaultKind.SERVER_ERROR, source="exchange_rate_api", exchanges=1)])
    with suppress(asyncpg.UndefinedTableError):
        async with in_process(settings_for(stage, home)) as product:
            await product.table("ALTER TABLE agent_status RENAME TO elsewhere")
            await product.ask(LATEST, x_request_id="one")
    return product.application
