"""A source is not asked for a while: its circuit is open, its quota spent, its keys at rest."""

from tests.world import TRUTH, World, json_of, said, tried

from autonomous_healing.drills.twins import FaultKind

LATEST = "/api/exchange-rate/latest/USD"
SERIES = "/api/fred/series?series_id=DGS10"
CHART = "/api/yahoo/chart/AAPL"


async def test_an_open_circuit_asks_nobody_and_says_when_to_come_back() -> None:
    world = World(healing={"in_request_retries": 0})
    world.upstream.says("https", said(503))
    for _ in range(5):
        await world.get(LATEST)
    reply = await world.get(LATEST)
    assert len(world.upstream.asked) == 5
    problem = json_of(reply)
    assert (reply.status, problem["code"], problem["upstream_status"]) == (503, "API.SERVER_ERROR", None)
    assert 27 <= int(reply.headers["Retry-After"]) <= 33
    assert "circuit open for" in problem["detail"]
    assert world.trail(reply)["failure"]["refused"] is True


async def test_an_open_circuit_is_no_reason_to_go_without_the_copy() -> None:
    world = World(healing={"in_request_retries": 0})
    good = await world.get(LATEST)
    world.upstream.says("https", said(503))
    for _ in range(6):
        reply = await world.get(LATEST)
        assert (reply.status, reply.body) == (200, good.body)
    assert len(world.upstream.asked) == 6
    assert reply.headers["Cache-Status"] == "autonomous_healing; fwd=stale"


async def test_after_the_pause_one_asks_for_all() -> None:
    world = World(healing={"in_request_retries": 0})
    world.upstream.says("https", *[said(503)] * 5, TRUTH)
    for _ in range(5):
        await world.get(LATEST)
    world.clock.pass_time(33.0)
    assert (await world.get(LATEST)).headers == {}


async def test_a_spent_quota_is_healed_from_the_copy() -> None:
    world = World(sources={"yahoo_finance": {"quota": ({"window": "day", "limit": 1},)}})
    good = await world.get(CHART)
    world.clock.pass_time(1000.0)
    reply = await world.get(CHART)
    assert (reply.body, reply.headers["Healing-Strategy"]) == (good.body, "use_cached_data")
    assert world.trail(reply)["failure"]["code"] == "API.QUOTA_EXHAUSTED"
    assert len(world.upstream.asked) == 1


async def test_a_spent_quota_without_a_copy_names_the_moment_of_return() -> None:
    world = World(sources={"yahoo_finance": {"quota": ({"window": "minute", "limit": 1},)}})
    await world.get(CHART)
    world.clock.pass_time(20.0)
    reply = await world.get("/api/yahoo/chart/MSFT")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "40")
    assert json_of(reply)["error_type"] == "rate_limit_429"
    assert tried(world.reports[0])["yahoo_alternate_endpoint"] == "failed"


async def test_when_all_keys_rest_the_first_to_return_is_named() -> None:
    world = World()
    world.upstream.says("fredone", FaultKind.UNAUTHORIZED)
    world.upstream.says("fredtwo", said(429, "", retry_after="40"))
    await world.get(SERIES)
    asked = len(world.upstream.asked)
    reply = await world.get(SERIES)
    assert len(world.upstream.asked) == asked
    assert (reply.status, json_of(reply)["code"]) == (503, "API.RATE_LIMITED")
    assert reply.headers["Retry-After"] == "40"


async def test_without_any_key_the_caller_is_told_whose_fault_it_is() -> None:
    world = World(secrets={})
    reply = await world.get(SERIES)
    problem = json_of(reply)
    assert (reply.status, problem["error_type"]) == (503, "auth_error_403")
    assert "no key for fred_api is set in the environment" in problem["detail"]
    assert world.upstream.asked == []
