"""More calls to a host than it takes at once: they wait their turn, and those too many blame nobody."""

import asyncio
from typing import Any

import pytest
from tests.clock import FlowingClock, ManualClock, let_others_run
from tests.world import TRUTH, Held, Turn, World, json_of, no_answer, said, timed_out, tried

from autonomous_healing.endpoint_healing.codes import Blame
from autonomous_healing.endpoint_healing.concurrency import Slots
from autonomous_healing.endpoint_healing.fetch import Hop
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.resilience import BreakerState

LATEST, PLACE = "/api/exchange-rate/latest/USD", "exchange_rate_api/latest"
HOST = "https://v6.exchangerate-api.com"


def busy(places: int = 100, **how: Any) -> World:
    """All slots of the one host are taken, and so many calls may wait."""
    healing = {"concurrency": {"start": 1, "max": 1, "queue": places}, "in_request_retries": 0}
    world = World(healing={**healing, **how.pop("healing", {})}, **how)
    slots(world).in_flight = 1
    return world


def slots(world: World) -> Slots:
    return world.fetcher.flows.of(world.endpoint(PLACE), HOST).slots


async def test_who_waits_is_answered_when_its_turn_comes() -> None:
    world = busy()
    asking = asyncio.create_task(world.get(LATEST))
    await let_others_run()
    assert world.upstream.asked == []
    slots(world).give_back()
    reply = await asking
    assert (reply.status, reply.headers, slots(world).in_flight) == (200, {}, 0)


async def test_the_time_in_our_own_line_is_not_the_source_s() -> None:
    world = busy(clock=ManualClock())
    asking = asyncio.create_task(world.get(LATEST))
    await let_others_run()
    world.clock.pass_time(2.0)
    slots(world).give_back()
    assert (await asking).status == 200
    assert world.admission.window(world.endpoint(PLACE)).read().average_seconds == 0.0
    [asked] = world.upstream.asked
    assert asked.seconds == 10.0  # what it may take is not less for that


async def test_where_the_line_is_full_a_copy_answers() -> None:
    world = busy(places=0)
    slots(world).give_back()
    good = await world.get(LATEST)
    world.clock.pass_time(1000.0)
    slots(world).in_flight = 1
    reply = await world.get(LATEST)
    assert (reply.status, reply.body) == (200, good.body)
    assert reply.headers["Healing-Strategy"] == "use_cached_data"
    assert len(world.upstream.asked) == 1


async def test_without_a_copy_it_is_told_to_come_back_soon_and_nobody_is_blamed() -> None:
    world = busy(places=0)
    for _ in range(20):
        reply = await world.get(LATEST)
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    assert "too many calls to this source wait already" in json_of(reply)["detail"]
    assert {one.case.failure.blame for one in world.reports} == {Blame.PROXY}
    assert world.admission.window(world.endpoint(PLACE)).read().total == 0
    assert world.admission.breaker(world.endpoint(PLACE), HOST).state is BreakerState.CLOSED
    assert world.upstream.asked == []


async def test_who_waits_too_long_is_healed_in_the_time_that_is_left() -> None:
    world = busy(clock=FlowingClock(), healing={"request_deadline": 0.4})
    reply = await world.get(LATEST)
    assert reply.status == 503
    assert "no call to this host ended within 0.1s" in json_of(reply)["detail"]
    assert tried(world.reports[0])["exponential_backoff_retry"] == "skipped"


async def test_who_leaves_the_line_leaves_no_trace() -> None:
    world = busy()
    asking = asyncio.create_task(world.get(LATEST))
    await let_others_run()
    asking.cancel()
    await asyncio.wait({asking})
    slots(world).give_back()
    await let_others_run()
    assert (slots(world).in_flight, world.upstream.asked) == (0, [])
    assert (await world.get(LATEST)).status == 200


@pytest.mark.parametrize(
    "turn", [TRUTH, said(500), said(404), said(429), timed_out(), no_answer(), RuntimeError()]
)
async def test_a_slot_is_given_back_whatever_comes_of_the_call(turn: Turn) -> None:
    world = busy()
    slots(world).give_back()
    world.upstream.says("https", turn)
    await world.get(LATEST)
    assert slots(world).in_flight == 0


async def test_a_slot_is_given_back_where_circuit_key_or_quota_say_no() -> None:
    world = busy()
    slots(world).give_back()
    breaker = world.admission.breaker(world.endpoint(PLACE), HOST)
    for _ in range(5):
        breaker.record_failure("API.SERVER_ERROR")
    await world.get(LATEST)
    without_key = World(secrets={})
    await without_key.get(LATEST)
    assert (slots(world).in_flight, slots(without_key).in_flight) == (0, 0)


async def test_who_leaves_while_it_is_asked_gives_the_slot_back() -> None:
    world, held = busy(), Held(TRUTH)
    slots(world).give_back()
    world.upstream.says("https", held)
    asking = asyncio.create_task(world.get(LATEST))
    await let_others_run()
    assert (held.asked, slots(world).in_flight) == (True, 1)
    asking.cancel()
    await asyncio.wait({asking})
    await let_others_run()
    assert slots(world).in_flight == 0


async def test_nobody_waits_for_a_host_whose_circuit_is_open() -> None:
    world = busy()
    breaker = world.admission.breaker(world.endpoint(PLACE), HOST)
    for _ in range(5):
        breaker.record_failure("API.SERVER_ERROR")
    assert "circuit open" in json_of(await world.get(LATEST))["detail"]


async def test_the_one_trial_of_a_circuit_waits_for_nobody() -> None:
    world = busy()
    breaker = world.admission.breaker(world.endpoint(PLACE), HOST)
    for _ in range(5):
        breaker.record_failure("API.SERVER_ERROR")
    world.clock.pass_time(40.0)
    assert (await world.get(LATEST)).status == 200


async def test_a_probe_gives_its_place_to_a_caller() -> None:
    world = busy(places=1)
    probe = asyncio.create_task(world.failed(world.call(PLACE, "exact", "probe")))
    await let_others_run()
    caller = asyncio.create_task(world.get(LATEST))
    failed = await probe
    assert (failed.failure.message, failed.failure.blame) == (
        "more urgent calls to this source wait",
        Blame.PROXY,
    )
    slots(world).give_back()
    assert (await caller).status == 200


async def test_what_is_fetched_for_those_to_come_waits_like_a_probe() -> None:
    world = busy(places=1)
    ahead = asyncio.create_task(world.fetch(world.call(PLACE), Hop(purpose=Purpose.PREFETCH)))
    await let_others_run()
    caller = asyncio.create_task(world.get(LATEST))
    await ahead
    slots(world).give_back()
    assert (await caller).status == 200
    assert len(world.upstream.asked) == 1
