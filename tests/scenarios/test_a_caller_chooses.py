"""A caller says how much unfaithfulness it allows, and how long it will wait."""

import pytest
from tests.world import ALL_LEVELS, World, json_of, said, timed_out, tried

from autonomous_healing.drills.twins import FaultKind

CHART = "/api/yahoo/chart/AAPL?range=1y"
OBSERVATIONS = "/api/fred/observations?series_id=DGS10&limit=40&sort_order=desc"
MINUTES = "/api/polygon/aggs?ticker=AAPL&from=2026-02-26&to=2026-03-02&timespan=minute"


async def test_none_turns_healing_off() -> None:
    world = World()
    await world.get(CHART)
    world.upstream.says("https", said(500, "oh"))
    reply = await world.get(CHART, healing_allow="none")
    assert (reply.status, reply.body) == (500, b"oh")
    assert set(reply.headers) == {"Healing-Status", "Healing-Trail"}
    assert reply.headers["Healing-Status"] == "bypassed"
    assert len(world.upstream.asked) == 2
    assert world.reports[0].attempts == ()


@pytest.mark.parametrize("status", [429, 503])
async def test_even_without_healing_a_caller_is_told_when_to_come_back(status: int) -> None:
    world = World()
    world.upstream.says("https", said(status, "slow down", retry_after="9"))
    reply = await world.get("/api/polygon/prev?ticker=AAPL", healing_allow="none")
    assert reply.status == status
    assert reply.headers["Healing-Status"] == "bypassed"
    assert reply.headers["Retry-After"] == "9"


async def test_without_healing_silence_is_a_problem_document() -> None:
    world = World()
    world.upstream.says("https", timed_out())
    reply = await world.get(CHART, healing_allow="none")
    assert (reply.status, reply.headers["Healing-Status"]) == (503, "bypassed")
    assert json_of(reply)["allowed"] == []


async def test_without_healing_bad_data_goes_through_as_it_came() -> None:
    world = World()
    world.upstream.says("https", said(200, "<html>"))
    reply = await world.get(CHART, healing_allow="none")
    assert (reply.status, reply.body) == (200, b"<html>")
    assert reply.headers["Healing-Status"] == "bypassed"
    assert "Retry-After" not in reply.headers


async def test_only_exact_with_nothing_exact_is_an_honest_failure() -> None:
    world = World()
    await world.get(CHART)
    world.clock.pass_time(2000.0)
    world.upstream.says("https", said(503, "down", retry_after="33"))
    reply = await world.get(CHART, healing_allow="exact")
    assert (reply.status, reply.body) == (503, b"down")
    assert (reply.headers["Healing-Status"], reply.headers["Retry-After"]) == ("failed", "33")
    found = await world.get(f"/api/healing/trails/{reply.headers['Healing-Trail']}")
    rejected = {one["strategy"]: one.get("reason") for one in json_of(found)["rejected"]}
    assert rejected["use_cached_data"] == "no copy inside its windows that the caller allows"
    assert json_of(found)["policy"]["allow"] == ["exact"]


async def test_a_caller_may_bound_the_age_of_a_copy() -> None:
    world = World()
    await world.get(CHART)
    world.clock.pass_time(2000.0)
    world.upstream.says("https", said(503))
    assert (await world.get(CHART, healing_allow="exact, stale;max-age=1000")).status == 503
    assert (await world.get(CHART, healing_allow="exact, stale;max-age=4000")).status == 200


async def test_less_is_given_only_when_asked_for_and_marked() -> None:
    world = World(healing={"in_request_retries": 0})  # one would spend the retry budget of a quiet source
    world.upstream.says("range=1y", said(503))
    assert (await world.get(CHART)).status == 503
    world.clock.pass_time(10.0)  # the retry budget returns
    reply = await world.get(CHART, healing_allow="exact, reduced")
    assert reply.headers["Healing-Strategy"] == "reduce_request_size"
    assert reply.headers["Healing-Fidelity"] == "reduced;truncated"


async def test_coarser_bars_are_given_only_when_asked_for() -> None:
    world = World()
    world.upstream.says("/minute/", FaultKind.MISSING)
    assert (await world.get(MINUTES)).status == 503
    world.clock.pass_time(10.0)
    reply = await world.get(MINUTES, healing_allow="exact, reduced")
    assert reply.headers["Healing-Strategy"] == "polygon_use_daily"
    assert reply.headers["Healing-Fidelity"] == "reduced"


async def test_a_substitute_is_never_given_unasked() -> None:
    world = World()
    world.upstream.says("series_id=DGS10&", FaultKind.MISSING)
    reply = await world.get(OBSERVATIONS)
    assert reply.status == 503
    assert tried(world.reports[0])["fred_use_alternate_series"] == "skipped"
    assert not any("GS10" in asked.query["series_id"][:2] for asked in world.upstream.asked)
    reply = await world.get(OBSERVATIONS, healing_allow="exact, stale, substitute")
    assert reply.headers["Healing-Strategy"] == "fred_use_alternate_series"
    assert reply.headers["Healing-Fidelity"] == 'substitute;original="DGS10";actual="GS10"'
    assert world.trail(reply)["cure"]["actual"] == "GS10"


async def test_no_caller_gets_more_than_the_operator_gives() -> None:
    world = World(healing={"allow_max": ("exact", "equivalent", "stale")})
    world.upstream.says("series_id=DGS10&", FaultKind.MISSING)
    assert (await world.get(OBSERVATIONS, healing_allow=ALL_LEVELS)).status == 503
    assert tried(world.reports[0])["fred_use_alternate_series"] == "skipped"


async def test_a_caller_whose_every_wish_is_refused_is_told_so() -> None:
    world = World(healing={"allow_max": ("exact", "stale")})
    reply = await world.get(CHART, healing_allow="reduced, substitute")
    assert reply.status == 400
    assert "none of reduced, substitute is given here; allowed are exact, stale" in json_of(reply)["detail"]


async def test_an_operator_may_allow_less_by_default() -> None:
    world = World(healing={"allow": ("exact",)})
    await world.get(CHART)
    world.clock.pass_time(2000.0)
    world.upstream.says("https", said(503))
    assert (await world.get(CHART)).status == 503
    assert (await world.get(CHART, healing_allow="exact, stale")).status == 200


async def test_an_operator_may_turn_healing_off() -> None:
    world = World(healing={"enable_auto_healing": False})
    await world.get(CHART)
    world.upstream.says("https", said(503, "down"))
    reply = await world.get(CHART)
    assert (reply.status, reply.body) == (503, b"down")
    assert reply.headers["Healing-Status"] == "bypassed"
    assert len(world.upstream.asked) == 2


async def test_where_healing_is_off_answers_go_through_as_they_came() -> None:
    world = World(healing={"enable_auto_healing": False, "on_exhausted": "problem"})
    world.upstream.says("https", said(200, "<html>"), timed_out())
    reply = await world.get(CHART)
    assert (reply.status, reply.body, reply.headers["Healing-Status"]) == (200, b"<html>", "bypassed")
    reply = await world.get(CHART)
    assert (reply.status, reply.headers["Healing-Status"]) == (503, "bypassed")
    assert world.admission.window(world.endpoint("yahoo_finance/chart")).read().felt == {}


async def test_where_healing_is_off_a_board_says_so_too() -> None:
    world = World(healing={"enable_auto_healing": False})
    world.upstream.says("/SPY", said(503))
    reply = await world.get("/api/yahoo/quote?symbols=SPY,AAPL")
    assert (reply.headers["Healing-Omitted"], reply.headers["Healing-Status"]) == ("SPY", "bypassed")


async def test_an_operator_may_switch_a_strategy_off() -> None:
    world = World(healing={"strategies": {"yahoo_alternate_endpoint": {"enabled": False}}})
    world.upstream.says("query1", said(503))
    assert (await world.get(CHART)).status == 503
    assert "yahoo_alternate_endpoint" not in tried(world.reports[0])


@pytest.mark.parametrize(("said_by_caller", "seconds"), [("2.5", 2.5), ("1e3", 6.0), (None, 6.0)])
async def test_a_caller_may_shorten_its_wait_but_not_lengthen_it(
    said_by_caller: str | None, seconds: float
) -> None:
    world = World(healing={"request_deadline": 6.0})
    await world.get(CHART, **({"healing_deadline": said_by_caller} if said_by_caller else {}))
    assert world.upstream.asked[0].seconds == pytest.approx(seconds)


async def test_what_a_caller_says_of_itself_goes_on_and_what_is_secret_does_not() -> None:
    world = World()
    headers = {
        "traceparent": "00-1-2-3",
        "x_request_id": "7",
        "accept_language": "de",  # would be another answer under the same name
        "authorization": "Bearer mine",
        "cookie": "a=b",
        "x_api_key": "mine",
    }
    await world.get(CHART, **headers)
    assert world.upstream.asked[0].headers == {
        "traceparent": "00-1-2-3",
        "x-request-id": "7",
    }
