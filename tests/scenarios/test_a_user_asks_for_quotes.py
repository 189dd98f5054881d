"""A user asks for several quotes in one request; each is healed by itself."""

from typing import Any

import pytest
from tests.world import TRUTH, Held, World, json_of, said

from autonomous_healing.drills.twins import FaultKind
from autonomous_healing.endpoint_healing.upstream import Answer

BOARD = "/api/yahoo/quote?symbols=SPY,AAPL,MSFT"


def quoted(world: World, symbol: str, price: float, **meta: Any) -> Answer:
    now = int(world.clock.now().timestamp())
    whole = {"symbol": symbol, "regularMarketPrice": price, "regularMarketTime": now, **meta}
    return said(200, {"chart": {"result": [{"meta": whole}], "error": None}})


async def test_gets_all_of_them_unmarked_when_all_is_well() -> None:
    world = World()
    reply = await world.get(BOARD)
    board = json_of(reply)
    assert (reply.status, reply.content_type, reply.headers) == (200, "application/json", {})
    assert list(board["data"]) == ["SPY", "AAPL", "MSFT"]
    assert board["sources_used"] == ["yahoo_finance"]
    assert board["timestamp"] == "2026-03-02T15:00:00.000Z"
    for row in board["data"].values():
        assert set(row) == {"price", "change", "change_pct", "volume", "timestamp", "source"}
        assert row["change_pct"] == pytest.approx(
            100 * row["change"] / (row["price"] - row["change"]), abs=1e-5
        )
    assert len(world.upstream.asked) == 3


@pytest.mark.parametrize(
    "path", ["/api/yahoo_finance/quote?symbol=SPY", "/api/yahoo/quote?symbols=spy,%20SPY,"]
)
async def test_one_is_a_board_too_and_twice_is_once(path: str) -> None:
    world = World()
    assert list(json_of(await world.get(path))["data"]) == ["SPY"]
    assert len(world.upstream.asked) == 1


async def test_each_is_healed_by_itself_and_the_least_faithful_speaks_for_all() -> None:
    world = World()
    await world.get(BOARD)
    world.clock.pass_time(30.0)
    world.upstream.says("/SPY", said(503))
    world.upstream.says("symbols=SPY", said(503))
    world.upstream.says("query1.finance.yahoo.com/v8/finance/chart/AAPL", said(503))
    reply = await world.get(BOARD)
    assert reply.status == 200
    assert all(json_of(reply)["data"].values())
    assert reply.headers["Healing-Status"] == "healed"
    assert reply.headers["Healing-Strategy"] == "use_cached_data"
    assert reply.headers["Healing-Fidelity"].startswith("stale;age=3")
    assert reply.headers["Cache-Control"] == "max-age=0, must-revalidate"
    assert "Cache-Status" not in reply.headers
    assert {report.case.call.params["symbol"] for report in world.reports} == {"SPY", "AAPL"}
    assert world.trail(reply)["request"]["params"]["symbol"] == "SPY"


async def test_those_without_a_truthful_answer_are_null_and_listed() -> None:
    world = World()
    world.upstream.says("MSFT", said(503))
    world.upstream.says("query1.finance.yahoo.com/v8/finance/chart/AAPL", said(503))
    reply = await world.get(BOARD)
    board = json_of(reply)
    assert board["data"]["MSFT"] is None
    assert board["data"]["SPY"]["price"] > 0
    assert reply.headers["Healing-Omitted"] == "MSFT"
    assert reply.headers["Healing-Status"] == "healed"


async def test_an_unknown_symbol_leaves_the_others_alone() -> None:
    world = World()
    reply = await world.get("/api/yahoo/quote?symbols=SPY,NOSUCH")
    assert json_of(reply)["data"]["NOSUCH"] is None
    assert reply.headers == {"Healing-Omitted": "NOSUCH"}  # nothing failed, and nothing was to be healed
    assert world.reports == []


async def test_a_symbol_that_nothing_healed_has_its_trail() -> None:
    world = World()
    world.upstream.says("MSFT", said(503))
    reply = await world.get(BOARD)
    assert (reply.headers["Healing-Omitted"], reply.headers["Healing-Status"]) == ("MSFT", "failed")
    assert world.trail(reply)["request"]["params"]["symbol"] == "MSFT"


async def test_when_none_has_an_answer_the_first_speaks() -> None:
    world = World()
    world.upstream.says("https", said(503, "down"))
    reply = await world.get(BOARD)
    assert (reply.status, reply.body) == (503, b"down")
    assert reply.headers["Healing-Status"] == "failed"
    assert world.trail(reply)["request"]["params"]["symbol"] == "SPY"


async def test_only_unknown_symbols_are_the_caller_s_own_mistake() -> None:
    world = World()
    reply = await world.get("/api/yahoo/quote?symbols=NOSUCH,NEITHER")
    assert (reply.status, reply.headers) == (404, {})


async def test_a_doubtful_quote_is_marked_although_nothing_was_healed() -> None:
    world = World()
    world.upstream.says("/AAPL", quoted(world, "AAPL", 500.0, chartPreviousClose=100.0))
    reply = await world.get(BOARD)
    assert json_of(reply)["data"]["AAPL"]["price"] == 500.0
    assert reply.headers == {"Healing-Fidelity": "exact;suspect"}


async def test_a_doubt_is_not_lost_beside_a_healed_quote() -> None:
    world = World()
    await world.get(BOARD)
    world.clock.pass_time(30.0)
    world.upstream.says("/AAPL", quoted(world, "AAPL", 500.0, chartPreviousClose=100.0))
    world.upstream.says("SPY", said(503))
    reply = await world.get(BOARD)
    assert reply.headers["Healing-Fidelity"].startswith("stale;age=3")
    assert reply.headers["Healing-Fidelity"].endswith(";suspect")


async def test_one_quote_s_validators_are_not_those_of_the_board() -> None:
    world = World()
    truth = world.upstream.truth("https://query2.finance.yahoo.com/v8/finance/chart/SPY?interval=1d&range=1d")
    world.upstream.says("query2", Answer(200, {**truth.headers, "etag": '"1"', "expires": "0"}, truth.body))
    world.upstream.says("query1", said(503))
    reply = await world.get("/api/yahoo/quote?symbols=SPY")
    assert reply.headers["Healing-Strategy"] == "yahoo_alternate_endpoint"
    assert {"etag", "expires"}.isdisjoint(reply.headers)


async def test_quotes_are_asked_for_at_the_same_time() -> None:
    world = World(healing={"soft_timeout": {"min": 0.02, "max": 0.02}})
    held = [Held(TRUTH) for _ in range(3)]
    for symbol, one in zip(("SPY", "AAPL", "MSFT"), held, strict=True):
        world.upstream.says(f"query1.finance.yahoo.com/v8/finance/chart/{symbol}", one)
    reply = await world.get(BOARD)
    assert [one.asked for one in held] == [True, True, True]
    assert reply.headers["Healing-Strategy"] == "yahoo_alternate_endpoint"
    await world.healer.stop()


async def test_a_quote_of_another_api_is_told_in_the_same_words() -> None:
    world = World()
    world.upstream.says("/v8/", said(503))
    reply = await world.get("/api/yahoo/quote?symbols=SPY")
    assert reply.headers["Healing-Fidelity"] == "equivalent"
    assert json_of(reply)["data"]["SPY"]["price"] > 0


@pytest.mark.parametrize(
    "query", ["", "?symbols=", "?symbols=,,", "?symbols=" + ",".join(f"S{n}" for n in range(51))]
)
async def test_no_symbols_or_too_many_are_refused(query: str) -> None:
    world = World()
    reply = await world.get(f"/api/yahoo/quote{query}")
    assert reply.status == 400
    assert "give 1 to 50, separated by commas" in json_of(reply)["detail"]
    assert world.upstream.asked == []


@pytest.mark.parametrize("symbol", ["..", ".", "A/B", "A%23B", "A%0AB"])
async def test_a_symbol_that_would_change_the_path_is_refused(symbol: str) -> None:
    world = World()
    assert (await world.get(f"/api/yahoo/quote?symbols=SPY,{symbol}")).status == 400
    assert world.upstream.asked == []


async def test_a_bad_header_is_told_before_anything_is_asked() -> None:
    world = World()
    assert (await world.get(BOARD, healing_allow="perfect")).status == 400
    assert world.upstream.asked == []


async def test_is_not_offered_where_yahoo_is_switched_off() -> None:
    world = World(sources={"yahoo_finance": {"enabled": False}})
    reply = await world.get(BOARD)
    assert reply.status == 404
    assert not any("yahoo" in path for path in json_of(reply)["known"])


@pytest.mark.parametrize(
    "fault", [FaultKind.IMPLAUSIBLE, FaultKind.WRONG_SHAPE, FaultKind.MISSING, FaultKind.HTML]
)
async def test_no_untrue_price_ever_stands_on_the_board(fault: FaultKind) -> None:
    world = World()
    world.upstream.says("/v8/finance/chart/AAPL", fault)
    world.upstream.says("symbols=AAPL", fault)
    reply = await world.get(BOARD)
    assert json_of(reply)["data"]["AAPL"] is None
    assert reply.headers["Healing-Omitted"] == "AAPL"
