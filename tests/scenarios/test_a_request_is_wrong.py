"""A request cannot be understood, or leads nowhere: the caller is told what would do."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.world import TRUTH, Turn, World, json_of, said, timed_out

from autonomous_healing.proxy import Request


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/api/yahoo/chart/..", "relative"),
        ("/api/yahoo/chart/a%2Fb", "forbidden character"),
        ("/api/yahoo/chart/a%00", "forbidden character"),
        ("/api/yahoo/chart/AAPL?range=1d&range=5d", "'range' is given twice"),
        ("/api/yahoo/chart/AAPL?range=1%0Ad", "'range' holds a control character"),
        ("/api/polygon/aggs?ticker=AAPL", "needs the parameter 'from'"),
        ("/api/yahoo/quote?symbols=SPY&symbols=AAPL", "'symbols' is given twice"),
        ("/api/healing/trails/7", "a trail id is a UUID"),
    ],
)
async def test_what_cannot_be_understood_is_a_400_that_says_where(path: str, detail: str) -> None:
    world = World()
    reply = await world.get(path)
    assert (reply.status, reply.content_type) == (400, "application/problem+json")
    problem = json_of(reply)
    assert (problem["title"], problem["status"]) == ("Bad request", 400)
    assert detail in problem["detail"]
    assert world.upstream.asked == []
    assert world.reports == []


@pytest.mark.parametrize(
    "path", ["/api/yahoo/nothing", "/api/nobody/x", "/", "/api", "/metrics", "/api/health"]
)
async def test_a_path_that_leads_nowhere_is_a_404_with_those_that_do(path: str) -> None:
    world = World()
    reply = await world.get(path)
    problem = json_of(reply)
    assert (reply.status, problem["title"], problem["detail"]) == (404, "Unknown route", f"no route {path}")
    assert "/api/yahoo/quote?symbols={symbols}" in problem["known"]
    assert "/api/yahoo/chart/{symbol}" in problem["known"]
    assert world.upstream.asked == []


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({"healing_allow": "perfect"}, "unknown fidelity level 'perfect'"),
        ({"healing_allow": ""}, "send `none` to turn healing off"),
        ({"healing_allow": "stale;max-age=soon"}, "try `stale;max-age=600`"),
        ({"healing_deadline": "soon"}, "give seconds above 0, for example 2.5"),
        ({"healing_deadline": "0"}, "give seconds above 0"),
        ({"healing_deadline": "-1"}, "give seconds above 0"),
        ({"healing_deadline": "nan"}, "give seconds above 0"),
        ({"healing_deadline": "inf"}, "give seconds above 0"),
    ],
)
async def test_a_header_that_cannot_be_read_is_a_400_that_says_what_would_do(
    headers: dict[str, str], detail: str
) -> None:
    world = World()
    reply = await world.get("/api/yahoo/chart/AAPL", **headers)
    assert reply.status == 400
    assert detail in json_of(reply)["detail"]
    assert world.upstream.asked == []


async def test_a_trail_that_nobody_left_is_a_404() -> None:
    world = World()
    trail = "019caf10-3180-7905-9eae-dc629529976f"
    reply = await world.get(f"/api/healing/trails/{trail}")
    assert (reply.status, json_of(reply)["title"]) == (404, "Unknown trail")
    assert trail in json_of(reply)["detail"]


async def test_a_lost_caller_is_shown_the_routes_of_the_source_it_meant() -> None:
    world = World()
    known = json_of(await world.get("/api/fred/serie"))["known"]
    assert known == ["/api/fred/series", "/api/fred/observations", "/api/fred/series/observations"]


async def test_a_symbol_with_odd_but_harmless_letters_arrives_as_it_is() -> None:
    world = World()
    await world.get("/api/yahoo/chart/%5EGSPC")
    assert world.upstream.asked[0].url.startswith(
        "https://query1.finance.yahoo.com/v8/finance/chart/%5EGSPC?"
    )


async def test_parameters_nobody_knows_go_on_to_the_source() -> None:
    world = World()
    await world.get("/api/yahoo/chart/AAPL?includePrePost=true")
    assert world.upstream.asked[0].query["includePrePost"] == "true"


PATHS = [
    "/api/yahoo/chart/AAPL",
    "/api/yahoo/quote",
    "/api/fred/observations",
    "/api/fred/series",
    "/api/polygon/aggs",
    "/api/polygon/prev",
    "/api/alpha-vantage/query",
    "/api/exchange-rate/latest/USD",
]
NAMES = (
    "symbols", "symbol", "range", "interval", "period1", "period2", "series_id", "limit", "offset", "ticker",
    "from", "to", "timespan", "multiplier", "sort", "function", "outputsize", "file_type",
)  # fmt: skip
VALUES = st.text(max_size=6) | st.sampled_from(
    [
        "AAPL",
        "DGS10",
        "2026-02-16",
        "2026-03-02",
        "minute",
        "1m",
        "9" * 30,
        "9" * 5000,
        "²",
        "-1",
        "xml",
        "desc",
    ]
)
SICK = [TRUTH, said(503), timed_out(), said(200, "<html>"), said(429, "no", retry_after="x")]


@settings(deadline=None)
@given(
    st.sampled_from(PATHS),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
    st.sampled_from(SICK),
    st.sampled_from(["exact, reduced, substitute", "exact, stale;max-age=5", "none"]),
)
def test_whatever_is_asked_there_is_an_answer(
    path: str, query: dict[str, str], turn: Turn, allow: str
) -> None:
    world = World()
    world.upstream.says("https", turn)
    request = Request(path, list(query.items()), {"healing-allow": allow})
    reply = asyncio.run(world.proxy.handle(request))
    assert reply.status in (200, 400, 404, 422, 429, 503)
