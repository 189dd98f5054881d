"""A source takes its time: healing begins meanwhile, and a late answer is not lost."""

import asyncio

import pytest
from tests.clock import FlowingClock
from tests.world import TRUTH, Held, World, json_of, said, tried

from autonomous_healing.healing import Severity

CHART = "/api/yahoo/chart/AAPL"
#: The first attempt goes to the first host; the second host answers, or does not.
SLOW_HOST, OTHER_HOST = "query1", "query2"


def impatient() -> World:
    """A world in which an answer is slow after a hundredth of a second."""
    return World(healing={"soft_timeout": {"min": 0.01, "max": 0.01}})


async def test_is_healed_meanwhile_and_the_late_answer_fills_the_cache() -> None:
    world = impatient()
    held = Held(TRUTH)
    world.upstream.says(SLOW_HOST, held)
    reply = await world.get(CHART)
    assert reply.headers["Healing-Strategy"] == "yahoo_alternate_endpoint"
    [report] = world.reports
    assert report.diagnosis.code == "API.TIMEOUT"
    call = report.case.call
    world.clock.pass_time(2000.0)
    stale = world.cache.last_good(call)
    assert stale is not None
    assert stale.age == pytest.approx(2000.0, abs=1.0)
    held.let_go()
    await asyncio.wait({asyncio.ensure_future(arrival(world))})
    copy = world.cache.last_good(call)
    assert copy is not None
    assert copy.host == "https://query1.finance.yahoo.com"
    assert len(world.reports) == 1


async def arrival(world: World) -> None:
    """Until the answer that was held back has been judged."""
    window = world.admission.window(world.endpoint("yahoo_finance/chart"))
    while window.successes < 2:
        await world.clock.sleep(0.0)


async def test_a_late_answer_may_still_win_and_is_no_healed_one() -> None:
    world = impatient()
    held = Held(TRUTH)
    world.upstream.says(SLOW_HOST, held, said(503))
    world.upstream.says(OTHER_HOST, said(503))
    asking = asyncio.create_task(world.get(CHART, healing_allow="exact"))
    await until_tried(world, OTHER_HOST)
    held.let_go()
    reply = await asking
    assert (reply.status, reply.headers) == (200, {})
    assert reply.body == world.upstream.truth(world.upstream.asked[0].url).body
    [report] = world.reports
    assert report.strategy == "late_answer"
    assert tried(report)["yahoo_alternate_endpoint"] == "failed"


async def until_tried(world: World, part_of_url: str) -> None:
    """Until a question has gone there, however long that takes."""
    async with asyncio.timeout(5.0):
        while not any(part_of_url in asked.url for asked in world.upstream.asked):
            await asyncio.wait({asyncio.ensure_future(world.clock.sleep(0.0))}, timeout=0.001)


async def test_a_late_error_is_told_as_it_is() -> None:
    world = impatient()
    held = Held(said(500, "late and wrong"))
    world.upstream.says(SLOW_HOST, held, said(503))
    world.upstream.says(OTHER_HOST, said(503))
    asking = asyncio.create_task(world.get(CHART))
    await until_tried(world, OTHER_HOST)
    held.let_go()
    reply = await asking
    assert reply.status == 503
    attempts = {one["strategy"]: one for one in json_of(reply)["attempts"]}
    assert attempts["late_answer"] == {"strategy": "late_answer", "outcome": "failed", "reason": "HTTP 500"}


async def test_an_answer_that_never_comes_ends_at_the_deadline() -> None:
    settings = {"soft_timeout": {"min": 0.01, "max": 0.01}, "request_deadline": 0.05}
    world = World(healing=settings, clock=FlowingClock())
    held = Held(TRUTH)
    world.upstream.says("https", held)
    reply = await world.get("/api/exchange-rate/latest/USD")
    assert (reply.status, json_of(reply)["code"]) == (503, "API.TIMEOUT")
    attempts = {one["strategy"]: one for one in json_of(reply)["attempts"]}
    assert attempts["late_answer"]["reason"] == "the deadline passed"
    await world.healer.stop()
    assert held.cancelled


async def test_with_healing_off_the_answer_is_only_waited_for() -> None:
    world = impatient()
    held = Held(TRUTH)
    world.upstream.says(SLOW_HOST, held)
    asking = asyncio.create_task(world.get(CHART, healing_allow="none"))
    await asyncio.wait({asking}, timeout=0.05)
    assert not asking.done()
    held.let_go()
    reply = await asking
    assert (reply.status, reply.headers) == (200, {})
    assert len(world.upstream.asked) == 1


async def test_a_short_deadline_leaves_time_for_the_last_good_copy() -> None:
    world = World(clock=FlowingClock())
    good = await world.get(CHART)
    world.clock.pass_time(1000.0)
    world.upstream.says("https", Held(TRUTH))
    reply = await world.get(CHART, healing_deadline="0.05")
    assert (reply.status, reply.body) == (200, good.body)
    assert reply.headers["Healing-Strategy"] == "use_cached_data"
    await world.healer.stop()


async def test_what_runs_in_the_background_ends_with_the_house() -> None:
    world = impatient()
    held = Held(TRUTH)
    world.upstream.says(SLOW_HOST, held)
    await world.get(CHART)
    assert not held.cancelled
    await world.healer.stop()
    assert held.cancelled


async def test_a_slow_endpoint_s_severity_is_its_present_status() -> None:
    world = impatient()
    window = world.admission.window(world.endpoint("yahoo_finance/chart"))
    for _ in range(10):
        window.record_failure()
    world.upstream.says(SLOW_HOST, Held(TRUTH))
    await world.get(CHART)
    assert world.reports[0].diagnosis.severity is Severity.FAILED
    await world.healer.stop()
