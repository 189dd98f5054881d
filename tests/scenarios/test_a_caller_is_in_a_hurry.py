"""A caller who gives too little time learns nothing of the provider, and neither do we."""

import pytest
from tests.world import World, said, timed_out, tried

from autonomous_healing.endpoint_healing.codes import Blame
from autonomous_healing.endpoint_healing.fetch import Hop
from autonomous_healing.resilience import BreakerState

CHART = "/api/yahoo/chart/AAPL"


async def test_a_short_deadline_moves_neither_window_nor_circuit_nor_what_is_felt() -> None:
    world = World()
    world.upstream.says("https", timed_out())
    for _ in range(20):
        assert (await world.get(CHART, healing_deadline="3")).status == 503
    health = world.admission.window(world.endpoint("yahoo_finance/chart")).read()
    assert (health.total, health.felt) == (0, {})
    assert {one.state for one in world.admission.breakers()} == {BreakerState.CLOSED}
    assert {one.case.failure.blame for one in world.reports} == {Blame.CALLER}


async def test_the_same_silence_within_the_product_s_own_time_does_count() -> None:
    world = World(healing={"in_request_retries": 0})
    world.upstream.says("https", timed_out())
    assert (await world.get(CHART)).status == 503
    health = world.admission.window(world.endpoint("yahoo_finance/chart")).read()
    assert health.failed >= 1
    assert health.felt == {"error": 1}
    assert world.reports[0].case.failure.blame is Blame.PROVIDER


@pytest.mark.parametrize(("usual", "failed"), [(0.1, 1), (3.0, 0)])
async def test_what_was_left_of_a_healing_tells_only_where_an_answer_was_due_by_then(
    usual: float, failed: int
) -> None:
    """The soft timeout is 1.5 times the p95: 1.0 s at least, and 4.5 s for the slow one."""
    world = World()
    call = world.call("yahoo_finance/chart")
    window = world.admission.window(call.endpoint)
    for _ in range(20):
        window.record_success(usual)
    world.upstream.says("https", timed_out())
    await world.failed(call, Hop(seconds=2.8))
    assert window.read().failed == failed


async def test_what_would_take_the_time_of_local_answers_is_not_begun() -> None:
    world = World(healing={"local_reserve": 2.75, "request_budget": 3.0})
    world.upstream.says("https", said(503))
    await world.get(CHART)
    assert tried(world.reports[0])["yahoo_alternate_endpoint"] == "skipped"
    assert len(world.upstream.asked) == 1
