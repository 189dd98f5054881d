"""A caller goes before its answer has come: nobody works for nobody."""

import asyncio

import pytest
from tests.world import TRUTH, Held, World, said

from autonomous_healing.proxy.provenance import Reply
from autonomous_healing.resilience import BreakerState

CHART = "/api/yahoo/chart/AAPL"


async def leave(world: World, asking: asyncio.Task[Reply], *held: Held) -> None:
    """As soon as all of these have been asked."""
    async with asyncio.timeout(5.0):
        while not all(one.asked for one in held):
            await asyncio.wait({asking}, timeout=0.001)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_the_question_to_the_source_is_taken_back() -> None:
    world = World()
    held = Held(TRUTH)
    world.upstream.says("https", held)
    await leave(world, asyncio.create_task(world.get(CHART)), held)
    await world.clock.advance(0.0)
    assert held.cancelled
    assert world.reports == []


async def test_it_is_no_failure_of_anyone() -> None:
    world = World()
    held = Held(TRUTH)
    world.upstream.says("https", held)
    for _ in range(6):
        held.asked = False
        await leave(world, asyncio.create_task(world.get(CHART)), held)
    health = world.admission.window(world.endpoint("yahoo_finance/chart")).read()
    assert (health.total, health.felt) == (0, {})
    assert [one.state for one in world.admission.breakers()][:1] == [BreakerState.CLOSED]


async def test_healing_stops_too() -> None:
    world = World()
    held = Held(TRUTH)
    world.upstream.says("query2", held)
    world.upstream.says("query1", said(503))
    await leave(world, asyncio.create_task(world.get(CHART)), held)
    assert held.cancelled
    assert len(world.upstream.asked) == 2
    assert world.reports == []


async def test_a_slow_first_attempt_is_taken_back_from_the_background() -> None:
    world = World(healing={"soft_timeout": {"min": 0.01, "max": 0.01}})
    first, second = Held(TRUTH), Held(TRUTH)
    world.upstream.says("query1", first)
    world.upstream.says("query2", second)
    await leave(world, asyncio.create_task(world.get(CHART)), first, second)
    await world.clock.advance(0.0)
    assert (first.cancelled, second.cancelled) == (True, True)


async def test_one_who_leaves_a_quote_board_takes_all_its_questions_back() -> None:
    world = World()
    held = [Held(TRUTH) for _ in range(3)]
    for symbol, one in zip(("SPY", "AAPL", "MSFT"), held, strict=True):
        world.upstream.says(f"/{symbol}", one)
    await leave(world, asyncio.create_task(world.get("/api/yahoo/quote?symbols=SPY,AAPL,MSFT")), *held)
    await world.clock.advance(0.0)
    assert [one.cancelled for one in held] == [True, True, True]


async def test_the_others_are_served_as_before() -> None:
    world = World()
    held = Held(TRUTH)
    world.upstream.says("https", held, TRUTH)
    leaving = asyncio.create_task(world.get(CHART))
    async with asyncio.timeout(5.0):
        while not held.asked:
            await asyncio.wait({leaving}, timeout=0.001)
    staying = asyncio.create_task(world.get(CHART))
    leaving.cancel()
    assert (await staying).status == 200
