"""What only one source offers: another host, another series, another key, coarser bars."""

from dataclasses import replace

import pytest
from tests.world import ALL_LEVELS, TRUTH, World, said

from autonomous_healing.endpoint_healing.call import FailedCall, Response
from autonomous_healing.endpoint_healing.fetch import Hop
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.endpoint_healing.records import Bars, Quote, Series
from autonomous_healing.endpoint_healing.strategies import FredUseAlternateSeries
from autonomous_healing.healing import CannotHeal

CHART, QUOTE = "yahoo_finance/chart", "yahoo_finance/quote"
OBSERVATIONS, AGGS = "fred_api/observations", "polygon_io/v2/aggs"
HOST, FRED_KEY, ALTERNATE, DAILY = (
    "yahoo_alternate_endpoint",
    "fred_rotate_api_key",
    "fred_use_alternate_series",
    "polygon_use_daily",
)
QUERY2 = "https://query2.finance.yahoo.com"


async def heal(world: World, name: str, case: FailedCall) -> Response:
    assert world.strategy(name).obstacle(case) is None
    return await world.strategy(name).apply(case, world.deadline())


async def setback(world: World, name: str, case: FailedCall) -> str:
    """Why it could not heal."""
    with pytest.raises(CannotHeal) as failed:
        await world.strategy(name).apply(case, world.deadline())
    return str(failed.value)


@pytest.mark.parametrize("place", [CHART, QUOTE])
async def test_yahoo_s_other_host_has_the_same(place: str) -> None:
    world = World()
    world.upstream.says("query1", said(503))
    answer = await heal(world, HOST, await world.failed(world.call(place)))
    assert (answer.host, answer.fidelity) == (QUERY2, Fidelity.EXACT)


async def test_yahoo_s_session_api_says_the_same_of_a_quote() -> None:
    world = World()
    world.upstream.says("/v8/", said(503))
    answer = await heal(world, HOST, await world.failed(world.call(QUOTE)))
    assert answer.fidelity is Fidelity.EQUIVALENT
    assert isinstance(answer.record, Quote)
    assert answer.record.symbol == "SPY"
    assert world.upstream.asked[-1].url == "https://query1.finance.yahoo.com/v7/finance/quote?symbols=SPY"


async def test_yahoo_s_session_api_is_left_alone_where_only_exact_will_do() -> None:
    world = World()
    world.upstream.says("/v8/", said(503))
    case = await world.failed(world.call(QUOTE, "exact, stale"))
    assert await setback(world, HOST, case) == "alternate: HTTP 503"
    assert not any("/v7/" in asked.url for asked in world.upstream.asked)


async def test_a_chart_has_no_other_path() -> None:
    world = World()
    world.upstream.says("https", said(503))
    assert await setback(world, HOST, await world.failed(world.call(CHART))) == "alternate: HTTP 503"
    assert len(world.upstream.asked) == 2


async def test_an_open_circuit_closes_the_other_way_too() -> None:
    world = World()
    world.upstream.says("https", said(503))
    for _ in range(5):
        await world.failed(world.call(CHART), Hop(host=QUERY2))
    case = await world.failed(world.call(CHART))
    assert world.strategy(HOST).obstacle(case) == "no other host or path is open"
    assert await setback(world, HOST, case) == "no time left"


async def test_fred_may_go_round_a_limit_with_its_second_key() -> None:
    world = World()
    world.upstream.says("https", said(429), TRUTH)
    answer = await heal(world, FRED_KEY, await world.failed(world.call(OBSERVATIONS)))
    assert answer.fidelity is Fidelity.EXACT
    keys = [asked.query["api_key"] for asked in world.upstream.asked]
    assert keys == ["canaryfredone0000000000000000000", "canaryfredtwo0000000000000000000"]


async def test_fred_s_second_key_can_be_limited_too() -> None:
    world = World()
    world.upstream.says("https", said(429))
    case = await world.failed(world.call(OBSERVATIONS))
    assert await setback(world, FRED_KEY, case) == "HTTP 429"
    assert world.strategy(FRED_KEY).obstacle(case) == "no other key may be used now"


@pytest.mark.parametrize(("asked", "instead"), [("DGS10", "GS10"), ("DGS2", "GS2"), ("DGS30", "GS30")])
async def test_a_monthly_series_stands_in_and_says_what_it_is(asked: str, instead: str) -> None:
    world = World()
    world.upstream.says(f"series_id={asked}&", said(503))
    case = await world.failed(world.call(OBSERVATIONS, series_id=asked))
    answer = await heal(world, ALTERNATE, case)
    assert (answer.fidelity, answer.original, answer.actual) == (Fidelity.SUBSTITUTE, asked, instead)
    assert isinstance(answer.record, Series)
    assert answer.record.id == instead


async def test_a_substitute_is_never_kept_for_the_real_thing() -> None:
    world = World()
    world.upstream.says("series_id=DGS10&", said(503))
    case = await world.failed(world.call(OBSERVATIONS))
    await heal(world, ALTERNATE, case)
    assert world.cache.last_good(case.call) is None


async def test_a_monthly_series_can_fail_too() -> None:
    world = World()
    world.upstream.says("https", said(503))
    assert await setback(world, ALTERNATE, await world.failed(world.call(OBSERVATIONS))) == "HTTP 503"


async def test_a_series_without_an_alternate_has_none() -> None:
    world = World()
    world.upstream.says("https", said(503))
    case = await world.failed(world.call(OBSERVATIONS, series_id="UNRATE"))
    assert world.strategy(ALTERNATE).obstacle(case) == "no alternate series is known"


def test_no_series_is_its_own_alternate() -> None:
    strategy = World().strategy(ALTERNATE)
    assert isinstance(strategy, FredUseAlternateSeries)
    assert all(asked != instead for asked, instead in strategy.alternates.items())


async def test_daily_bars_stand_in_for_finer_ones() -> None:
    world = World()
    world.upstream.says("/minute/", said(503))
    case = await world.failed(world.call(AGGS, timespan="minute", multiplier="5"))
    answer = await heal(world, DAILY, case)
    assert answer.fidelity is Fidelity.REDUCED
    assert isinstance(answer.record, Bars)
    assert answer.record.interval == 86400.0
    assert "/range/1/day/2026-02-16/2026-03-02" in world.upstream.asked[-1].url


async def test_daily_bars_can_fail_too() -> None:
    world = World()
    world.upstream.says("https", said(503))
    case = await world.failed(world.call(AGGS, timespan="hour"))
    assert await setback(world, DAILY, case) == "HTTP 503"


@pytest.mark.parametrize(
    ("place", "timespan"), [(AGGS, "day"), (AGGS, "week"), ("polygon_io/v2/prev", "minute")]
)
async def test_only_fine_bars_have_a_coarser_form(place: str, timespan: str) -> None:
    world = World()
    world.upstream.says("https", said(503))
    case = await world.failed(world.call(place, timespan=timespan))
    assert world.strategy(DAILY).obstacle(case) == "only bars shorter than a day have a coarser form"


@pytest.mark.parametrize("name", [HOST, FRED_KEY, ALTERNATE, DAILY])
async def test_none_asks_when_the_retry_budget_is_spent(name: str) -> None:
    world = World()
    place = {HOST: CHART, DAILY: AGGS}.get(name, OBSERVATIONS)
    params = {"timespan": "hour"} if name == DAILY else {}
    world.upstream.says("https", said(401 if name == FRED_KEY else 503))
    case = await world.failed(world.call(place, ALL_LEVELS, **params))
    world.upstream.says("https", TRUTH)
    other = replace(world.call(place, ALL_LEVELS), params=case.call.params)
    for _ in range(2):
        await world.fetch(other, Hop(extra=True))
    assert world.strategy(name).obstacle(case) == "retry budget spent"
