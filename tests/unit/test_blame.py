"""Whose fault a failed call was, and what that moves: nothing else."""

import asyncio
from dataclasses import dataclass

import pytest
from tests.clock import ManualClock
from tests.world import TRUTH, Held, Turn, World, no_answer, said, timed_out, too_large

from autonomous_healing.endpoint_healing.call import Response, Trouble
from autonomous_healing.endpoint_healing.codes import CALLER_ERROR, MISSING, UNREACHABLE, Blame
from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.endpoint_healing.upstream import Unanswered
from autonomous_healing.resilience import BreakerState

AGGS, CHART = "polygon_io/v2/aggs", "yahoo_finance/chart"
SERIES, LATEST = "fred_api/series", "exchange_rate_api/latest"


def unconnected() -> Unanswered:
    return Unanswered(Trouble.TIMED_OUT, "no answer within 10.0s (connect)", connected=False)


@dataclass(frozen=True)
class Moved:
    """What a failure left behind at the endpoint that was asked."""

    health: int = 0  #: failures in the window
    circuit: int = 0  #: calls that failed, as the circuit counts
    keys: tuple[str, ...] = ("ok", "ok")


def moved(world: World, place: str) -> Moved:
    endpoint = world.endpoint(place)
    keys = world.admission.limits(endpoint.source).keys.keys
    failed = sum(breaker.counts()[1] for breaker in world.admission.breakers() if place in breaker.name)
    return Moved(
        world.admission.window(endpoint).read().failed, failed, tuple(key.state.value for key in keys)
    )


#: What the upstream says, whose fault that is, and what it moves, with two keys of which one may not be used
#: in place of one that is limited.
ROWS: list[tuple[Turn, Blame, Moved]] = [
    (said(400), Blame.CALLER, Moved()),
    (said(404), Blame.CALLER, Moved()),
    (said(405), Blame.CALLER, Moved()),
    (said(410), Blame.CALLER, Moved()),
    (said(413), Blame.CALLER, Moved()),
    (said(414), Blame.CALLER, Moved()),
    (said(415), Blame.CALLER, Moved()),
    (said(422), Blame.CALLER, Moved()),
    (too_large(), Blame.PROXY, Moved()),
    (Unanswered(Trouble.NOT_SENT, "too many requests wait for its host"), Blame.PROXY, Moved()),
    (said(401), Blame.KEY, Moved(keys=("invalid", "ok"))),
    (said(429), Blame.PROVIDER, Moved(1, 1, ("limited", "ok"))),  # its terms forbid to go round a limit
    (said(402), Blame.PROVIDER, Moved(1, 1, ("drained", "ok"))),
    (said(500), Blame.PROVIDER, Moved(1, 1)),
    (said(503), Blame.PROVIDER, Moved(1, 1)),
    (timed_out(), Blame.PROVIDER, Moved(1, 1)),
    (unconnected(), Blame.PROVIDER, Moved(1, 1)),
    (no_answer(), Blame.PROVIDER, Moved(1, 1)),
    (said(200), Blame.DATA, Moved(1, 1)),
    (said(200, "<html>"), Blame.DATA, Moved(1, 1)),
    (said(200, {"status": "OK"}), Blame.DATA, Moved(1, 1)),
    (said(200, {"status": "OK", "results": 7}), Blame.DATA, Moved(1, 1)),
]


@pytest.mark.parametrize(("turn", "blame", "left"), ROWS)
async def test_each_blame_moves_only_its_own(turn: Turn, blame: Blame, left: Moved) -> None:
    world = World()
    world.upstream.says("https", turn)
    failure = (await world.failed(world.call(AGGS))).failure
    assert (failure.blame, moved(world, AGGS)) == (blame, left)
    assert world.fetcher.blaming.counts == {blame: 1}


async def test_callers_mistakes_in_any_number_open_no_circuit_and_lower_no_health() -> None:
    world = World()
    for status in (400, 404, 422):
        world.upstream.says("https", said(status, {"message": "your mistake"}))
        for _ in range(100):
            assert await world.code_of(world.call(AGGS)) == CALLER_ERROR
    health = world.admission.window(world.endpoint(AGGS)).read()
    assert (health.total, health.consecutive_failures, moved(world, AGGS)) == (0, 0, Moved())
    assert all(breaker.is_steady for breaker in world.admission.breakers())
    assert world.admission.circuits.memories() == {}


async def blamed_after(stall: float, turn: Turn) -> tuple[Blame | None, Moved]:
    """For a call during which the event loop stood still for so many seconds."""
    world = World(clock=ManualClock())
    watching = asyncio.create_task(world.fetcher.blaming.punctuality.run())
    held = Held(turn)
    world.upstream.says("https", held)
    asking = asyncio.create_task(world.failed(world.call(AGGS)))
    await world.clock.advance(1.0)
    assert held.asked
    world.clock.pass_time(stall)
    held.let_go()
    failure = (await asking).failure
    watching.cancel()
    await asyncio.wait({watching})
    return failure.blame, moved(world, AGGS)


@pytest.mark.parametrize("turn", [timed_out(), no_answer(), unconnected()])
async def test_what_is_not_heard_while_our_own_loop_is_late_is_our_fault(turn: Turn) -> None:
    assert await blamed_after(4.0, turn) == (Blame.PROXY, Moved())
    assert await blamed_after(0.5, turn) == (Blame.PROVIDER, Moved(1, 1))


async def test_an_answer_that_did_come_is_judged_however_late_we_were() -> None:
    assert await blamed_after(4.0, said(500)) == (Blame.PROVIDER, Moved(1, 1))


async def lose_the_network(world: World) -> None:
    """Two unrelated sources are not reached."""
    world.upstream.says("https", no_answer())
    await world.failed(world.call(AGGS))
    assert (await world.failed(world.call(SERIES))).failure.blame is Blame.NETWORK


async def test_when_unrelated_sources_are_not_reached_no_circuit_opens_and_no_health_is_lowered() -> None:
    world = World()
    await lose_the_network(world)
    assert [moved(world, place) for place in (AGGS, SERIES)] == [Moved(), Moved()]
    assert world.admission.window(world.endpoint(AGGS)).read().consecutive_failures == 0
    assert {breaker.state for breaker in world.admission.breakers()} == {BreakerState.CLOSED}
    assert not any(breaker.is_steady for breaker in world.admission.breakers())


async def test_a_circuit_that_the_network_opened_before_that_was_known_is_closed_again() -> None:
    world = World()
    world.upstream.says("https", no_answer())
    for _ in range(7):
        await world.failed(world.call(AGGS))
    [breaker] = world.admission.breakers()
    assert (breaker.state, moved(world, AGGS).health) == (BreakerState.OPEN, 5)
    await lose_the_network(world)
    assert (breaker.state, breaker.openings, moved(world, AGGS)) == (BreakerState.CLOSED, 0, Moved())


async def test_what_a_source_failed_in_long_before_stays_its_own_fault() -> None:
    world = World()
    world.upstream.says("https", no_answer())
    for _ in range(3):
        await world.failed(world.call(AGGS))
    world.clock.pass_time(31.0)
    assert (await world.failed(world.call(SERIES))).failure.blame is Blame.PROVIDER
    assert (moved(world, AGGS).health, moved(world, SERIES).health) == (3, 1)


async def test_only_what_failed_since_the_network_did_is_taken_back() -> None:
    world = World()
    world.upstream.says("https", no_answer())
    for _ in range(3):
        await world.failed(world.call(AGGS))
    world.clock.pass_time(40.0)
    await lose_the_network(world)
    assert (moved(world, AGGS).health, moved(world, SERIES).health) == (3, 0)


async def test_who_cannot_be_connected_to_in_time_is_not_reached_either() -> None:
    world = World()
    world.upstream.says("https", unconnected())
    await world.failed(world.call(AGGS))
    assert (await world.failed(world.call(SERIES))).failure.blame is Blame.NETWORK


async def test_a_deadline_that_is_the_caller_s_own_moves_nothing() -> None:
    world = World(healing={"request_deadline": 0.1})
    world.upstream.says("https", timed_out())
    failure = (await world.failed(world.call(AGGS))).failure
    assert (failure.blame, moved(world, AGGS)) == (Blame.CALLER, Moved())


async def test_while_the_network_is_down_each_source_is_tried_once_in_thirty_seconds() -> None:
    world = World()
    await lose_the_network(world)
    before = len(world.upstream.asked)
    for _ in range(60):
        world.clock.pass_time(1.0)
        for place in (AGGS, SERIES):
            failure = (await world.failed(world.call(place))).failure
            assert failure.blame is Blame.NETWORK
    assert len(world.upstream.asked) - before == 4
    refused = (await world.failed(world.call(AGGS))).failure
    assert (refused.refused, refused.retry_after) == (UNREACHABLE, 30.0)
    assert "the network is down" in refused.message
    assert [moved(world, place) for place in (AGGS, SERIES)] == [Moved(), Moved()]


@pytest.mark.parametrize("turn", [TRUTH, said(500), said(404)])
async def test_the_first_answer_of_anybody_brings_all_back(turn: Turn) -> None:
    world = World()
    await lose_the_network(world)
    world.upstream.says("https", turn)
    await world.fetch(world.call(LATEST))
    assert not world.admission.circuits.network.is_down
    assert all(breaker.is_steady for breaker in world.admission.breakers())
    asked = len(world.upstream.asked)
    await world.fetch(world.call(AGGS))
    assert len(world.upstream.asked) == asked + 1


async def test_silence_of_a_kept_connection_is_the_network_s_too_while_it_is_down() -> None:
    world = World()
    world.upstream.says("https", timed_out())
    await world.failed(world.call(AGGS))
    assert (await world.failed(world.call(SERIES))).failure.blame is Blame.PROVIDER
    await lose_the_network(world)
    world.clock.pass_time(30.0)
    world.upstream.says("https", timed_out())
    assert (await world.failed(world.call(AGGS))).failure.blame is Blame.NETWORK


async def test_who_is_answered_meanwhile_acquits_the_network() -> None:
    world = World()
    world.upstream.says("https", no_answer())
    await world.failed(world.call(AGGS))
    world.upstream.says("https", TRUTH)
    await world.fetch(world.call(LATEST))
    world.upstream.says("https", no_answer())
    assert (await world.failed(world.call(SERIES))).failure.blame is Blame.PROVIDER


async def test_so_does_who_is_answered_on_the_healthy_path() -> None:
    world = World()
    world.upstream.says("https", no_answer())
    await world.failed(world.call(AGGS))
    world.clock.pass_time(1.0)
    latest = world.endpoint(LATEST)
    world.admission.breaker(latest, latest.source.hosts[0]).record_successes([0.1])
    assert (await world.failed(world.call(SERIES))).failure.blame is Blame.PROVIDER


SYMBOLS = [f"S{number}" for number in range(12)]


async def test_most_of_what_was_there_not_being_found_is_the_provider_s_fault() -> None:
    world = World()
    truth = world.upstream.truth(world.url_of(world.call(CHART)))
    for symbol in SYMBOLS:
        world.upstream.says(f"/{symbol}", said(200, truth.body.replace(b"AAPL", symbol.encode())))
        assert isinstance(await world.fetch(world.call(CHART, symbol=symbol)), Response)
    world.upstream.says("https", said(404, "no such thing"))
    told = []
    for symbol in SYMBOLS:
        failure = (await world.failed(world.call(CHART, symbol=symbol))).failure
        told.append((diagnose(failure).code, failure.blame))
    assert told == [(CALLER_ERROR, Blame.CALLER)] * 6 + [(MISSING, Blame.PROVIDER)] * 6
    assert moved(world, CHART).health == 6


async def test_what_never_was_there_is_the_caller_s_fault_however_many_ask() -> None:
    world = World()
    world.upstream.says("https", said(404, "no such thing"))
    for symbol in SYMBOLS:
        failure = (await world.failed(world.call(CHART, symbol=symbol))).failure
        assert (diagnose(failure).code, failure.blame) == (CALLER_ERROR, Blame.CALLER)
    assert moved(world, CHART).health == 0
