"""What a scraper learns of a running product."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.eventually import CLOCK
from tests.integration.product import Product, in_process, settings_for

from autonomous_healing.drills import Stage


@pytest.fixture
async def product(server_home: Path) -> AsyncIterator[Product]:
    async with Stage(7, CLOCK) as stage, in_process(settings_for(stage, server_home)) as product:
        yield product


async def upstream_seconds(product: Product) -> dict[tuple[str, str], float]:
    """By the end of the metric's name and by place, edges aside."""
    text = (await product.look("/metrics")).body.decode()
    [family] = [one for one in text_string_to_metric_families(text) if one.name == "healing_upstream_seconds"]
    return {
        (one.name.rpartition("_")[2], one.labels["source"] + one.labels["endpoint"]): one.value
        for one in family.samples
        if "le" not in one.labels
    }


async def test_the_time_of_every_good_answer_is_in_the_histogram_of_its_endpoint(product: Product) -> None:
    assert await upstream_seconds(product) == {}
    began = CLOCK.monotonic()
    for _ in range(3):
        assert (await product.ask("/api/yahoo/chart/AAPL")).status == 200
    assert (await product.ask("/api/fred/series?series_id=DGS10")).status == 200
    took = CLOCK.monotonic() - began

    found = await upstream_seconds(product)

    assert found["count", "yahoo_finance/chart"] == 3
    assert found["count", "fred_api/series"] == 1
    assert 0 < found["sum", "yahoo_finance/chart"] + found["sum", "fred_api/series"] < took
