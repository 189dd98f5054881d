"""A small quota holds on the whole product, however often it is killed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from tests.eventually import CLOCK, eventually
from tests.integration.product import Process, as_process, in_process, settings_for

from autonomous_healing.drills import Stage
from autonomous_healing.endpoint_healing.quotas.counter_file import CounterFile

LIMIT = 25

#: Fixed windows would begin anew in the midst of a test at some hours of the day.
QUOTA = [{"window": "day", "limit": LIMIT}]

SYMBOLS = ("AAPL", "MSFT", "IBM", "JPM", "XOM", "NVDA", "AMZN", "GOOGL")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(7, CLOCK) as stage:
        yield stage


def asked(stage: Stage) -> int:
    return sum(one.source == "alpha_vantage" for one in stage.exchanges())


def has_asked_more_than(stage: Stage, calls: int) -> bool:
    return asked(stage) > calls


async def ask_all(product: Process) -> None:
    """Everything at once, past all copies; nobody minds if it comes to nothing."""
    paths = [f"/api/alpha-vantage/query?function=GLOBAL_QUOTE&symbol={symbol}" for symbol in SYMBOLS]
    asking = [product.ask(path, cache_control="no-cache") for path in paths]
    await asyncio.gather(*asking, return_exceptions=True)


def written(home: Path) -> int:
    """Calls that were counted before they were made."""
    counters = CounterFile(home / "spool" / "quota_counters").counters(datetime(2020, 1, 1, tzinfo=UTC))
    return sum(one.used for one in counters if one.source == "alpha_vantage")


async def test_25_calls_a_day_hold_through_kills(stage: Stage, server_home: Path) -> None:
    settings = settings_for(stage, server_home, sources__alpha_vantage__quota=QUOTA)
    lost = 0
    for _ in range(3):
        before = asked(stage)
        async with as_process(settings) as product:
            crowd = asyncio.create_task(ask_all(product))
            await eventually(partial(has_asked_more_than, stage, before))
            await product.kill()  # in the midst of it
            await crowd
        assert before < asked(stage) <= written(server_home) <= LIMIT
        newly_lost = written(server_home) - asked(stage) - lost
        assert newly_lost < len(SYMBOLS)  # those that were counted and did not go out any more
        lost += newly_lost
    async with as_process(settings) as product:
        for _ in range(4):
            await ask_all(product)
    assert LIMIT - 1 <= written(server_home) <= LIMIT  # the last one is kept for healing
    assert asked(stage) >= written(server_home) - lost


async def test_counters_are_in_the_table_soon_and_at_a_stop(stage: Stage, server_home: Path) -> None:
    settings = settings_for(
        stage, server_home, sources__exchange_rate_api__quota=[{"window": "month", "limit": 1500}]
    )
    (server_home / "spool").mkdir()
    async with in_process(settings) as product:
        await product.everything_stored()
        await product.ask("/api/exchange-rate/latest/USD")

        async def is_saved() -> bool:
            rows = await product.table("SELECT used FROM quota_counters WHERE source = 'exchange_rate_api'")
            return bool(sum(row["used"] for row in rows) == 1)

        await eventually(is_saved, 20.0)
        await product.ask("/api/exchange-rate/latest/EUR")
    (server_home / "spool" / "quota_counters").unlink()  # so that only the table tells
    async with in_process(settings) as product:
        ledgers = {ledger.source: ledger for ledger in product.application.parts.admission.ledgers()}
        await eventually(lambda: product.application.database.away_since is None)
        await eventually(lambda: sum(one.used for one in ledgers["exchange_rate_api"].readings()) == 2)
        assert {one.window for one in ledgers["exchange_rate_api"].readings() if one.used} == {"month"}
