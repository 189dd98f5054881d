"""A source is not asked for a while: its circuit is open, its quota spent, its keys at rest."""

from urllib.parse import urlsplit

import pytest
from tests.world import TRUTH, World, json_of, said, tried

from autonomous_healing.drills.twins import FaultKind
from autonomous_healing.endpoint_healing.call import Origin
from autonomous_healing.endpoint_healing.codes import RATE_LIMITED
from autonomous_healing.endpoint_healing.fetch import FIRST, Hop
from autonomous_healing.endpoint_healing.probe import Probe
from autonomous_healing.endpoint_healing.purpose import Purpose

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


async def test_a_host_that_says_when_it_is_back_is_not_asked_before_by_anybody() -> None:
    world = World()
    world.upstream.says("https", said(429, "", retry_after="60"))
    for n in range(20):
        await world.get(f"/api/yahoo/chart/AAPL?range={n}d", healing_allow="exact")
        await world.prober.probe(
            Probe(endpoint=world.endpoint("yahoo_finance/quote"), params={"symbol": "SPY"}, timeout=5.0)
        )
    hosts = [urlsplit(one.url).netloc for one in world.upstream.asked]
    assert sorted(hosts) == ["query1.finance.yahoo.com", "query2.finance.yahoo.com"]
    world.upstream.says("https", TRUTH)
    world.clock.pass_time(60.0)
    assert (await world.get(CHART)).headers == {}


async def test_while_a_host_rests_calls_go_to_another() -> None:
    world = World()
    chart = world.endpoint("yahoo_finance/chart")
    ledger = world.admission.limits(chart.source).ledger
    assert world.admission.choose_host(chart) == "https://query1.finance.yahoo.com"
    ledger.throttled("", RATE_LIMITED, 60.0, "https://query1.finance.yahoo.com")
    assert world.admission.choose_host(chart) == "https://query2.finance.yahoo.com"
    world.clock.pass_time(60.0)
    assert world.admission.choose_host(chart) == "https://query1.finance.yahoo.com"


async def test_when_every_key_is_refused_nobody_is_asked_until_one_returns() -> None:
    world = World()
    world.upstream.says("https", said(429, "", retry_after="60"))
    for _ in range(20):
        reply = await world.get(SERIES)
        await world.prober.probe(
            Probe(endpoint=world.endpoint("fred_api/observations"), params={"series_id": "GDP"}, timeout=5.0)
        )
    assert len(world.upstream.asked) == 2  # once with each key
    assert (reply.status, reply.headers["Retry-After"]) == (503, "60")


@pytest.mark.parametrize(
    "wait", ["Mon, 02 Mar 2020 15:00:00 GMT", "-1", "1e9", "abc", "１２", "NaN", "", "99999999999999999999"]
)
async def test_no_hostile_wait_crashes_or_locks_for_longer_than_a_day(wait: str) -> None:
    world = World(healing={"in_request_retries": 0})
    world.upstream.says("https", said(429, "", retry_after=wait), said(429, "", retry_after=wait), TRUTH)
    assert (await world.get(CHART)).status in (200, 429, 503)
    world.clock.pass_time(86_401.0)
    assert (await world.get(CHART)).status == 200


async def test_what_an_answer_says_of_limits_is_learned_whatever_it_brings() -> None:
    world = World(sources={"yahoo_finance": {"quota": ({"window": "minute", "limit": 100},)}})
    ledger = world.admission.limits(world.endpoint("yahoo_finance/chart").source).ledger
    for remaining, status in (("50", 500), ("30", 404), ("7", 200)):
        limits = {"x_ratelimit_limit": "100", "x_ratelimit_remaining": remaining}
        world.upstream.says("https", said(status, "", **limits))
        await world.fetch(world.call("yahoo_finance/chart"))
        assert [reading.remaining for reading in ledger.readings()] == [int(remaining)]


async def test_a_probe_is_charged_as_one() -> None:
    world = World(sources={"yahoo_finance": {"quota": ({"window": "day", "limit": 40},)}})
    target = Probe(endpoint=world.endpoint("yahoo_finance/quote"), params={"symbol": "SPY"}, timeout=5.0)
    for _ in range(5):
        await world.prober.probe(target)
        world.clock.pass_time(60.0)
    assert len(world.upstream.asked) == 2  # a twentieth
    assert (await world.get(CHART)).status == 200


@pytest.mark.parametrize(
    ("origin", "hop", "purpose"),
    [
        ("live", FIRST, Purpose.FIRST),
        ("live", Hop(extra=True), Purpose.RETRY),
        ("live", Hop(extra=True, purpose=Purpose.FALLBACK), Purpose.FALLBACK),
        ("probe", Hop(extra=True), Purpose.PROBE),
        ("probe", Hop(purpose=Purpose.RETRY), Purpose.PROBE),
    ],
)
def test_what_nobody_waits_for_is_healed_at_no_ones_expense(
    origin: Origin, hop: Hop, purpose: Purpose
) -> None:
    world = World()
    assert hop.purpose_for(world.call("yahoo_finance/chart", "exact", origin)) is purpose


async def test_the_last_calls_of_a_quota_are_for_healing() -> None:
    world = World(sources={"yahoo_finance": {"quota": ({"window": "day", "limit": 20},)}})
    for n in range(19):
        await world.get(f"/api/yahoo/chart/AAPL?range={n}d")
    asked = len(world.upstream.asked)
    await world.get("/api/yahoo/chart/AAPL?range=99d", healing_allow="exact")
    assert (asked, len(world.upstream.asked)) == (19, 20)  # by way of the other host


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
