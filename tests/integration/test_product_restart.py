"""The whole product ends, by a signal or by `kill -9`, and begins again where it was."""

import asyncio
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from tests.eventually import CLOCK, eventually
from tests.integration.postgres import kill_postmaster
from tests.integration.product import Doors, Got, Process, as_process, in_process, read_table, settings_for

from autonomous_healing.database.processes import postmaster_of
from autonomous_healing.drills import Answer, Clients, Planned, Stage, questions
from autonomous_healing.drills.twins import Fault, FaultKind
from autonomous_healing.settings import Settings

LATEST = "/api/exchange-rate/latest/USD"
UNCOPIED = "/api/exchange-rate/pair/USD/GBP"

SERVER_ERRORS = Fault(kind=FaultKind.SERVER_ERROR, source="exchange_rate_api")

#: Seconds in which a stop with requests under way must be over.
STOP_BOUND = 15.0


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(7, CLOCK) as stage:
        yield stage


def eager_to_write(stage: Stage, home: Path) -> Settings:
    """Learns without trying things out, opens no circuit, and writes down often what it learned."""
    return settings_for(
        stage,
        home,
        learning__snapshot_interval=1.0,
        learning__slack_exploration={"floor": 0.0, "start": 0.0},
        healing__breaker={"consecutive": 1000, "min_calls": 10_000},
        healing__retry_budget={"floor": 100},
        alerts__resolve_timeout=300.0,
    )


async def first_tried(product: Doors, got: Got) -> str:
    trail = (await product.look(f"/api/healing/trails/{got.healing['trail']}")).json()
    return str(trail["attempts"][0]["strategy"])


async def test_after_a_kill_it_knows_what_it_knew_and_stores_what_was_only_on_disk(
    stage: Stage, server_home: Path
) -> None:
    settings = eager_to_write(stage, server_home)
    data_dir = Path(settings.database.data_dir)
    trails: list[str] = []
    async with as_process(settings) as killed:
        await eventually(lambda: storage_is(killed, "postgres"))
        await killed.ask(LATEST)
        stage.lay([SERVER_ERRORS])
        assert (await killed.ask(UNCOPIED)).status >= 500
        tried = [await ask_and_note(killed, trails) for _ in range(12)]
        assert (tried[0], tried[-1]) == ("exponential_backoff_retry", "use_cached_data")
        failed, alerts = await failed_calls(killed), await open_alerts(killed)
        await eventually(partial(is_written_down, data_dir, failed, alerts), 20.0)

        with (data_dir / "postgresql.conf").open("a") as configuration:
            configuration.write("no_such_setting = 1\n")
        kill_postmaster(data_dir)
        await eventually(lambda: storage_is(killed, "away"))
        for _ in range(5):
            before = await spooled_bytes(killed)
            await ask_and_note(killed, trails)
            await eventually(partial(has_grown, killed, before))
        await killed.kill()

    mend(data_dir / "postgresql.conf")
    stage.lay([])
    async with in_process(settings) as product:
        await product.everything_stored()
        stored = {str(row["id"]) for row in await product.table("SELECT id FROM error_events")}
        assert len(trails) == 17
        assert set(trails) <= stored

        await eventually(product.application.alerts.open)  # the database may have come later than the proxy
        assert alerts <= await open_alerts(product)
        assert len(alerts) >= 1
        assert await failed_calls(product) >= failed > 12

        await product.ask(LATEST)
        stage.lay([SERVER_ERRORS])
        assert await first_tried(product, await product.ask(LATEST)) == "use_cached_data"


async def test_sigterm_under_traffic_ends_with_0_and_without_a_half_answer(
    stage: Stage, server_home: Path
) -> None:
    slow = {f"slow-{n}" for n in range(5)}
    stage.lay([Fault(kind=FaultKind.LATENCY, source="fred_api", request_ids=frozenset(slow), seconds=2.0)])
    answers: list[Answer] = []
    settings = settings_for(stage, server_home)
    async with as_process(settings) as product, Clients(product.proxy, CLOCK) as clients:
        asking = [asyncio.create_task(clients.ask(one)) for one in asked_by(slow)]
        traffic = asyncio.create_task(clients.follow(steady(200, 60.0), answers.append))
        await eventually(lambda: sum(answer.good for answer in answers) > 30)
        await eventually(lambda: slow <= {one.request_id for one in stage.exchanges()})
        signalled_at, began = CLOCK.now(), CLOCK.monotonic()
        product.send(signal.SIGTERM)

        assert await product.ended() == 0
        assert CLOCK.monotonic() - began < STOP_BOUND
        assert {answer.status for answer in await asyncio.gather(*asking)} == {200}
        await traffic
        before = [answer for answer in answers if answer.sent_at < signalled_at]
        after = [answer for answer in answers if answer.sent_at >= signalled_at]
        assert {answer.status for answer in before} == {200}
        assert {answer.status for answer in after} <= {200, 0}
        assert 0 in {answer.status for answer in after}  # it did stop in the middle
        assert [answer.body for answer in answers if b"Payload" in answer.body] == []
        assert postmaster_of(Path(settings.database.data_dir)) is None
        assert product.said == ""


async def test_a_second_signal_ends_it_at_once(stage: Stage, server_home: Path) -> None:
    stage.lay([Fault(kind=FaultKind.HANG, source="fred_api")])
    settings = settings_for(stage, server_home)
    async with as_process(settings) as product, Clients(product.proxy, CLOCK) as clients:
        asking = [asyncio.create_task(clients.ask(one)) for one in asked_by({"slow"})]
        await eventually(lambda: stage.exchanges())
        product.send(signal.SIGTERM)
        await eventually(lambda: refuses(product))
        began = CLOCK.monotonic()
        product.send(signal.SIGTERM)

        assert await product.ended() == 1
        assert CLOCK.monotonic() - began < 5.0
        await asyncio.gather(*asking)
        assert "Traceback" not in product.said
        assert postmaster_of(Path(settings.database.data_dir)) is None


async def ask_and_note(product: Process, trails: list[str]) -> str:
    """One request that fails upstream and is healed; what was tried first."""
    got = await product.ask(LATEST)
    trails.append(got.healing["trail"])
    return await first_tried(product, got)


async def failed_calls(product: Doors) -> int:
    """Of the endpoint that is asked all the time."""
    rows = await product.rows("/api/health/endpoints")
    [row] = [row for row in rows if (row["source"], row["endpoint"]) == ("exchange_rate_api", "/latest")]
    return int(row["failed_requests"])


async def open_alerts(product: Doors) -> set[str]:
    return {row["id"] for row in await product.rows("/api/health/alerts") if row["state"] == "firing"}


async def is_written_down(data_dir: Path, failed: int, alerts: set[str]) -> bool:
    """Health and alerts; what was learned is written more often than health."""
    health = await read_table(data_dir, "SELECT * FROM endpoint_health WHERE endpoint = '/latest'")
    known = await read_table(data_dir, "SELECT id FROM alerts WHERE state = 'firing'")
    return alerts <= {row["id"] for row in known} and any(row["failed_requests"] >= failed for row in health)


async def storage_is(product: Doors, word: str) -> bool:
    return bool((await product.look("/api/health")).json()["storage"] == word)


async def spooled_bytes(product: Doors) -> float:
    metrics = (await product.look("/metrics")).body.decode()
    [line] = [line for line in metrics.splitlines() if line.startswith("healing_db_spool_bytes ")]
    return float(line.split()[1])


async def has_grown(product: Doors, before: float) -> bool:
    return await spooled_bytes(product) > before


async def refuses(product: Process) -> bool:
    """Whether the proxy takes no more connections."""
    async with Clients(product.proxy, CLOCK) as stranger:
        answer = await stranger.ask(steady(1, 1.0)[0])
    return answer.status == 0


def mend(configuration: Path) -> None:
    lines = configuration.read_text().splitlines(keepends=True)
    configuration.write_text("".join(line for line in lines if "no_such_setting" not in line))


def asked_by(ids: set[str]) -> list[Planned]:
    [question] = [one for one in questions(CLOCK.now()) if "UNRATE" in one.ask]
    return [Planned(id=one, at=0.0, question=question, allow=None) for one in sorted(ids)]


def steady(count: int, rate: float) -> list[Planned]:
    """So many healthy requests, so many a second."""
    [question] = [one for one in questions(CLOCK.now()) if one.ask == LATEST]
    return [Planned(id=f"steady-{n}", at=n / rate, question=question, allow=None) for n in range(count)]
